"""mkosi's configurations: `mkosi.conf` with the matching files of `mkosi.conf.d`.

By mkosi's manual: settings that are lists are separated by commas or are on indented lines, an
empty value empties the list; a file whose `[Match]` does not match is left out with everything
below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bot import limits
from bot.model.spec import SpecLine
from bot.requests.values import (
    Entry,
    EntryKind,
    UnreadLine,
    WrittenImage,
    joined_path,
    line_at,
    unread_image,
)

MAIN = "mkosi.conf"
# The distributions of RPM packages.
_DISTRIBUTIONS = {
    "fedora", "centos", "rhel", "rhel-ubi", "alma", "rocky", "opensuse", "mageia", "openmandriva",
    "azure",
}  # fmt: skip
_ARCHES = {"x86-64": "x86_64", "arm64": "aarch64", "ppc64-le": "ppc64le", "s390x": "s390x"}
_SETTING = re.compile(r"\??([A-Za-z]+)\s*=(.*)")
# Settings that select packages and that are not evaluated here.
_NOT_EVALUATED = ("BaseTrees", "Profiles", "PackageDirectories", "SandboxTrees")
_MOST_FILES = 200


def may_be_mkosi(path: str) -> bool:
    """Return whether a path may be that of one of mkosi's files."""
    return path == root_of(path) or (path.endswith(".conf") and "mkosi.conf.d/" in path)


def is_mkosi(path: str, content: bytes) -> bool:
    """Return whether a file is a configuration of mkosi."""
    return may_be_mkosi(path) and b"=" in content


def root_of(path: str) -> str:
    """Return the `mkosi.conf` that a file is or, in its `mkosi.conf.d`, is part of; else empty."""
    folder, separator, _ = f"/{path}".partition("/mkosi.conf.d/")
    return f"{folder}/{MAIN}".lstrip("/") if separator else path if path.endswith(MAIN) else ""


@dataclass(frozen=True, slots=True)
class _Setting:
    section: str
    name: str
    line: SpecLine
    words: tuple[tuple[str, SpecLine], ...]

    @property
    def value(self) -> str:
        return self.words[0][0] if self.words else ""

    @property
    def is_on(self) -> bool:
        return self.value.lower() in ("yes", "true", "1", "on", "y", "t")


@dataclass(slots=True)
class _Image:
    """One image as far as its files (`read`) are; `release` is empty if none is named."""

    files: Mapping[str, bytes]
    distribution: str
    release: str
    lists: dict[EntryKind, list[Entry]] = field(
        default_factory=lambda: {"package": [], "remove": []}
    )
    unread: list[UnreadLine] = field(default_factory=list)
    weak: list[Entry] = field(default_factory=list)
    documentation: bool = True
    read: set[str] = field(default_factory=set)


def read_mkosi(path: str, files: Mapping[str, bytes]) -> tuple[WrittenImage, ...]:
    """Return the images of a `mkosi.conf`: for its distribution, or for each that a file matches.

    The file itself may be missing. `files` has the bytes of it and of all files beside and below
    it.
    """
    files = {path: b"", **files}
    settings = _settings(path, files[path])
    inherited = _of_distribution(settings)
    folder, separator, _ = f"/{path}".partition("/mkosi.images/")
    main = f"{folder}/{MAIN}".lstrip("/")
    if separator and main in files:
        inherited = {**_of_distribution(_settings(main, files[main])), **inherited}
    release = inherited["Release"].value if "Release" in inherited else ""
    first_line = line_at(path, files[path], 1)
    if (setting := inherited.get("Distribution")) is not None:
        if setting.value not in _DISTRIBUTIONS:
            why = f"`{setting.value}` is no distribution of RPM packages"
            return (unread_image(path, setting.line, why),)
        return (_image_of(_Image(files, setting.value, release), path, path, setting.line),)
    distributions = sorted(set(_distributions(path, files)) & _DISTRIBUTIONS)
    if not distributions:
        return (unread_image(path, first_line, "no `Distribution=` names its distribution"),)
    images = [_Image(files, name, release) for name in distributions]
    return tuple(
        _image_of(image, path, f"{path}:{image.distribution}", first_line) for image in images
    )


def _image_of(image: _Image, path: str, name: str, origin: SpecLine) -> WrittenImage:
    _read(image, path, ())
    entries = [*image.lists["package"], *image.lists["remove"], *image.weak]
    if not (image.lists["package"] or image.unread):
        image.unread.append(UnreadLine(origin, "no `Packages=` that applies names its packages"))
    return WrittenImage(
        name=name,
        path=path,
        beneath="",
        source=f"{image.distribution}:{image.release}" if image.release else image.distribution,
        source_line=origin,
        entries=tuple(entries),
        unread=tuple(dict.fromkeys(image.unread)),
        documentation=image.documentation,
    )


def _read(image: _Image, path: str, arches: tuple[str, ...]) -> None:
    """Read one file and the files below it, if it matches the image."""
    if path in image.read or len(image.read) == _MOST_FILES:
        return
    image.read.add(path)
    if len(image.files[path]) > limits.REQUEST_FILE:
        why = f"the file is larger than {limits.REQUEST_FILE} bytes"
        image.unread.append(UnreadLine(SpecLine(path, 1, ""), why))
        return
    settings = _settings(path, image.files[path])
    if not _matches(image, settings, arches):
        return
    arches = _arches(settings) or arches
    for setting in settings:
        _take(image, setting, arches)
        if setting.name == "Include":
            for text, line in setting.words:
                _include(image, path, text, line, arches)
    for below in _below(path, image.files):
        _read(image, below, arches)


def _take(image: _Image, setting: _Setting, arches: tuple[str, ...]) -> None:
    if setting.name in ("Packages", "RemovePackages"):
        kind: EntryKind = "package" if setting.name == "Packages" else "remove"
        if not setting.words:
            image.lists[kind] = []
        for text, line in setting.words:
            image.lists[kind].append(Entry(kind, text, line, arches))
            if "%" in text:
                image.unread.append(UnreadLine(line, f"`{text}` has a specifier"))
    elif setting.name == "WithDocs":
        image.documentation = setting.is_on
    elif setting.name == "WithRecommends":
        image.weak = [Entry("weak", "", setting.line)] if setting.is_on else []
    elif setting.name in _NOT_EVALUATED and setting.words:
        image.unread.append(UnreadLine(setting.line, f"`{setting.name}=` is not evaluated"))


def _include(image: _Image, path: str, text: str, line: SpecLine, arches: tuple[str, ...]) -> None:
    place = joined_path(path.rpartition("/")[0], text)
    file = next((p for p in (place, f"{place}/{MAIN}") if p in image.files), None)
    if file is None:
        image.unread.append(UnreadLine(line, f"it includes `{text}`, which is not there"))
    else:
        _read(image, file, arches)


def _matches(image: _Image, settings: Iterable[_Setting], arches: tuple[str, ...]) -> bool:
    """Return whether a file's `[Match]` matches.

    Conditions that only a build can decide do not match, and are reported if the file has packages.
    Of the conditions that begin with `|`, and of those of `[TriggerMatch]`, one must match.
    """
    unknown: list[_Setting] = []
    triggers: list[tuple[_Setting, bool | None]] = []
    for setting in settings:
        if setting.section not in ("Match", "TriggerMatch"):
            continue
        stated = {"Distribution": image.distribution, "Release": image.release}.get(setting.name)
        triggering = setting.section == "TriggerMatch" or setting.value.startswith("|")
        value = setting.value.removeprefix("|")
        if setting.name == "Architecture" and not (triggering or arches):
            continue
        holds = _holds(value, stated) if stated else None
        if triggering:
            triggers.append((setting, holds))
        elif holds is None:
            unknown.append(setting)
        elif not holds:
            return False
    if triggers and not any(holds for _, holds in triggers):
        undecided = [setting for setting, holds in triggers if holds is None]
        if not undecided:
            return False
        unknown += undecided
    if unknown and any(s.name in ("Packages", "RemovePackages", "Include") for s in settings):
        condition = unknown[0]
        why = f"whether it counts depends on `{condition.name}={condition.value}`"
        image.unread.append(UnreadLine(condition.line, why))
    return not unknown


def _holds(condition: str, value: str) -> bool:
    return (condition.removeprefix("!") == value) is not condition.startswith("!")


def _arches(settings: Iterable[_Setting]) -> tuple[str, ...]:
    """Return the architectures that a file's `[Match]` is for; empty for all."""
    conditions = [s.value for s in settings if (s.section, s.name) == ("Match", "Architecture")]
    if not conditions:
        return ()
    return tuple(
        rpm
        for name, rpm in _ARCHES.items()
        if all(_holds(condition, name) for condition in conditions)
    )


def _below(path: str, files: Mapping[str, bytes]) -> list[str]:
    """Return the contents of the `mkosi.conf.d` beside a `mkosi.conf`, in mkosi's order."""
    if path.rpartition("/")[2] != MAIN:
        return []
    start = f"{path.removesuffix(MAIN)}mkosi.conf.d/"
    paths = []
    for file in files:
        rest = file.removeprefix(start) if file.startswith(start) else ""
        folder, _, name = rest.partition("/")
        if rest and ((not name and rest.endswith(".conf")) or name == MAIN):
            paths.append((folder, file))
    return [file for _, file in sorted(paths)]


def _distributions(path: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the distributions that the files below a `mkosi.conf` match."""
    for below in _below(path, files):
        for setting in _settings(below, files[below]):
            if (setting.section, setting.name) == ("Match", "Distribution"):
                yield setting.value.removeprefix("|")


def _of_distribution(settings: Iterable[_Setting]) -> dict[str, _Setting]:
    return {s.name: s for s in settings if s.section == "Distribution" and s.words}


def _settings(path: str, content: bytes) -> list[_Setting]:
    """Return the settings in the first REQUEST_FILE bytes of a file, in order."""
    settings: list[tuple[_Setting, list[tuple[str, SpecLine]]]] = []
    section = ""
    lines = content[: limits.REQUEST_FILE].decode("utf-8", "replace").split("\n")
    for number, text in enumerate(lines, 1):
        stripped = re.sub(r"(^|\s)[#;].*", "", text).strip()
        line = SpecLine(path, number, text.strip())
        if not stripped:
            continue
        if text[0] in " \t" and settings:
            settings[-1][1].extend(_words(stripped, line))
        elif stripped.startswith("["):
            section = stripped.strip("[]")
        elif (match := _SETTING.match(stripped)) is not None:
            settings.append((_Setting(section, match[1], line, ()), list(_words(match[2], line))))
    return [replace(setting, words=tuple(words)) for setting, words in settings]


def _words(text: str, line: SpecLine) -> Iterator[tuple[str, SpecLine]]:
    for word in re.split(r"[,\s]+", text.strip()):
        if word:
            yield word.strip('"'), line
