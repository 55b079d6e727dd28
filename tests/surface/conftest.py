"""Fixtures: RPM files that are built in the test, and images of the reference distribution."""

from tests.image.conftest import build_rpms, cache, reference_cache, solve

__all__ = ["build_rpms", "cache", "reference_cache", "solve"]
