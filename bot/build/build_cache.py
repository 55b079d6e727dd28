"""Cached builds, by a key of everything that their packages depend on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bot.model.nevra import Nevra
from bot.model.package import Dependency, Location, Package

if TYPE_CHECKING:
    from bot.distro.cache import Cache

_FORMAT = "1"
_RESULT = "result.json"


@dataclass(frozen=True, slots=True)
class CachedBuild:
    """The result of a finished build: packages, files, log, and sentences for the report."""

    packages: tuple[Package, ...]
    rpms: tuple[Path, ...]
    log: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MoreRequirements:
    """A build that only reported further requirements (%generate_buildrequires)."""

    names: tuple[str, ...]


def build_key(
    builder: str,
    tree: str,
    buildroot: str,
    definitions: Mapping[str, str],
    arch: str,
    *,
    check: bool,
) -> str:
    """Return the key of a build: a SHA-256 of all that its packages depend on, and our format."""
    parts = [_FORMAT, builder, tree, buildroot, sorted(definitions.items()), arch, check]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class BuildCache:
    """The builds below a cache, at most `most`; the least recently used are removed first."""

    def __init__(self, cache: Cache, *, most: int = 300) -> None:
        self._cache = cache
        self._most = most

    def get(self, key: str) -> CachedBuild | MoreRequirements | None:
        """Return the cached build of `key`; None also where it is damaged."""
        directory = self._place(key)
        with suppress(OSError, ValueError, KeyError, TypeError):
            data = json.loads((directory / _RESULT).read_text())
            os.utime(directory)
            if "requirements" in data:
                return MoreRequirements(tuple(data["requirements"]))
            packages = tuple(_package(record, directory) for record in data["packages"])
            rpms = tuple(directory / record["rpm"] for record in data["packages"])
            if all(path.is_file() for path in rpms):
                log = directory / "build.log"
                return CachedBuild(packages, rpms, log, tuple(data["notes"]))
        return None

    def ask_for_more(self, key: str, names: Iterable[str]) -> None:
        """Record that the build `key` also needs `names`."""
        self._write(key, {"requirements": list(names)}, (), None)

    def put(
        self, key: str, packages: Sequence[Package], log: Path, notes: Sequence[str] = ()
    ) -> CachedBuild:
        """Move a build's RPM files (from their packages' locations) and its log into the cache."""
        data = {"packages": [_data(package) for package in packages], "notes": list(notes)}
        files = [_file(package) for package in packages]
        self._write(key, data, files, log)
        cached = self.get(key)
        assert isinstance(cached, CachedBuild)
        return cached

    def failed_log(self, key: str, log: Path) -> Path:
        """Move the log of a failed build into the cache, in the place of an earlier one."""
        place = self._cache.directory("build-logs") / f"{key}.log"
        shutil.move(log, place)
        _remove_oldest(place.parent, self._most)
        return place

    def _place(self, key: str) -> Path:
        return self._cache.directory("builds") / key

    def _write(
        self, key: str, data: Mapping[str, Any], files: Iterable[Path], log: Path | None
    ) -> None:
        directory = self._place(key)
        draft = directory.with_name(f".making-{key}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        for file in files:
            shutil.move(file, draft / file.name)
        if log is not None:
            shutil.move(log, draft / "build.log")
        (draft / _RESULT).write_text(json.dumps(data))
        shutil.rmtree(directory, ignore_errors=True)
        draft.rename(directory)
        _remove_oldest(directory.parent, self._most)


def _remove_oldest(directory: Path, most: int) -> None:
    entries = []
    for path in directory.iterdir():
        with suppress(OSError):
            if not path.name.startswith("."):
                entries.append((path.stat().st_mtime, path))
    for _, path in sorted(entries)[: max(len(entries) - most, 0)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _file(package: Package) -> Path:
    assert package.location is not None
    return Path(unquote(package.location.url.removeprefix("file://")))


def _data(package: Package) -> dict[str, object]:
    location = package.location
    assert location is not None
    nevra = package.nevra
    return {
        "nevra": [nevra.name, nevra.epoch, nevra.version, nevra.release, nevra.arch],
        "source": package.source,
        "dependencies": [
            [d.kind, d.capability, list(d.qualifiers), d.generated, list(d.files)]
            for d in package.dependencies
        ],
        "files": list(package.files),
        "sizes": [package.installed_size, package.installed_size_nodocs, package.download_size],
        "rpm": _file(package).name,
        "sha256": location.checksum,
        "header": [location.header_start, location.header_end],
    }


def _package(data: Mapping[str, Any], directory: Path) -> Package:
    installed, nodocs, download = data["sizes"]
    url = (directory / data["rpm"]).as_uri()
    start, end = data["header"]
    return Package(
        nevra=Nevra(*data["nevra"]),
        source=data["source"],
        repository="overlay",
        dependencies=tuple(
            # Builds that an earlier release cached have no files.
            Dependency(kind, capability, tuple(qualifiers), generated, *map(tuple, files))
            for kind, capability, qualifiers, generated, *files in data["dependencies"]
        ),
        files=tuple(data["files"]),
        installed_size=installed,
        installed_size_nodocs=nodocs,
        download_size=download,
        location=Location(url, "sha256", data["sha256"], download, start, end),
    )
