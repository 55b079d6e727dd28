"""The reference distribution as a value, its documents, and finding it in the cache."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from bot.demo.distribution.debian import DEBIAN_ARCH, SUITES, Suite, package_evr
from bot.demo.distribution.own_packages import MACROS_PACKAGE
from bot.demo.distribution.selection import BUILD_PACKAGES

# Raised with every change of what is made: another number is another distribution.
FORMAT = 4
# The same of its documents, which are then written anew beside the same packages.
DOCUMENTS_FORMAT = 2


@dataclass(frozen=True, slots=True)
class ReferenceDistribution:
    """A small real distribution on this disk.

    `root` holds everything; `repositories` the rpm-md repository of each architecture as a
    `file://` URL; `config_dir` the configuration documents (`--config`); `sources` the upstream
    tarballs of the demo's own packages; `versions` the Debian version of each source in it.
    """

    root: Path
    suite: Suite
    repositories: Mapping[str, str]
    config_dir: Path
    sources: Path
    versions: Mapping[str, str]

    @property
    def dist(self) -> str:
        """rpm's `%dist` of every package here, such as `.deb12`."""
        return self.suite.dist

    def repository_directory(self, arch: str) -> Path:
        """The directory of one architecture's repository: `repodata/`, `Packages/`."""
        return self.root / "repositories" / arch

    def published_evr(self, source: str) -> tuple[int, str, str]:
        """Epoch, version and release (with `dist`) that a source's packages are published with."""
        evr = package_evr(self.versions[source], self.dist)
        return evr.epoch, evr.version, evr.release


def default_cache() -> Path:
    """MINIMIZE_CACHE, or `minimize` in the user's cache directory."""
    chosen = os.environ.get("MINIMIZE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minimize"


def place(cache: Path) -> Path:
    """Where this version's distribution is, or will be, below a cache directory."""
    return cache.absolute() / "reference" / f"format-{FORMAT}"


def find_reference_distribution(cache: Path) -> ReferenceDistribution | None:
    """The distribution made before, or None.

    Its documents are written anew if the cache has moved, or if this version's are others.
    """
    root = place(cache)
    try:
        made: dict[str, Any] = json.loads((root / "distribution.json").read_text())
    except FileNotFoundError:
        return None
    suite = next(suite for suite in SUITES if suite.codename == made["suite"])
    if made["root"] != str(root) or made.get("documents") != DOCUMENTS_FORMAT:
        write_documents(root / "config", root / "repositories", suite)
        write_record(root, root, suite, made["versions"])
    return _value(root, suite, made["versions"])


def write_documents(directory: Path, repositories: Path, suite: Suite) -> None:
    """Writes the configuration documents, in Content Resolver's format, into `directory`.

    `repositories` is the directory with one repository for each architecture, as it will be called
    when it is used.
    """
    directory.mkdir(parents=True, exist_ok=True)
    values = {
        "number": suite.number,
        "dist": suite.dist,
        "repositories": repositories.as_uri(),
        "architectures": json.dumps(list(DEBIAN_ARCH)),
        "build_packages": json.dumps([*BUILD_PACKAGES, MACROS_PACKAGE]),
    }
    for template in (Path(__file__).parent / "documents").glob("*.yaml"):
        draft = directory / f"{template.name}.{os.getpid()}"
        draft.write_text(Template(template.read_text()).substitute(values), encoding="utf-8")
        draft.replace(directory / template.name)  # others may be reading it


def write_record(directory: Path, root: Path, suite: Suite, versions: Mapping[str, str]) -> None:
    """Writes what `find_reference_distribution` reads; last of all, and whole or not at all."""
    record = {
        "suite": suite.codename,
        "root": str(root),
        "versions": dict(versions),
        "documents": DOCUMENTS_FORMAT,
    }
    draft = directory / f"distribution.json.{os.getpid()}"
    draft.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    draft.replace(directory / "distribution.json")


def _value(root: Path, suite: Suite, versions: Mapping[str, str]) -> ReferenceDistribution:
    return ReferenceDistribution(
        root=root,
        suite=suite,
        repositories={arch: (root / "repositories" / arch).as_uri() for arch in DEBIAN_ARCH},
        config_dir=root / "config",
        sources=root / "sources",
        versions=versions,
    )
