"""A small real distribution, made of Debian's packages: for the demo and for the tests."""

from bot.demo.distribution.build import build_reference_distribution
from bot.demo.distribution.debian import DEBIAN_ARCH
from bot.demo.distribution.nginx_repository import RepositoryFiles, nginx_repository_files
from bot.demo.distribution.progress import progress
from bot.demo.distribution.reference import (
    ReferenceDistribution,
    default_cache,
    find_reference_distribution,
)

__all__ = [
    "DEBIAN_ARCH",
    "ReferenceDistribution",
    "RepositoryFiles",
    "build_reference_distribution",
    "default_cache",
    "find_reference_distribution",
    "nginx_repository_files",
    "progress",
]
