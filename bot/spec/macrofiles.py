"""Packages with macros: those that requests bring, and their files, verified and unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from bot import limits
from bot.errors import SurroundingsError
from bot.model.capability import Rich, is_rich, parse_rich
from bot.model.closure import Closure
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.spec.tree import DIGEST_OF_LENGTH

if TYPE_CHECKING:
    from bot.distro.cache import Cache

KeyUrls = Mapping[str, tuple[str, ...]]
"""Where the keys of each repository are, by its id; repositories without keys left out."""

DIRECTORIES = ("usr/lib/rpm/", "etc/rpm/")
_FORMAT = 1


class VerifiedFiles:
    """Fetches RPM files, and verifies the signatures if their repository has keys."""

    def __init__(self, cache: Cache, keys: KeyUrls) -> None:
        self._cache = cache
        self._urls = keys
        self._keys: dict[tuple[str, ...], list[tuple[str, bytes]] | SurroundingsError] = {}
        self._lock = Lock()

    def trust(self, package: Package) -> tuple[str, ...]:
        """The URLs of the keys of which one must have signed a package; empty if none is
        required."""
        return self._urls.get(package.repository, ())

    def fetch(self, package: Package) -> Path:
        """The file of a package. Raises RefusedFileError if it does not match the metadata or has
        no valid signature, SurroundingsError if it or all keys cannot be fetched."""
        from bot.distro.packages import fetch_package
        from bot.image.rpmheader import header_bytes
        from bot.image.signature import verify_header

        file = fetch_package(package, self._cache)
        urls = self.trust(package)
        if urls:
            assert package.location is not None
            name = str(package.nevra)
            with file.open("rb") as stream:
                content = header_bytes(name, stream)
            verify_header(package.location.url, name, content, self._read(urls))
        return file

    def _read(self, urls: tuple[str, ...]) -> list[tuple[str, bytes]]:
        """The keys of a repository, fetched once; failures are remembered too."""
        from bot.distro.keys import read_keys

        with self._lock:
            keys = self._keys.get(urls)
            if keys is None:
                try:
                    keys = read_keys(urls)
                except SurroundingsError as error:
                    keys = error
                self._keys[urls] = keys
        if isinstance(keys, SurroundingsError):
            raise keys
        return keys


def unpacked(rpm_file: Path, checksum: str, cache: Cache) -> Path:
    """The cache directory with the macro files of an RPM file, unpacked once.

    `checksum` is that of the file. Raises SurroundingsError if the file cannot be read, or does not
    match its header.
    """
    place = cache.addressed("macro-files", checksum.lower(), str(_FORMAT))
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".macro-files-", dir=place.parent))
    try:
        unpack_macros(rpm_file, temporary)
        put(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def put(temporary: Path, place: Path) -> None:
    """Move a finished directory to its place, with modes that the sandbox's user can read.

    If another process was faster, its directory stays: the content is the same.
    """
    for directory, _, _ in os.walk(temporary):
        Path(directory).chmod(0o755)
    try:
        temporary.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def unpack_macros(rpm_file: Path, target: Path) -> None:
    """Unpack the files below /usr/lib/rpm and /etc/rpm of an RPM file into `target`.

    The digests of its header and of every unpacked file are verified; the caller verifies the
    signature. Links that leave these directories, and paths that are not plain, are left out.
    Raises SurroundingsError if the file cannot be read, or a digest differs.
    """
    import rpm

    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    transaction.setKeyring(rpm.keyring())
    try:
        with rpm_file.open("rb") as file:
            header = transaction.hdrFromFdno(file.fileno())
            payload = rpm.fd(file.fileno(), "r", header["payloadcompressor"] or "gzip")
            archive = rpm.files(header).archive(payload)
            linked: dict[int, list[Any]] = {}
            try:
                for entry in archive:
                    _unpack(entry, archive, target, linked)
            finally:
                archive.close()
                payload.close()
    except (rpm.error, OSError, ValueError) as error:
        raise SurroundingsError(f"{rpm_file.name} cannot be unpacked: {error}.") from error


def _unpack(entry: Any, archive: Any, target: Path, linked: dict[int, list[Any]]) -> None:
    name = str(entry.name).lstrip("/")
    parts = name.split("/")
    if not name.startswith(DIRECTORIES) or ".." in parts or "" in parts:
        return
    if stat.S_ISREG(entry.mode) and not archive.hascontent():
        # Of hard links to one file, only the last has the content.
        linked.setdefault(entry.inode, []).append(entry)
    elif stat.S_ISREG(entry.mode) and entry.size <= limits.MACRO_FILE:
        content = archive.read(entry.size) if entry.size else b""
        _check(name, content, str(entry.digest or ""))
        for hard_link in (entry, *linked.get(entry.inode, ())):
            place = _cleared(target, str(hard_link.name).lstrip("/"))
            place.write_bytes(content)
            place.chmod(0o755 if entry.mode & 0o111 else 0o644)
    elif stat.S_ISLNK(entry.mode):
        # A link stays only if it leads into the unpacked directories, and as a relative one: so it
        # leads to the same file here as inside the sandbox.
        pointed = os.path.normpath(Path("/", *parts[:-1]) / str(entry.linkto))
        if pointed.lstrip("/").startswith(DIRECTORIES):
            place = _cleared(target, name)
            place.symlink_to(os.path.relpath(pointed, Path("/", *parts[:-1])))


def _cleared(target: Path, name: str) -> Path:
    """The path of a file below `target`, with its folder created and an old file removed."""
    place = target / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.parent.resolve().is_relative_to(target.resolve()):
        raise ValueError(f"/{name} lies behind a link that leads elsewhere")
    place.unlink(missing_ok=True)
    return place


def _check(name: str, content: bytes, digest: str) -> None:
    algorithm = DIGEST_OF_LENGTH.get(len(digest))
    if algorithm is None:
        raise ValueError(f"its header has no digest of /{name}")
    if hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() != digest:
        raise ValueError(f"/{name} is not what its header says")


ABSENT = "nothing provides it"
_MOST_WALKED = 500


class MacroPool(Protocol):
    """The part of a pool (`bot.closure.Pool`) that finding macro packages uses."""

    def selects(self, request: str) -> tuple[Nevra, ...]:
        """The packages that match a request; empty if none does."""
        ...

    def solve_names(self, names: Iterable[str], *, settled: Callable[[Closure], bool]) -> Closure:
        """The closure of these requests."""
        ...

    def candidates(self, request: str) -> tuple[Package, ...]:
        """The newest package of each name that matches a request."""
        ...

    def owning_below(self, directories: Sequence[str]) -> frozenset[Nevra]:
        """The packages that own a file below one of these directories."""
        ...

    def group(self, name: str) -> tuple[str, ...]:
        """The packages of a comps group; empty if there is no such group."""
        ...


def solve_what_can_be(
    pool: MacroPool, requests: Iterable[str]
) -> tuple[tuple[Package, ...], dict[str, str]]:
    """The closure of as many requests as can be installed together, and the others with a reason.

    Earlier requests are preferred to later ones.
    """

    def solve(names: Sequence[str]) -> Closure:
        return pool.solve_names(names, settled=lambda _: True)

    names = list(dict.fromkeys(requests))
    left_out: dict[str, str] = {}
    closure = solve(names)
    if closure.missing:
        left_out.update(dict.fromkeys(closure.missing, ABSENT))
        names = [request for request in names if request not in left_out]
        closure = solve(names)
    if closure.status == "ok":
        return closure.packages, left_out
    solvable: list[str] = []
    packages: tuple[Package, ...] = ()
    # The rest is halved until a single request is found that cannot be installed.
    todo = [names]
    while todo:
        part = todo.pop()
        closure = solve([*solvable, *part])
        if closure.status == "ok":
            solvable += part
            packages = closure.packages
        elif len(part) == 1:
            left_out[part[0]] = closure.problems[0] if closure.problems else "it has no solution"
        elif part:
            middle = len(part) // 2
            todo += [part[middle:], part[:middle]]
    return packages, left_out


def required_by(pool: MacroPool, request: str) -> tuple[Package, ...]:
    """The packages that a request and its requirements lead to, recursively.

    Of several providers the first by name is followed; paths and rich dependencies are not, except
    `(x if rpm-build)`. Nothing is solved: these packages may conflict.
    """
    packages: dict[Nevra, Package] = {}
    visited = {request}
    todo = deque(visited)
    while todo and len(packages) < _MOST_WALKED:
        for package in pool.candidates(todo.popleft())[:1]:
            if package.nevra not in packages:
                packages[package.nevra] = package
                for dependency in package.dependencies:
                    capability = _in_buildroots(dependency.capability)
                    follow = dependency.kind == "requires" and capability not in visited
                    if follow and not capability.startswith(("/", "(", "rpmlib(")):
                        visited.add(capability)
                        todo.append(capability)
    return tuple(packages.values())


def _in_buildroots(capability: str) -> str:
    """`x` of `(x if rpm-build)`, by which Fedora's development packages require the macros of their
    language; any other capability unchanged."""
    match parse_rich(capability) if is_rich(capability) else None:
        case Rich("if", str(name), "rpm-build", None):
            return name
    return capability
