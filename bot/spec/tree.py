"""Copies the files of a checkout that a spec file may read while it is evaluated.

The copy's modes let the sandbox's user read it, whatever the checkout's are, and it has no `.git`,
no large files, and no link that leads out of it. Files of a lookaside cache are not in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot import limits
from bot.errors import ChangeError

# A path to a directory further up, as a spec file writes it.
_UPWARD = re.compile(r"(?<!\.\./)(?:\.\./)+[\w@+~][\w.@+~/-]*")
_READS = re.compile(r"%include\b|%load\b|%\{load:|%\(|%\{lua:")


@dataclass(frozen=True, slots=True)
class SpecTree:
    """A copy at `root`; `sources` is the path in it of the `Source:` files.

    `left_out` are the paths of files of the checkout that were not copied, `lookaside` the names of
    files that a list beside the spec says are in the lookaside cache.
    """

    root: Path
    sources: str
    left_out: frozenset[str] = frozenset()
    lookaside: frozenset[str] = frozenset()

    def read(self, path: str) -> str | None:
        """The text of a file of the copy, by its path in the checkout; None if it is missing."""
        if not self.has(path):
            return None
        target = self.root / os.path.normpath(path)
        return target.read_text(encoding="utf-8", errors="surrogateescape")

    def has(self, path: str) -> bool:
        """Return whether a path in the checkout is a file of the copy."""
        target = self.root / os.path.normpath(path)
        try:
            return target.resolve().is_relative_to(self.root.resolve()) and target.is_file()
        except OSError:
            return False  # a name in a spec file may be longer than file names can be


def copy_spec_tree(checkout: Path, spec: Path, target: Path) -> SpecTree:
    """Copy what the spec file `spec` (relative to `checkout`) may read.

    That is the directories of the spec and of its sources, recursively, and the files that the spec
    names by a path with `..`. Files above 2 MiB each, 32 MiB or 5,000 files together are left out:
    evaluation does not need sources.
    """
    target.mkdir(mode=0o755)
    directory = spec.parent
    sources = source_directory(checkout, str(spec)).relative_to(checkout)
    copier = _Copier(checkout.resolve(), target)
    copier.file(spec)
    for folder in dict.fromkeys((directory, sources)):
        copier.directory(folder)
    text = (checkout / spec).read_text(encoding="utf-8", errors="surrogateescape")
    for named in upward_files(str(spec), text):
        copier.file(Path(named))
    return SpecTree(target, str(sources), frozenset(copier.left_out), _lookaside(checkout, spec))


def source_folders(spec: str) -> tuple[str, ...]:
    """The directories in which the files of a spec may lie: its own, and SOURCES beside SPECS."""
    folder = Path(spec).parent
    beside = (str(folder.with_name("SOURCES")),) if folder.name == "SPECS" else ()
    return (str(folder), *beside)


def upward_files(spec: str, text: str) -> tuple[str, ...]:
    """The paths in the repository to which `..` in the text of a spec may lead."""
    paths = {
        os.path.normpath(Path(folder, named))
        for named in _UPWARD.findall(text)
        for folder in source_folders(spec)
    }
    return tuple(sorted(path for path in paths if not path.startswith("..")))


def is_read(name: str, text: str) -> bool:
    """Return whether a line by which a spec reads files while it is evaluated has a file's name.

    >>> is_read("deps.inc", "%include %{_sourcedir}/deps.inc")
    True
    """
    word = re.compile(rf"(?<![\w.+-]){re.escape(name)}(?![\w+-]|\.\w)")
    return any(word.search(line) for line in text.split("\n") if _READS.search(line))


def _lookaside(checkout: Path, spec: Path) -> frozenset[str]:
    """The names of the files in the lists of sources; invalid lists count as empty."""
    names: set[str] = set()
    for place in (source_directory(checkout, str(spec)), (checkout / spec).parent, checkout):
        try:
            names.update(read_lists(place))
        except SourcesError:
            continue
    return frozenset(names)


class _Copier:
    def __init__(self, checkout: Path, target: Path) -> None:
        self._checkout = checkout
        self._target = target
        self._bytes = 0
        self._files = 0
        self.left_out: set[str] = set()

    def directory(self, relative: Path) -> None:
        for path, directories, files in os.walk(self._checkout / relative):
            here = Path(path).relative_to(self._checkout)
            directories[:] = sorted(name for name in directories if name != ".git")
            for name in sorted(files):
                self.file(here / name)

    def file(self, relative: Path) -> None:
        source = self._checkout / relative
        # A link is followed if it stays inside: the copy has plain files only.
        real = source.resolve()
        if not real.is_relative_to(self._checkout) or ".git" in real.parts or not real.is_file():
            return
        copy = self._target / relative
        if copy.exists():
            return
        size = real.stat().st_size
        too_much = self._bytes + size > limits.SPEC_TREE or self._files >= limits.SPEC_TREE_FILES
        if size > limits.SPEC or too_much:
            self.left_out.add(str(relative))
            return
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copyfile(real, copy)
        copy.chmod(0o755 if real.stat().st_mode & 0o100 else 0o644)
        self._bytes += size
        self._files += 1


_BSD_LINE = re.compile(
    r"^(?P<type>[A-Za-z0-9]+)\s*\((?P<file>[^)]+)\)\s*=\s*(?P<hash>[0-9a-fA-F]+)$"
)
_PLAIN_LINE = re.compile(r"^(?P<hash>[0-9a-fA-F]{32,128})\s+\*?(?P<file>\S.*)$")
# The algorithm of a digest by its number of hexadecimal digits.
DIGEST_OF_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}


class SourcesError(ChangeError):
    """A source is missing, does not match its checksum, or has a name that is refused."""


@dataclass(frozen=True, slots=True)
class LookasideFile:
    """A file of the lookaside cache, and the checksum of its content (`algorithm` is hashlib's
    name)."""

    name: str
    algorithm: str
    checksum: str


def source_directory(checkout: Path, spec_path: str) -> Path:
    """The directory of the `Source:` files: the spec's own, or SOURCES/ beside SPECS/."""
    directory = (checkout / spec_path).parent
    beside = directory.with_name("SOURCES")
    return beside if directory.name == "SPECS" and beside.is_dir() else directory


def checkout_paths(specs: str, sources: str) -> dict[str, str]:
    """rpm's macros for the directories of a spec and of its sources in a checkout.

    Evaluations and builds use the same place, so that a spec cannot tell them apart by it.
    """
    return {
        "_sourcedir": os.path.normpath(f"/checkout/{sources}"),
        "_specdir": os.path.normpath(f"/checkout/{specs}"),
    }


def checked_name(name: str) -> str:
    """`name` if it can be a file name in the build's source directory; else raises SourcesError."""
    if not name or name in {".", ".."} or "/" in name or len(name.encode()) > 255:
        raise SourcesError(f"{name!r} is no file name for a source.")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise SourcesError(f"{name!r} has control characters; it is no file name for a source.")
    return name


def read_lists(directory: Path) -> Mapping[str, LookasideFile]:
    """The lookaside files that the lists beside a spec name, by file name.

    Raises SourcesError with the place of a line in an unknown form or with a bad name.
    """
    listed: dict[str, LookasideFile] = {}
    paths = [directory / "sources", *sorted(directory.glob(".*.metadata"))]
    for path in paths:
        for file in _lines(path):
            listed.setdefault(file.name, file)
    for path in sorted(directory.glob("*.signatures.json")):
        for file in _signatures(path):
            listed.setdefault(file.name, file)
    return listed


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    if path.stat().st_size > limits.SOURCE_LIST:
        raise SourcesError(f"{path.name} is larger than a list of sources can be.")
    return path.read_text("utf-8", "replace")


def _lines(path: Path) -> Iterator[LookasideFile]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _BSD_LINE.match(text) or _PLAIN_LINE.match(text)
        if match is None:
            raise SourcesError(
                f"{path.name}:{number}: {text[:80]!r} is neither `SHA512 (file) = hash` nor"
                " `hash file`."
            )
        yield _listed(match["file"], match["hash"], f"{path.name}:{number}")


def _signatures(path: Path) -> Iterator[LookasideFile]:
    text = _text(path)
    if not text:
        return
    try:
        data = json.loads(text)
        entries = dict(data["Signatures"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourcesError(f"{path.name} is not a list of signatures: {error}") from error
    for name, checksum in entries.items():
        yield _listed(str(name), str(checksum), path.name)


def _listed(file: str, checksum: str, place: str) -> LookasideFile:
    algorithm = DIGEST_OF_LENGTH.get(len(checksum))
    if algorithm is None or not re.fullmatch(r"[0-9a-fA-F]+", checksum):
        raise SourcesError(f"{place}: {checksum[:80]!r} is no checksum of a known length.")
    # CentOS writes SOURCES/file; the build has no such directory.
    name = file.strip().removeprefix("SOURCES/")
    return LookasideFile(checked_name(name), algorithm, checksum.lower())
