"""The checks' tiny distribution, for questions about its images."""

from tests.check.conftest import bench, tiny_repositories

__all__ = ["bench", "tiny_repositories"]
