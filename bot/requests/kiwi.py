"""kiwi's image descriptions: `config.xml` and `*.kiwi`, with the files that they include."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from bot import limits
from bot.model.spec import SpecLine
from bot.requests.values import Entry, EntryKind, UnreadLine, WrittenImage, joined_path, line_at

_IMAGE = re.compile(rb"<image\b[^>]*>.*<packages\b", re.S)
# The types of sections whose packages leave the image.
_LEFT = ("delete", "uninstall")
_MANAGERS = {"dnf4", "dnf5", "dnf", "microdnf", "zypper", "yum"}
_MOST_INCLUDED = 200


def may_be_kiwi(path: str) -> bool:
    """Return whether a path may be that of an image description or a part of one."""
    return path.endswith((".kiwi", ".xml"))


def is_kiwi(path: str, content: bytes) -> bool:
    """Return whether a file is an image description or a part of one."""
    return may_be_kiwi(path) and _IMAGE.search(content) is not None


@dataclass(frozen=True, slots=True)
class _Section:
    """A `<packages>` section; without `profiles` it is for every image."""

    type: str
    profiles: tuple[str, ...]
    weak: bool
    line: SpecLine


@dataclass(slots=True)
class _Description:
    """A description as far as it is read; `entries` have their profiles, `read` are paths."""

    files: Mapping[str, bytes]
    entries: list[tuple[Entry, tuple[str, ...]]] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    unread: list[UnreadLine] = field(default_factory=list)
    profiles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    imported: list[str] = field(default_factory=list)
    manager: str = ""
    beneath: str = ""
    source: SpecLine | None = None
    documentation: bool = True
    read: set[str] = field(default_factory=set)


def read_kiwi(path: str, files: Mapping[str, bytes]) -> tuple[WrittenImage, ...]:
    """Return the images of a description: one for each of its profiles, or one without.

    `files` has the bytes of it and of the files that it may include.
    """
    description = _Description(files)
    _FileReader(description, path).read()
    origin = description.source or SpecLine(path, 1, "")
    if not description.manager:
        description.unread.append(UnreadLine(origin, "no `packagemanager` installs its packages"))
    elif description.manager not in _MANAGERS:
        description.unread.append(
            UnreadLine(origin, f"`{description.manager}` installs no RPM packages")
        )
    own = [name for name in description.profiles if not _is_required(name, description.profiles)]
    images = [(f"{path}:{name}", _with_required(name, description.profiles)) for name in own]
    if description.imported or not images:
        images.insert(0, (path, frozenset(description.imported)))
    return tuple(_image(description, path, name, selection, origin) for name, selection in images)


def _image(
    description: _Description, path: str, name: str, selection: frozenset[str], origin: SpecLine
) -> WrittenImage:
    own = [
        e
        for e, profiles in description.entries
        if not profiles or not selection.isdisjoint(profiles)
    ]
    return WrittenImage(
        name=name,
        path=path,
        beneath=description.beneath,
        source=description.beneath,
        source_line=origin,
        entries=tuple(e for e in own if e.text not in description.ignored),
        unread=tuple(dict.fromkeys(description.unread)),
        documentation=description.documentation,
    )


def _is_required(name: str, profiles: Mapping[str, tuple[str, ...]]) -> bool:
    return any(name in required for required in profiles.values())


def _with_required(name: str, profiles: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    required: set[str] = set()
    names = [name]
    while names:
        if (current := names.pop()) not in required:
            required.add(current)
            names += profiles.get(current, ())
    return frozenset(required)


class _FileReader:
    """Reads the elements of one file into a description."""

    def __init__(self, description: _Description, path: str) -> None:
        self._description = description
        self._path = path
        self._content = description.files[path]
        self._parser = expat.ParserCreate()
        self._section: _Section | None = None
        self._profile = ""
        self._text: list[str] = []

    def read(self) -> None:
        """Read the file; errors are recorded in the description."""
        self._description.read.add(self._path)
        if len(self._content) > limits.REQUEST_FILE:
            self._unread(f"the file is larger than {limits.REQUEST_FILE} bytes", 1)
            return
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        self._parser.EntityDeclHandler = self._entity
        try:
            self._parser.Parse(self._content, True)
        # For an encoding that Python does not know, expat raises LookupError or ValueError.
        except (expat.ExpatError, LookupError, ValueError) as error:
            self._unread(f"it is not XML: {error}", self._parser.CurrentLineNumber)

    def _line(self, number: int | None = None) -> SpecLine:
        position = self._parser.CurrentLineNumber if number is None else number
        return line_at(self._path, self._content, max(position, 1))

    def _unread(self, why: str, number: int | None = None) -> None:
        self._description.unread.append(UnreadLine(self._line(number), why))

    def _entity(self, *_: object) -> None:
        raise ValueError("it declares an entity")

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._text.clear()
        name = attributes.get("name", "")
        if tag == "packages":
            profiles = tuple(filter(None, attributes.get("profiles", "").split(",")))
            weak = attributes.get("patternType") == "plusRecommended"
            self._section = _Section(attributes.get("type", ""), profiles, weak, self._line())
            if weak and self._section.type not in _LEFT:
                self._add("weak", "", "")
        elif tag == "profile":
            self._profile = name
            self._description.profiles.setdefault(name, ())
            if attributes.get("import") == "true":
                self._description.imported.append(name)
        elif tag == "requires" and self._profile:
            required = self._description.profiles[self._profile]
            self._description.profiles[self._profile] = (*required, attributes.get("profile", ""))
        elif tag == "include":
            self._include(attributes.get("from", ""))
        elif tag == "type" and "derived_from" in attributes:
            self._description.beneath = attributes["derived_from"]
            self._description.source = self._line()
        elif self._section is not None:
            self._in_section(tag, name, attributes.get("arch", ""))

    def _in_section(self, tag: str, name: str, arches: str) -> None:
        assert self._section is not None
        leaves = self._section.type in _LEFT
        if tag == "ignore":
            self._description.ignored.add(name)
        elif tag == "package":
            self._add("remove" if leaves else "package", name, arches)
        elif tag in ("namedCollection", "opensusePattern") and not leaves:
            if self._description.manager == "zypper":
                self._unread(f"the pattern `{name}` is not evaluated")
            else:
                self._add("group", name, arches)
        elif tag in ("archive", "product", "collectionModule"):
            self._unread(f"`{tag}` is not evaluated")

    def _end(self, tag: str) -> None:
        text = "".join(self._text).strip()
        if tag == "packages":
            self._section = None
        elif tag == "profile":
            self._profile = ""
        elif tag == "packagemanager":
            self._description.manager = text
            self._description.source = self._description.source or self._line()
        elif tag == "rpm-excludedocs":
            self._description.documentation = text != "true"
        self._text.clear()

    def _add(self, kind: EntryKind, text: str, arches: str) -> None:
        assert self._section is not None
        names = tuple(filter(None, arches.split(",")))
        self._description.entries.append(
            (Entry(kind, text, self._line(), names), self._section.profiles)
        )

    def _include(self, place: str) -> None:
        """Read a file that `this://` names, beside the description."""
        path = joined_path(self._path.rpartition("/")[0], place.removeprefix("this://").lstrip("/"))
        if not place.startswith("this://") or path not in self._description.files:
            self._unread(f"it includes `{place}`, which is not there")
        elif path not in self._description.read and len(self._description.read) < _MOST_INCLUDED:
            _FileReader(self._description, path).read()
