"""The packages of some sources that a foreign repository lists in its primary.xml.

The repository is not the distribution's: anybody who may build there writes it. So it is read by
expat, never by libsolv, in a process with limits, and only for what is needed to find the files;
the rest is in their headers, which are read in the sandbox. The format is createrepo_c's
(http://linux.duke.edu/metadata/common).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

from pydantic import TypeAdapter

from bot import limits
from bot.build.headers import is_debug
from bot.closure.evr import compare_evr
from bot.distro.failover import RefusedFileError
from bot.distro.metadata import unpacked
from bot.distro.repomd import Record, number_of
from bot.errors import reason_of
from bot.limited.call import CallLimits, call_limited
from bot.limited.forker import UnreadableError
from bot.limits import BUILT_PACKAGES, LISTING_ANSWER
from bot.model.architecture import native_arches
from bot.model.nevra import Nevra, source_name

# Large repositories take longer: 120 MB are some 80,000 packages.
_CALL = CallLimits(seconds=120.0, answer=LISTING_ANSWER)
_FIELDS = ("name", "arch", "checksum", "sourcerpm")


class ListingError(UnreadableError):
    """A file that is no primary.xml, or has a forbidden value; the text says which."""


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """A package in the repository's list; times in seconds since 1970, sizes in bytes."""

    nevra: Nevra
    source: str
    source_rpm: str
    href: str
    checksum_type: str
    checksum: str
    size: int
    published: int
    built: int


_PACKAGES: TypeAdapter[tuple[ListedPackage, ...]] = TypeAdapter(tuple[ListedPackage, ...])


def packed_listing(
    packed: Path, place: str, record: Record, arch: str, sources: Collection[str]
) -> tuple[ListedPackage, ...]:
    """Return the packages of `sources` in a repository's compressed primary.xml, from `place`.

    Raises UnreadableError, also with the text of a RefusedFileError.
    """
    text = call_limited(_packed_listing, packed, place, record, arch, sources, limits=_CALL)
    return _PACKAGES.validate_json(text)


def _packed_listing(
    packed: Path, place: str, record: Record, arch: str, sources: Collection[str]
) -> bytes:
    try:
        with packed.open("rb") as stream:
            return _PACKAGES.dump_json(read_listing(unpacked(stream, place, record), arch, sources))
    except RefusedFileError as error:
        raise ListingError(error.why) from error


def read_listing(
    primary: Iterable[bytes], arch: str, sources: Collection[str]
) -> tuple[ListedPackage, ...]:
    """Return the binary packages of `sources` for `arch` and noarch, without debug packages.

    `primary` are the pieces of a primary.xml. Raises ListingError.
    """
    reader = _Reader(arch, frozenset(sources))
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.buffer_text = True
    try:
        for piece in primary:
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ListingError(f"it is not XML: {error}") from error
    return tuple(reader.packages)


def newest_build(listing: Iterable[ListedPackage]) -> tuple[ListedPackage, ...]:
    """Return the packages of one source's newest build, sorted by NEVRA.

    A repository keeps older builds. Packages of one source package file are one build; the newest
    is the one published last (the files' times), then built last, then of the highest version.
    Where the same version was built several times, the packages with the newest one's build time
    count (rpmbuild gives all packages of a build one time), or, if all times are equal, those in
    its directory.
    """
    builds: dict[str, list[ListedPackage]] = {}
    for package in listing:
        builds.setdefault(package.source_rpm, []).append(package)
    if not builds:
        return ()
    best = max((max(packages, key=_age) for packages in builds.values()), key=_age)
    packages = builds[best.source_rpm]
    if len({package.nevra for package in packages}) < len(packages):
        directory = PurePosixPath(best.href).parent
        if len({package.built for package in packages}) > 1:
            packages = [package for package in packages if package.built == best.built]
        else:
            packages = [p for p in packages if PurePosixPath(p.href).parent == directory]
    unique = {package.nevra: package for package in sorted(packages, key=_age)}
    return tuple(sorted(unique.values(), key=lambda package: package.nevra))


def _compare(first: ListedPackage, second: ListedPackage) -> int:
    for first_time, second_time in (
        (first.published, second.published),
        (first.built, second.built),
    ):
        if first_time != second_time:
            return 1 if first_time > second_time else -1
    return compare_evr(first.nevra.evr, second.nevra.evr)


_age = cmp_to_key(_compare)


class _Reader:
    """Collects one `<package>` after another and keeps the wanted ones."""

    def __init__(self, arch: str, sources: frozenset[str]) -> None:
        self.packages: list[ListedPackage] = []
        self._arches = native_arches(arch)
        self._sources = sources
        self._path: list[str] = []
        self._fields: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        self._path.append(name)
        if len(self._path) > limits.LISTING_DEPTH:
            raise ListingError("its elements are nested too deep")
        if len(self._path) == 1 and name != "metadata":
            raise ListingError("it is not a primary.xml")
        if len(self._path) == 2:
            self._fields = {}
        if len(self._path) == 3:
            for key, value in attributes.items():
                if len(value) > limits.LISTING_TEXT:
                    raise ListingError(
                        f"a {name} in it is longer than {limits.LISTING_TEXT} characters"
                    )
                self._fields[f"{name}@{key.rpartition(' ')[2]}"] = value

    def end(self, _tag: str) -> None:
        if len(self._path) == 2:
            self._keep()
        self._path.pop()

    def text(self, text: str) -> None:
        name = self._path[-1]
        if name not in _FIELDS or (len(self._path) != 3 and self._path[2:-1] != ["format"]):
            return
        start = self._fields.get(name, "")
        if len(start) + len(text) > limits.LISTING_TEXT:
            raise ListingError(f"a {name} in it is longer than {limits.LISTING_TEXT} characters")
        self._fields[name] = start + text

    def doctype(self, *_declaration: Any) -> None:
        raise ListingError("it declares a document type, which no primary.xml does")

    def _keep(self) -> None:
        fields = self._fields
        source_rpm, name = fields.get("sourcerpm", ""), fields.get("name", "")
        source = source_name(source_rpm)
        if source not in self._sources or fields.get("arch") not in self._arches or is_debug(name):
            return
        if len(self.packages) == BUILT_PACKAGES:
            raise ListingError(f"it lists more than {BUILT_PACKAGES} packages of the sources")
        try:
            self.packages.append(_entry(fields, name, source, source_rpm))
        except (KeyError, ValueError) as error:
            raise ListingError(
                f"it lists {name} without what is needed: {reason_of(error)}"
            ) from error


def _entry(fields: dict[str, str], name: str, source: str, source_rpm: str) -> ListedPackage:
    href = fields["location@href"]
    # A location must not lead out of the repository.
    steps = href.split("/")
    if "location@base" in fields or "://" in href or any(s in ("", ".", "..") for s in steps):
        raise ValueError(f"the location `{href}` is not inside the repository")
    if any(c in href for c in "\\?#%") or not href.isprintable():
        raise ValueError(f"the location {href!a} is no plain path")
    checksum = fields["checksum"].strip().lower()
    if not checksum or set(checksum) - set("0123456789abcdef"):
        raise ValueError(f"the checksum `{checksum}` is no number")
    version = (fields["version@ver"], fields["version@rel"], fields["arch"])
    return ListedPackage(
        nevra=Nevra(name, _number(fields.get("version@epoch") or "0"), *version),
        source=source,
        source_rpm=source_rpm,
        href=href,
        checksum_type=fields["checksum@type"],
        checksum=checksum,
        size=_number(fields["size@package"]),
        published=_number(fields.get("time@file") or "0"),
        built=_number(fields.get("time@build") or "0"),
    )


def _number(text: str) -> int:
    number = number_of(text.strip())
    if number is None:
        raise ValueError(f"`{text[:40]}` is no number")
    return number
