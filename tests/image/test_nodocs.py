"""Sizes without documentation, filled into closures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.images import image_keys, image_request
from bot.image.nodocs import with_nodocs
from bot.model.closure import Closure
from tests.check.tiny import DOCUMENTS, Bench, make_repositories, workload


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nodocs")
    make_repositories(root)
    return root


@pytest.fixture
def closure(tmp_path: Path, repositories: Path) -> Closure:
    bench = Bench(tmp_path, repositories)
    for id_, text in DOCUMENTS.items():
        bench.document(id_, text)
    bench.document("web", workload("tool"))
    configuration = bench.configuration()
    pool = bench.pools().get(configuration.repositories["repo"], "x86_64")
    (key,) = image_keys(configuration, arches=["x86_64"])
    return pool.solve(image_request(configuration, key))


def test_every_package_whose_header_is_there_has_its_size(closure: Closure, tmp_path: Path) -> None:
    (filled,) = with_nodocs([closure], Cache(tmp_path / "cache"))
    assert [p.installed_size_nodocs for p in closure.packages] == [None] * len(closure.packages)
    assert [p.installed_size_nodocs for p in filled.packages] == [
        p.installed_size for p in filled.packages
    ]  # none of them has documentation
