"""Fixtures of the tests of checks; `tests.check.tiny` has their contents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.model.result import CheckResult, ImageResult
from tests.check.tiny import TOOL, Bench, documented, make_repositories, workload


@pytest.fixture(scope="session")
def tiny_repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a repository of real RPM files for each architecture."""
    root = tmp_path_factory.mktemp("tiny")
    make_repositories(root)
    return root


@pytest.fixture
def bench(tmp_path: Path, tiny_repositories: Path) -> Bench:
    """The tool's repository as published, the documents, and a workload that asks for the tool."""
    bench = documented(tmp_path, tiny_repositories, web=workload("tool"))
    bench.start({"tool.spec": TOOL, "data.txt": "data\n"})
    return bench


@pytest.fixture
def image_of() -> Callable[[CheckResult, str], ImageResult]:
    """Return the image of a result on an architecture."""

    def find(result: CheckResult, arch: str = "x86_64") -> ImageResult:
        (image,) = [i for i in result.images if i.key.arch == arch]
        return image

    return find
