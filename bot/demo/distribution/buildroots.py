"""A buildroot for one more architecture: the same distribution, with all packages that builds need.

The reference distribution has a buildroot for x86_64 only: another would double the downloads of
every demo. This one is made when something is built for the architecture.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from bot.demo.distribution.build import (
    Debian,
    Progress,
    Silent,
    build_lock,
    check_tools,
    fetch_packages,
    make_repositories,
)
from bot.demo.distribution.debian import DEBIAN_ARCH
from bot.demo.distribution.fetch import BUILT_ARCH, PackageIndex, open_apt, roots, update
from bot.demo.distribution.reference import ReferenceDistribution, place, write_documents

_MARKER = "made"


def with_buildroot(
    distribution: ReferenceDistribution, cache: Path, arch: str, progress: Progress | None = None
) -> ReferenceDistribution:
    """The distribution with a buildroot for `arch` too, which is made below `cache` if missing.
    That takes some minutes and fetches 100 MB.

    Raises SurroundingsError like `build_reference_distribution`.
    """
    if arch == BUILT_ARCH:
        return distribution
    progress = progress or Silent()
    root = place(cache) / "buildroots" / arch
    if not (root / _MARKER).exists():
        with build_lock(cache, progress):
            if not (root / _MARKER).exists():
                _make(distribution, cache, arch, root, progress)
    # Written each time: the cache may have been moved.
    repositories = root / "repositories"
    for foreign in DEBIAN_ARCH:
        link = repositories / foreign
        if foreign != arch:
            link.unlink(missing_ok=True)
            link.symlink_to(distribution.repository_directory(foreign))
    write_documents(root / "config", repositories, distribution.suite)
    return replace(
        distribution,
        config_dir=root / "config",
        repositories={name: (repositories / name).as_uri() for name in DEBIAN_ARCH},
    )


def _make(
    distribution: ReferenceDistribution, cache: Path, arch: str, root: Path, progress: Progress
) -> None:
    check_tools()
    draft = root.with_name(f"{root.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    suite = distribution.suite
    directory = cache / "debian" / suite.codename
    progress.message(f"Fetching the buildroot for {arch}")
    apt = open_apt(directory / arch, arch, suite)
    index = PackageIndex.read(update(apt))
    files = fetch_packages(apt, index, roots(buildroot=True), directory / "packages")
    make_repositories(Debian(suite, {arch: files}, {}), draft, progress)
    (draft / _MARKER).touch()
    shutil.rmtree(root, ignore_errors=True)
    draft.replace(root)
