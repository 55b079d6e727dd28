"""Fixtures: RPM files that are built in the test, and images of the reference distribution."""

from tests.check.conftest import bench
from tests.image.conftest import build_rpms, cache, reference_cache, solve, tiny_repositories

__all__ = ["bench", "build_rpms", "cache", "reference_cache", "solve", "tiny_repositories"]
