"""Fixtures of the tests of CI systems: the checks' repository of real RPM files."""

from tests.check.conftest import tiny_repositories

__all__ = ["tiny_repositories"]
