"""The contents of packages: the names that their files mention, and the programs that they run.

A program, soname or module is mentioned by a whole string of an ELF file (or by one in quotes: the
note .note.dlopen is JSON), in other files by a whole word. A path is mentioned by itself or by a
path below it. Documentation does not count, nor do the symbols of an ELF file (`shutdown`). Without
the package's file only its header is read: scriptlets and links.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bot.advice.headers import Facts, HeaderFacts, OwnedFile
from bot.advice.scriptlets import bare_commands
from bot.advice.swaps import Offer, files_of
from bot.closure.overlay_pool import OverlayPool
from bot.distro.packages import package_at_hand
from bot.image.listing import listing
from bot.image.payload import Content, read_payload
from bot.image.rpmheader import RefusedPackageError
from bot.model.package import Package

Depth = Literal["files", "headers"]
DOCUMENTATION = re.compile(
    r"^/usr/share/(?:doc|man|info|licenses|common-licenses|locale|help|gtk-doc)/"
)
_UNIT = re.compile(r"/systemd/(?:system|user)/[^/]+\.(?:service|socket|mount|swap)$")
_EXEC = re.compile(rb"^Exec(?:Start|StartPre|StartPost)=[-@:+!|]*(/[^\s;]+)", re.MULTILINE)
_WORDS, _PATHS = re.compile(rb"[\w+.:@-]+"), re.compile(rb"/[\w./+@:-]+")
_QUOTED = re.compile(rb'"([\w./+-]+)"')
# The suffix for scriptlets that test for what they run, or ignore its failure.
WHICH_DO_WITHOUT = " (which do without)"
_BUILD_IDS = "/usr/lib/.build-id"
_LIBRARY = re.compile(r"\.so(?:\.|\(|$)")
_PARTS = re.compile(rb"::|[./]")
_SHORT = 3  # letters: shorter names of programs (`[`, `ps`) are words of any text
_MOST_READ = 200_000_000  # bytes of one file: a larger one is taken for no program and no script
_MERGED = re.compile(r"^/(?=(?:s?bin|lib|lib64)/)")


@dataclass(frozen=True, slots=True)
class Names:
    """The names by which leaving packages can be used: words (programs, sonames), modules,
    paths."""

    words: frozenset[bytes] = frozenset()
    modules: frozenset[bytes] = frozenset()
    paths: frozenset[bytes] = frozenset()

    def __or__(self, other: Names) -> Names:
        return Names(
            self.words | other.words, self.modules | other.modules, self.paths | other.paths
        )

    @property
    def all(self) -> frozenset[bytes]:
        """The words, modules and paths in one set."""
        return self.words | self.modules | self.paths


@dataclass(frozen=True, slots=True)
class PackageContents:
    """The names that a package mentions, by the file, and the paths that its scripts and units run.

    Scriptlets count as a file, `scriptlets of NAME`, followed by WHICH_DO_WITHOUT where none of
    their commands needs what is named. `depth` says whether files or only headers were read.
    """

    depth: Depth
    mentions: tuple[tuple[str, frozenset[bytes]], ...]
    runs: tuple[tuple[str, str], ...] = ()


def names_of(offers: Iterable[Offer], files: Collection[str], staying: Collection[str]) -> Names:
    """Return the names of packages with these offers and files; `staying` are others' paths."""
    words: set[bytes] = set()
    modules: set[bytes] = set()
    paths: set[bytes] = set()
    for offer in offers:
        words |= {soname.encode() for soname in offer.sonames}
        paths |= {path.encode() for path in offer.programs}
        programs = (path.rpartition("/")[2] for path in offer.programs)
        words |= {name.encode() for name in programs if len(name) >= _SHORT}
        # Of `perl(A::B)` and `python3dist(a)` the part in brackets.
        modules |= {(m.partition("(")[2].rstrip(")") or m).encode() for m in offer.modules}
    paths |= {path.encode() for path in own_places(files, staying)}
    return Names(frozenset(words), frozenset(modules), frozenset(paths))


def own_places(files: Collection[str], staying: Collection[str]) -> frozenset[str]:
    """Return the paths that only leaving packages have, as whole directories if possible."""
    shared: set[str] = set()
    for path in staying:
        place = path
        while place and place not in shared:
            shared.add(place)
            place = place.rpartition("/")[0]
    places: set[str] = set()
    for path in files:
        if path in shared or DOCUMENTATION.match(path) or path.startswith(_BUILD_IDS):
            continue
        place = path
        while (parent := place.rpartition("/")[0]) not in shared and parent.count("/") > 1:
            place = parent
        places.add(place)
    return frozenset(places)


def paths_of(
    overlays: OverlayPool, numbers: Iterable[int], headers: HeaderFacts
) -> Mapping[int, frozenset[str]] | None:
    """Return all paths of packages; None where the header of one cannot be read.

    filelists.xml may lack a package, and primary.xml has only some of its paths: what else the
    package could be used for would not be known.
    """
    paths = known_paths(overlays, numbers, headers)
    known = (headers.of(overlays.package(number).nevra) for number in paths)
    return None if None in known else paths


def known_paths(
    overlays: OverlayPool, numbers: Iterable[int], headers: HeaderFacts
) -> Mapping[int, frozenset[str]]:
    """Return the paths of packages that metadata and the headers that can be read have."""
    paths: dict[int, frozenset[str]] = {}
    for number, listed in files_of(overlays, sorted(numbers)).items():
        package = overlays.package(number)
        headers.read([package])
        facts = headers.of(package.nevra)
        files = facts.files if facts is not None else ()
        paths[number] = frozenset((*listed, *(f.path for f in files if not f.is_directory)))
    return paths


def contents_of(package: Package, headers: HeaderFacts, names: Names) -> PackageContents | None:
    """Return the contents of a package; None where not even its header can be read."""
    headers.read([package])
    facts = headers.of(package.nevra)
    if facts is None:
        return None
    mentions = list(_in_header(package, facts, names))
    path = package_at_hand(package, headers.cache)
    if path is None:
        return PackageContents("headers", tuple(mentions))
    runs: list[tuple[str, str]] = []
    data_only = {file.path for file in facts.files if _is_data(file)}
    entries = listing(package, headers.cache)

    def take(index: int, size: int, content: Content) -> None:
        entry = entries.files[index]
        if size > _MOST_READ or DOCUMENTATION.match(entry.path):
            return
        data = b"".join(content)
        wanted = replace(names, words=frozenset()) if entry.path in data_only else names
        mentioned = _mentioned(data, wanted)
        if mentioned:
            mentions.append((entry.path, mentioned))
        runs.extend((entry.path, target) for target in _run_by(entry.path, entry.mode, data))

    try:
        read_payload(str(package.nevra), path, entries, take)
    except RefusedPackageError:
        return None
    return PackageContents("files", tuple(sorted(mentions, key=lambda f: f[0])), tuple(runs))


def _is_data(file: OwnedFile) -> bool:
    """Return whether a library needs no other library, not even the C library.

    Such a library cannot run anything: the name of a program in it is data (libicudata has `perl`).
    """
    needs = any(_LIBRARY.search(need) for need in file.needs)
    return not needs and any(_LIBRARY.search(provided) for provided in file.provides)


def is_unit(path: str) -> bool:
    """Return whether a path is that of a systemd unit that runs programs."""
    return _UNIT.search(path) is not None


def merged(path: str) -> str:
    """Return a path with /bin, /sbin, /lib and /lib64 replaced by those below /usr."""
    return _MERGED.sub("/usr/", path)


def started_by_units(package: Package, headers: HeaderFacts) -> frozenset[str] | None:
    """Return the absolute paths that a package's units start.

    Null where it may have units, and its file is not available.
    """
    facts, path = headers.of(package.nevra), package_at_hand(package, headers.cache)
    if facts is not None and not any(is_unit(file.path) for file in facts.files):
        return frozenset()
    if facts is None or path is None:
        return None
    entries = listing(package, headers.cache)
    programs: set[str] = set()

    def take(index: int, size: int, content: Content) -> None:
        entry = entries.files[index]
        if is_unit(entry.path) and size <= _MOST_READ:
            started = _EXEC.findall(b"".join(content))
            programs.update(path.decode(errors="replace") for path in started)

    try:
        read_payload(str(package.nevra), path, entries, take)
    except RefusedPackageError:
        return None
    return frozenset(programs)


def _in_header(
    package: Package, facts: Facts, names: Names
) -> Iterator[tuple[str, frozenset[bytes]]]:
    def leaves(tested: str) -> bool:
        words = {tested.encode(), merged(tested).encode()}
        return bool(words & names.words or _with_paths(words, names))

    bare = "\n".join(c for _, text in facts.scripts for c in bare_commands(text, leaves))
    where = f"scriptlets of {package.nevra.name}"
    if mentioned := _mentioned(bare.encode(), names):
        yield where, mentioned
    elif mentioned := _mentioned(facts.scriptlets.encode(), names):
        yield f"{where}{WHICH_DO_WITHOUT}", mentioned
    for file in facts.files:
        if file.link.startswith("/") and not DOCUMENTATION.match(file.path):
            linked = _with_paths([file.link.encode()], names)
            if linked:
                yield file.path, frozenset(linked)


def _mentioned(data: bytes, names: Names) -> frozenset[bytes]:
    if data.startswith(b"\x7fELF"):
        strings = {*without_string_tables(data).split(b"\0"), *_QUOTED.findall(data)}
        # A module of one word (`POSIX`) can be any word of the data; a program names it `A::B`.
        mentioned = strings & (
            names.words | {name for name in names.modules if _PARTS.search(name)}
        )
        return frozenset(mentioned | _with_paths((s for s in strings if s[:1] == b"/"), names))
    words = {word.rstrip(b".:,-") for word in _WORDS.findall(data)}
    mentioned = words & (names.words | names.modules)
    if names.modules:
        mentioned |= {first for word in words if (first := word.split(b".")[0]) in names.modules}
    return frozenset(mentioned | _with_paths(set(_PATHS.findall(data)), names))


def _with_paths(texts: Iterable[bytes], names: Names) -> set[bytes]:
    """Return the paths of `names` that are among the texts or above one of them."""
    paths: set[bytes] = set()
    for text in texts if names.paths else ():
        place = text.rstrip(b"/.:")
        while place:
            if place in names.paths:
                paths.add(place)
                break
            place = place.rpartition(b"/")[0]
    return paths


def _run_by(path: str, mode: int, data: bytes) -> Iterator[str]:
    """Yield the absolute paths of programs in a script's first line or a unit's Exec lines."""
    if data.startswith(b"#!") and mode & 0o111:
        words = data[2:300].partition(b"\n")[0].split()
        if words and words[0].startswith(b"/"):
            yield words[0].decode(errors="replace")
    elif is_unit(path):
        for program in _EXEC.findall(data):
            yield program.decode(errors="replace")


# ELF files: the tables of names that are none of the program's own data.
# Weighed in November 2026: pyelftools 0.33 (public domain, pure Python) finds the same tables in
# 779 programs and libraries in 0.59 s of processor, 0.003 here, and takes 46 ms to import. An
# advice with the files of nginx took 1.9 to 2.1 s with it, 1.5 to 1.8 without: of all that it
# reads, one table of fixed fields is of use here.
_STRING_TABLE = 3  # SHT_STRTAB, of the System V ABI: names of symbols, libraries and sections
_LIBRARY_NAME = b".so"
_MOST_TABLES = 16  # linkers write three


def without_string_tables(data: bytes) -> bytes:
    """The bytes of an ELF file without the names of symbols and sections; of the libraries that it
    needs the names stay. As it is where its sections cannot be read."""
    try:
        tables = _string_tables(data)
    except (struct.error, OverflowError, IndexError, KeyError):
        return data
    if len(tables) > _MOST_TABLES:
        return data
    kept, position = [], 0
    for start, end in sorted(tables):
        libraries = [name for name in data[start:end].split(b"\0") if _LIBRARY_NAME in name]
        kept += [data[position:start], *libraries]
        position = max(position, end)
    return b"\0".join([*kept, data[position:]])


def _string_tables(data: bytes) -> list[tuple[int, int]]:
    order = {1: "<", 2: ">"}[data[5]]
    wide = {1: False, 2: True}[data[4]]
    (offset,) = struct.unpack_from(f"{order}Q" if wide else f"{order}I", data, 0x28 if wide else 32)
    size, count = struct.unpack_from(f"{order}HH", data, 0x3A if wide else 0x2E)
    fields = f"{order}4xI16xQQ" if wide else f"{order}4xI8xII"
    tables = []
    for number in range(count if offset else 0):
        kind, start, length = struct.unpack_from(fields, data, offset + number * size)
        if kind == _STRING_TABLE and start + length <= len(data):
            tables.append((start, start + length))
    return tables
