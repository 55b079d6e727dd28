"""A change of one document of a Content Resolver tree of 500, which 300 workloads share."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.pools import Pools
from bot.check.run import predict_check
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.git.repository import open_repository
from tests.benchmarks.content_resolver_tree import name, write_tree

DOCUMENTS, SHARED = 500, 300
LIMIT = 60.0  # seconds of two processors: 30 s of both


@pytest.mark.benchmark
def test_an_environment_that_300_workloads_share(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, workloads=DOCUMENTS - 78, arches=("x86_64",))
    for number in range(SHARED, DOCUMENTS - 78):
        document = tree.config_dir / f"workload-{number:03d}.yaml"
        document.write_text(document.read_text().replace("label-0", "label-1"))
    assert len(list(tree.config_dir.glob("*.yaml"))) == DOCUMENTS
    _git(tree.config_dir, "init", "--quiet", "--initial-branch=main")
    _commit(tree.config_dir)
    environment = tree.config_dir / "env-0.yaml"
    more = f"  - {name(7)}\n  - {name(5000)}\n"
    environment.write_text(environment.read_text().replace(f"  - {name(7)}\n", more))
    _commit(tree.config_dir)
    options = CheckOptions(arches=("x86_64",), own_repositories=True)
    pools = Pools(Cache(tmp_path / "cache"))
    before = _seconds()
    git = open_repository(tree.config_dir)
    with open_change(git, "HEAD~1", "HEAD", branch="main") as change:
        found = predict_check(change, options, Configuration(), pools)
    spent = _seconds() - before
    assert len(found.result.images) == SHARED
    assert {a.spec.text for i in found.result.images for a in i.added if a.spec} == {
        f"- {name(5000)}"
    }
    print(f"{len(found.result.images)} images, {spent:.1f} s of processors")
    assert spent < LIMIT


def _seconds() -> float:
    """Seconds of processor time of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _commit(folder: Path) -> None:
    _git(folder, "add", "-A")
    _git(folder, "commit", "--quiet", "-m", "x")


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
