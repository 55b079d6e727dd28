"""Tiny repositories of metadata alone, and documents on them, for runs of `minimize track`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.demo.distribution.reference import write_metadata
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.load import load_configuration
from bot.distro.repomd import createrepo
from bot.model.image import ImageKey
from bot.objectives.tracking import TrackResult, track
from bot.store.history.history import History, open_history
from bot.store.store import utc_text

# When a change was merged that explains a step of now; 120 days later it explains none.
MERGED_AT = utc_text(datetime.now(UTC) - timedelta(days=27))
DOCUMENTS = {
    "repo": """
document: feedback-pipeline-repository
version: 2
data:
  name: r
  description: d
  maintainer: m
  source:
    releasever: "1"
    architectures: [x86_64]
    repos: {all: {baseurl: "%ROOT%/repository/"}}
""",
    "env": """
document: feedback-pipeline-environment
version: 1
data: {name: e, description: d, maintainer: m, repositories: [repo], packages: [], labels: [l]}
""",
}


@dataclass(frozen=True)
class Thing:
    """A package: `name` in version `version`, `size` bytes, `requires` names of other packages.

    It is of the source package of its name, if it names no other.
    """

    name: str
    version: int = 1
    size: int = 10
    requires: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    source: str = ""


class World:
    """A repository, documents and a history below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config"
        self.config.mkdir(parents=True)
        self._revision = 1_775_000_000
        for id_, text in DOCUMENTS.items():
            self.document(id_, text.replace("%ROOT%", root.as_uri()))

    def document(self, id_: str, text: str) -> None:
        (self.config / f"{id_}.yaml").write_text(text)

    def workload(self, id_: str, *packages: str, weak: bool = False) -> ImageKey:
        options = "[include-weak-deps]" if weak else "[]"
        self.document(
            id_,
            "document: feedback-pipeline-workload\nversion: 1\ndata:\n"
            f"  {{name: w, description: d, maintainer: m, labels: [l], options: {options},"
            f" packages: [{', '.join(packages)}]}}\n",
        )
        return ImageKey(id_, "env", "repo", "x86_64")

    def forget(self, id_: str) -> None:
        (self.config / f"{id_}.yaml").unlink()

    def objective(self, id_: str, workload: str, text: str) -> None:
        self.document(
            id_,
            "document: minimize-objective\nversion: 1\ndata:\n"
            f"  {{name: {id_}, description: d, maintainer: m, workload: {workload}, {text}}}\n",
        )

    def publish(self, *things: Thing) -> None:
        """Replace the packages of the repository."""
        self._revision += 1
        packages = [_package(thing) for thing in sorted(things, key=lambda t: t.name)]
        write_metadata(self.root / "repository", lambda: packages, len(packages), self._revision)

    @property
    def configuration(self) -> Configuration:
        return load_configuration(self.config)

    def track(self, history: History, **options: Any) -> TrackResult:
        options.setdefault("processes", 1)
        return track(self.configuration, history, Cache(self.root / "cache"), **options)

    @contextmanager
    def history(self, name: str = "data") -> Iterable[History]:
        opened = open_history(self.root / name)
        try:
            yield opened
        finally:
            opened.close()
            opened.store.close()


def _package(thing: Thing) -> Any:
    package = createrepo().Package()
    package.name, package.arch = thing.name, "noarch"
    package.epoch, package.version, package.release = "0", str(thing.version), "1"
    package.summary = package.description = thing.name
    package.rpm_license = "MIT"
    package.rpm_sourcerpm = f"{thing.source or thing.name}-{thing.version}-1.src.rpm"
    package.pkgId = hashlib.sha256(repr(thing).encode()).hexdigest()
    package.checksum_type = "sha256"
    package.size_installed, package.size_package = thing.size, thing.size // 2
    package.location_href = f"{thing.name}-{thing.version}.rpm"
    package.requires = _bare(thing.requires)
    package.recommends = _bare(thing.recommends)
    own = (thing.name, "EQ", "0", str(thing.version), "1", False)
    package.provides = [*_bare(thing.provides), own]
    return package


def _bare(names: Sequence[str]) -> list[tuple[str, None, None, None, None, bool]]:
    return [(name, None, None, None, None, False) for name in reversed(names)]


def sizes(things: Mapping[str, Thing], names: Iterable[str]) -> int:
    """The bytes of some packages together."""
    return sum(things[name].size for name in names)
