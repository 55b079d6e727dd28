"""Konflux's `rpms.lock.yaml` (rpm-lockfile-prototype's): exact packages of each architecture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bot import limits
from bot.errors import ChangeError
from bot.model.nevra import Nevra, parse_evr, source_name
from bot.model.package import Package
from bot.yamltext import YamlError, parse_yaml

_FILE = re.compile(r"\.([A-Za-z0-9_]+)\.rpm(?:[?#].*)?$")


@dataclass(frozen=True, slots=True)
class RpmsLock:
    """The packages of a lock file by architecture, each sorted by NEVRA."""

    packages: Mapping[str, tuple[Package, ...]]


def is_rpms_lock(path: str, _content: bytes) -> bool:
    """Return whether a file is one of locked packages."""
    name = path.rpartition("/")[2]
    return name.startswith("rpms") and name.endswith((".lock.yaml", ".lock.yml"))


def request_of(path: str) -> str:
    """The path of the `rpms.in.yaml` that a lock file is made from."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.replace('.lock.', '.in.')}"


def read_rpms_lock(path: str, content: bytes) -> RpmsLock:
    """The packages of a lock file. Raises ChangeError, with the line, for what is none."""
    try:
        text = parse_yaml(content, most=limits.RPMS_LOCK)
    except YamlError as error:
        raise ChangeError(f"{path}:{error.line}: it is not YAML: {error}") from error
    listed = text.data.get("arches") if isinstance(text.data, dict) else None
    if not isinstance(listed, list):
        raise ChangeError(f"{path}:1: it has no list `arches`")
    found: dict[str, tuple[Package, ...]] = {}
    for number, one in enumerate(listed):
        line = text.line_of(("arches", number))
        if not isinstance(one, dict) or not isinstance(one.get("arch"), str):
            raise ChangeError(f"{path}:{line}: this names no architecture")
        arch, packages = one["arch"], one.get("packages")
        entries = packages if isinstance(packages, list) else []
        if not all(isinstance(e, dict) and isinstance(e.get("name"), str) for e in entries):
            raise ChangeError(f"{path}:{line}: a package of {arch} has no name")
        found[arch] = tuple(sorted(_packages(entries, arch), key=lambda p: p.nevra))
    return RpmsLock(found)


def _packages(listed: Iterable[Mapping[str, object]], arch: str) -> Iterator[Package]:
    for one in listed:
        name, size = str(one["name"]), str(one.get("size"))
        epoch, version, release = parse_evr(str(one.get("evr")))
        file = _FILE.search(str(one.get("url")))
        nevra = Nevra(name, epoch, version, release, file[1] if file is not None else arch)
        yield Package(
            nevra,
            source_name(str(one.get("sourcerpm"))) or name,
            str(one.get("repoid") or ""),
            download_size=int(size)
            if size.isascii() and size.isdecimal() and len(size) < 16
            else None,
        )
