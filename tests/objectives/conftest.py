"""The tiny distribution of the checks' tests, as a fixture here too."""

from pathlib import Path

import pytest

from tests.check.tiny import DOCUMENTS, TOOL, Bench, make_repositories, workload


@pytest.fixture(scope="session")
def tiny_repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a repository of real RPM files for each architecture."""
    root = tmp_path_factory.mktemp("tiny")
    make_repositories(root)
    return root


@pytest.fixture
def bench(tmp_path: Path, tiny_repositories: Path) -> Bench:
    """The tool's repository as published, the documents, and a workload that asks for the tool."""
    made = Bench(tmp_path, tiny_repositories)
    for id_, text in DOCUMENTS.items():
        made.document(id_, text)
    made.document("web", workload("tool"))
    (tmp_path / "git").mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit({"tool.spec": TOOL, "data.txt": "data\n"})
    return made
