"""Blueprints of image-builder: the packages that they add to an image type's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot import limits
from bot.model.spec import SpecLine
from bot.requests.values import Entry, EntryKind, UnreadLine, WrittenImage, line_at, unread_image

# Lists as tables, or in a line before the first table.
_LISTED = re.compile(
    rb"^\s*\[\[(?:packages|modules|groups)\]\]|\A(?:(?!^\s*\[).)*^\s*(?:packages|groups)\s*=\s*\[",
    re.M | re.S,
)
_NAMED = re.compile(rb"^\s*name\s*=", re.M)
# Other formats with a field `packages`: lock files of Python.
_OTHERS = re.compile(rb"^\s*(?:lock-version|created-by|requires-python)\s*=", re.M)
# The lists of a blueprint, and the kinds of their entries.
_LISTS: tuple[tuple[str, EntryKind], ...] = (
    ("packages", "package"),
    ("modules", "package"),
    ("groups", "group"),
)
# The base of a blueprint's image, by the image type that the builder is called with.
IMAGE_TYPE = "image type"


def may_be_blueprint(path: str) -> bool:
    """Return whether a path may be that of a blueprint."""
    return path.endswith(".toml")


def is_blueprint(path: str, content: bytes) -> bool:
    """Return whether a file is a blueprint that adds packages."""
    return (
        may_be_blueprint(path)
        and _LISTED.search(content) is not None
        and _NAMED.search(content) is not None
        and _OTHERS.search(content) is None
    )


def read_blueprint(path: str, files: Mapping[str, bytes]) -> tuple[WrittenImage, ...]:
    """Return the image of a blueprint; it is built on an image type, which the settings must map.

    `files` has the file's bytes.
    """
    reader = _Reader(path, files[path])
    first_line = reader.line(1)
    try:
        data = reader.data()
    # tomllib has no limit on nesting.
    except (ValueError, RecursionError) as error:
        return (unread_image(path, first_line, f"it is not TOML: {error}"),)
    distribution = str(data.get("distro") or "")
    base = f"{distribution} {IMAGE_TYPE}".strip()
    return (
        WrittenImage(
            name=path,
            path=path,
            beneath=base,
            source=base,
            source_line=reader.line_of("distro", distribution) if distribution else first_line,
            entries=tuple(reader.entries(data)),
            unread=tuple(reader.unread(data)),
            streams=tuple(reader.streams(data)),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    path: str
    content: bytes

    def data(self) -> Mapping[str, object]:
        """The values of the file. Raises ValueError where it is no TOML, or too large."""
        if len(self.content) > limits.REQUEST_FILE:
            raise ValueError(f"the file is larger than {limits.REQUEST_FILE} bytes")
        return tomllib.loads(self.content.decode("utf-8"))

    def line(self, number: int) -> SpecLine:
        """A line of the file, by its number from 1."""
        return line_at(self.path, self.content, number)

    def line_of(self, field: str, value: str) -> SpecLine:
        """The line where a field has a value; the first one where none has it in plain text."""
        text = self.content.decode("utf-8", "replace")
        match = re.search(rf"\b{field}\s*=\s*[\"']{re.escape(value)}[\"']", text)
        return self.line(text.count("\n", 0, match.start()) + 1 if match is not None else 1)

    def entries(self, data: Mapping[str, object]) -> Iterator[Entry]:
        """The packages and groups, each with the version that it asks for."""
        for field, kind in _LISTS:
            for table in _maps(data.get(field)):
                name, version = str(table.get("name") or ""), str(table.get("version") or "*")
                text = name if version == "*" or kind == "group" else f"{name}-{version}"
                if name:
                    yield Entry(kind, text, self.line_of("name", name))

    def streams(self, data: Mapping[str, object]) -> Iterator[tuple[str, SpecLine]]:
        """The module streams that it enables."""
        for table in _maps(data.get("enabled_modules")):
            name = str(table.get("name") or "")
            yield f"{name}:{table.get('stream')}", self.line_of("name", name)

    def unread(self, data: Mapping[str, object]) -> Iterator[UnreadLine]:
        """The lists that are none of packages, and a blueprint without any."""
        if not any(data.get(field) for field, _ in _LISTS):
            yield UnreadLine(self.line(1), "it adds no package")
        for field, _ in _LISTS:
            entries = data.get(field, [])
            wrong = not isinstance(entries, list)
            if wrong or any(
                not isinstance(entry, dict) or "name" not in entry for entry in _all(entries)
            ):
                yield UnreadLine(self.line(1), f"`{field}` is no list of packages")


def _all(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _maps(value: object) -> list[Mapping[str, object]]:
    return [entry for entry in _all(value) if isinstance(entry, dict)]
