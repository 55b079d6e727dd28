"""Konflux's `rpms.in.yaml` and `rpms.lock.yaml` (rpm-lockfile-prototype's formats)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot import limits
from bot.errors import ChangeError
from bot.model.nevra import Nevra, parse_evr, source_name
from bot.model.package import Package
from bot.model.spec import SpecLine
from bot.requests.containerfile import stage_base
from bot.requests.values import (
    Entry,
    UnreadLine,
    WrittenImage,
    YamlFile,
    joined_path,
    parsed,
    unread_image,
)
from bot.yamltext import YamlError, parse_yaml

# Fields that select packages and that are not evaluated here.
_NOT_EVALUATED = ("upgradePackages", "moduleEnable", "moduleDisable", "allowerasing")
_KNOWN = (
    *("packages", "reinstallPackages", "contentOrigin", "arches", "context", "installWeakDeps"),
    *("sourceUrls", "noSources", "variables", *_NOT_EVALUATED),
)


def is_rpms_in(path: str, _content: bytes) -> bool:
    """Return whether a file is a list of packages to lock."""
    name = path.rpartition("/")[2]
    return name.startswith("rpms") and name.endswith((".in.yaml", ".in.yml"))


def read_rpms_in(path: str, files: Mapping[str, bytes]) -> tuple[WrittenImage, ...]:
    """Return the image that a `rpms.in.yaml` requests; its `source` is its context's image.

    `files` has the bytes of it and of the Containerfiles that its context may name.
    """
    text = parsed(path, files[path])
    if isinstance(text, UnreadLine):
        return (unread_image(path, text.line, text.why),)
    reader = _Reader(path, files[path], text, files)
    beneath, source, origin, unread = reader.context()
    problems = tuple(dict.fromkeys((*unread, *reader.unread())))
    return (
        WrittenImage(
            path, path, beneath, source, origin, tuple(reader.entries()), problems,
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reader(YamlFile):
    files: Mapping[str, bytes]

    def entries(self) -> Iterator[Entry]:
        """Yield the packages and groups, and whether weak dependencies are installed."""
        for field in ("packages", "reinstallPackages"):
            entries = self.data.get(field)
            for number, entry in enumerate(entries if isinstance(entries, list) else ()):
                name, arches = _name_and_arches(entry)
                if name:
                    yield Entry("package", name, self.at(field, number), arches)
        if str(self.data.get("installWeakDeps", "false")).lower() == "true":
            yield Entry("weak", "", self.at("installWeakDeps"))

    def unread(self) -> Iterator[UnreadLine]:
        """Yield the fields that are not evaluated, and invalid entries."""
        for field in _NOT_EVALUATED:
            value = self.data.get(field)
            if value not in (None, [], "", "false", False):
                yield UnreadLine(self.at(field), f"`{field}` is not evaluated")
        for field in self.data.keys() - set(_KNOWN):
            yield UnreadLine(self.at(str(field)), f"`{field}` is no field of such a file")
        if self.text.repeated:
            name, number = self.text.repeated[0]
            yield UnreadLine(self.line(number), f"`{name}` is repeated")
        packages = self.data.get("packages", [])
        if packages is not None and not isinstance(packages, list):
            yield UnreadLine(self.at("packages"), "`packages` is not a list")
        for number, entry in enumerate(packages if isinstance(packages, list) else ()):
            package, arches = _name_and_arches(entry)
            place = self.at("packages", number)
            if package is None:
                yield UnreadLine(place, "this is no package")
            elif package.startswith("@") and ":" in package:
                yield UnreadLine(place, "module streams are not evaluated")
            elif isinstance(entry, dict) and "not" in str(entry.get("arches")) and not arches:
                yield UnreadLine(place, "no architecture is left")

    def context(self) -> tuple[str, str, SpecLine, list[UnreadLine]]:
        """Return base image, image with the repositories, the context's line, and problems."""
        context = self.data.get("context")
        origin = self.at("context") if context is not None else self.line(1)
        if not isinstance(context, dict):
            return "", "", origin, []
        image = context.get("image")
        if isinstance(image, str):
            return image, image, self.at("context", "image"), []
        if str(context.get("bare", "")).lower() == "true":
            return "", "", self.at("context", "bare"), []
        if "containerfile" in context:
            return self._of_containerfile(context["containerfile"])
        kind = next(iter(context), "")
        return "", "", origin, [UnreadLine(origin, f"the context `{kind}` is not evaluated")]

    def _of_containerfile(self, value: Any) -> tuple[str, str, SpecLine, list[UnreadLine]]:
        """Return the context of a stage of a Containerfile: the image that it is built on."""
        origin = self.at("context", "containerfile")
        fields = value if isinstance(value, dict) else {"file": value}
        if "imagePattern" in fields:
            return "", "", origin, [UnreadLine(origin, "`imagePattern` is not evaluated")]
        path = joined_path(self.path.rpartition("/")[0], str(fields.get("file") or "Containerfile"))
        number = str(fields.get("stageNum") or "0")
        content = self.files.get(path)
        if content is None or not number.isdecimal():
            return "", "", origin, [UnreadLine(origin, f"`{path}` does not exist")]
        base = stage_base(content, str(fields.get("stageName") or ""), int(number))
        if not base:
            return "", "", origin, [UnreadLine(origin, f"the base image in `{path}` is not known")]
        return base, base, origin, []


_ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")


def _name_and_arches(entry: object) -> tuple[str | None, tuple[str, ...]]:
    """Return a package's name, and the architectures that it is for; empty for all."""
    if isinstance(entry, str):
        return entry, ()
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return None, ()
    arches = entry.get("arches")
    if not isinstance(arches, dict):
        return str(entry["name"]), ()
    only, excluded = _list(arches.get("only")), _list(arches.get("not"))
    if only:
        return str(entry["name"]), tuple(a for a in only if a not in excluded)
    return str(entry["name"]), tuple(a for a in _ARCHES if a not in excluded) if excluded else ()


def _list(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, list) else []


_FILE = re.compile(r"\.([A-Za-z0-9_]+)\.rpm(?:[?#].*)?$")


@dataclass(frozen=True, slots=True)
class RpmsLock:
    """The packages of a lock file by architecture, each sorted by NEVRA."""

    packages: Mapping[str, tuple[Package, ...]]


def is_rpms_lock(path: str, _content: bytes) -> bool:
    """Return whether a file is a list of locked packages."""
    name = path.rpartition("/")[2]
    return name.startswith("rpms") and name.endswith((".lock.yaml", ".lock.yml"))


def request_of(path: str) -> str:
    """Return the path of the `rpms.in.yaml` that a lock file is made from."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.replace('.lock.', '.in.')}"


def read_rpms_lock(path: str, content: bytes) -> RpmsLock:
    """Return the packages of a lock file. Raises ChangeError, with the line, if it is invalid."""
    try:
        text = parse_yaml(content, most=limits.RPMS_LOCK)
    except YamlError as error:
        raise ChangeError(f"{path}:{error.line}: it is not YAML: {error}") from error
    parts = text.data.get("arches") if isinstance(text.data, dict) else None
    if not isinstance(parts, list):
        raise ChangeError(f"{path}:1: it has no list `arches`")
    packages_by_arch: dict[str, tuple[Package, ...]] = {}
    for number, part in enumerate(parts):
        line = text.line_of(("arches", number))
        if not isinstance(part, dict) or not isinstance(part.get("arch"), str):
            raise ChangeError(f"{path}:{line}: this names no architecture")
        arch, packages = part["arch"], part.get("packages")
        entries = packages if isinstance(packages, list) else []
        if not all(isinstance(e, dict) and isinstance(e.get("name"), str) for e in entries):
            raise ChangeError(f"{path}:{line}: a package of {arch} has no name")
        packages_by_arch[arch] = tuple(sorted(_packages(entries, arch), key=lambda p: p.nevra))
    return RpmsLock(packages_by_arch)


def _packages(entries: Iterable[Mapping[str, object]], arch: str) -> Iterator[Package]:
    for entry in entries:
        name, size = str(entry["name"]), str(entry.get("size"))
        epoch, version, release = parse_evr(str(entry.get("evr")))
        file = _FILE.search(str(entry.get("url")))
        nevra = Nevra(name, epoch, version, release, file[1] if file is not None else arch)
        yield Package(
            nevra,
            source_name(str(entry.get("sourcerpm"))) or name,
            str(entry.get("repoid") or ""),
            download_size=int(size)
            if size.isascii() and size.isdecimal() and len(size) < 16
            else None,
        )
