"""Fixtures of the image tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.closure.pool import open_pool
from bot.demo.distribution.reference import ReferenceDistribution
from bot.distro.cache import Cache
from bot.distro.images import image_keys, image_request
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.model.closure import Closure
from bot.model.image import ImageKey
from tests.check.conftest import tiny_repositories

__all__ = ["tiny_repositories"]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def build_rpms(tmp_path: Path) -> Callable[[str], list[Path]]:
    """A function that builds a spec text with rpmbuild and returns the RPM files by name."""

    def build(spec: str) -> list[Path]:
        top = tmp_path / "rpmbuild"
        top.mkdir(exist_ok=True)
        file = top / "made.spec"
        file.write_text(spec)
        before = set(top.glob("RPMS/*/*.rpm"))
        made = subprocess.run(
            ["rpmbuild", "-bb", "--define", f"_topdir {top}", "--nodeps", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        return sorted(set(top.glob("RPMS/*/*.rpm")) - before)

    return build


@pytest.fixture(scope="session")
def reference_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("reference-images"))


@pytest.fixture(scope="session")
def solve(
    reference: ReferenceDistribution, reference_cache: Cache
) -> Callable[[str, str], Closure]:
    """A function that solves a workload of the reference distribution on one architecture."""
    configuration = load_configuration(reference.config_dir)

    def solved(workload: str, arch: str) -> Closure:
        (key,) = image_keys(configuration, workloads=[workload], arches=[arch])
        assert isinstance(key, ImageKey)
        document = configuration.repositories[key.repository]
        pool = open_pool(open_snapshot(document, arch, reference_cache), reference_cache)
        return pool.solve(image_request(configuration, key))

    return solved
