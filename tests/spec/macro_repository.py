"""Small repositories of packages with macros, written by the tests that use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.closure.pool import Pool, open_pool
from bot.demo.distribution.reference import write_repository
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot
from tests.image.crafted import File, write_rpm

_INT32, _STRING, _STRINGS = 4, 6, 8


@dataclass(frozen=True)
class MacroPackage:
    """A package of release 1: its files by path, and what it requires."""

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    requires: Sequence[str] = ()
    arch: str = "noarch"
    version: str = "1"
    signed: Callable[[bytes], bytes] | None = None

    def write(self, directory: Path) -> Path:
        path = directory / f"{self.name}-1-1.{self.arch}.rpm"
        directory.mkdir(parents=True, exist_ok=True)
        count = len(self.requires)
        more: dict[int, tuple[int, object]] = {
            1001: (_STRING, self.version),
            1022: (_STRING, self.arch),
        }
        if count:
            more |= {
                1048: (_INT32, [0] * count),
                1049: (_STRINGS, list(self.requires)),
                1050: (_STRINGS, [""] * count),
            }
        files = [File(name, content.encode()) for name, content in sorted(self.files.items())]
        write_rpm(path, files, name=self.name, more=more, signed=self.signed)
        return path


def write_distribution(
    root: Path, packages: Sequence[MacroPackage], arches: Sequence[str] = ("x86_64",), **more: Any
) -> RepositoryDocument:
    """A repository for each architecture below `root`, and the document that names them.

    An architecture's has its own packages and those that are noarch.
    """
    for arch in arches:
        directory = root / arch
        paths = [p.write(directory) for p in packages if p.arch in (arch, "noarch")]
        write_repository(directory, paths, 1_700_000_000)
    document = RepositoryDocument(
        id=more.pop("id", "tiny"),
        name="Tiny",
        description="",
        maintainer="",
        releasever="1",
        architectures=tuple(arches),
        repos=(
            RepoSource(
                "base",
                "Base",
                baseurl=(f"{root.as_uri()}/$basearch/",),
                gpgkey=more.pop("gpgkey", ()),
            ),
        ),
    )
    return replace(document, **more)


def pools_of(document: RepositoryDocument, cache: Cache) -> dict[str, Pool]:
    """The loaded snapshots of a document's architectures."""
    return {
        arch: open_pool(open_snapshot(document, arch, cache), cache)
        for arch in document.architectures
    }
