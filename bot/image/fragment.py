"""Fragments: a package's files and links as a piece of a layer, made once."""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError
from bot.distro.packages import fetch_package
from bot.image.database import Owners
from bot.image.layout import landing
from bot.image.listing import FileEntry, Listing, forget_listing
from bot.image.payload import Content, read_payload
from bot.image.rpmheader import RefusedPackageError
from bot.image.tarformat import (
    Part,
    PartStore,
    PartWriter,
    TarEntry,
    entry_header,
    key_of,
    padding,
)
from bot.model.package import Package

_ATTRIBUTE = "security.capability"


@dataclass(frozen=True, slots=True)
class FragmentPlan:
    """The files of a package that become a fragment of a layer.

    `indexes` are those of the listing's files in it, in the listing's order (no directories);
    `redirects` are the directories that links replace, with their targets.
    """

    package: Package
    listing: Listing
    indexes: tuple[int, ...]
    redirects: Mapping[str, str]

    def key(self, owners: Owners) -> str:
        """Return the key of the piece: package, header, selected files, their paths and owners."""
        location = self.package.location
        assert location is not None
        names = {
            (entry.user, entry.group)
            for entry in map(self.listing.files.__getitem__, self.indexes)
            if entry.user != "root" or entry.group != "root"
        }
        return key_of(
            "fragment",
            location.checksum.lower(),
            self.listing.header,
            _ranges(self.indexes),
            sorted(self.redirects.items()),
            sorted((user, group, *owners.of(user, group)) for user, group in names),
        )


def tar_entry(entry: FileEntry, path: str, owners: Owners, name: str) -> TarEntry:
    """Return a file's entry in a layer. RefusedPackageError for malformed capabilities."""
    uid, gid, cleared = owners.of(entry.user, entry.group)
    attributes = {}
    if entry.capabilities and stat.S_ISREG(entry.mode):
        try:
            value = capability_attribute(entry.capabilities)
        except ValueError as error:
            raise RefusedPackageError(name, f"{entry.path}: {error}") from error
        if value is not None:
            attributes[_ATTRIBUTE] = value
    return TarEntry(
        path=path,
        mode=entry.mode & ~cleared if stat.S_ISREG(entry.mode) else entry.mode,
        uid=uid,
        gid=gid,
        size=entry.size,
        mtime=entry.mtime,
        link=entry.link if stat.S_ISLNK(entry.mode) else "",
        attributes=attributes,
    )


def _hard_link(entry: FileEntry, path: str, target: str, owners: Owners) -> TarEntry:
    uid, gid, cleared = owners.of(entry.user, entry.group)
    return TarEntry(
        path, entry.mode & ~cleared, uid, gid, entry.size, entry.mtime, link=target, hard=True
    )


def make_fragment(fragment: FragmentPlan, owners: Owners, cache: Cache, store: PartStore) -> Part:
    """Return the piece of `fragment`, from the cache or from the fetched and checked payload.

    Raises RefusedPackageError for a payload that differs from its header, SurroundingsError where
    the package cannot be fetched.
    """

    def fill(writer: PartWriter) -> None:
        _Pieces(fragment, owners, writer.write).read(cache)

    return store.make(fragment.key(owners), fill)


def make_shared(
    fragments: Sequence[FragmentPlan], owners: Owners, cache: Cache, store: PartStore
) -> Part:
    """Return the piece of the paths that several packages have, each from its chosen package."""

    def fill(writer: PartWriter) -> None:
        for fragment in fragments:
            _Pieces(fragment, owners, writer.write).read(cache)

    return store.make(key_of("shared", [fragment.key(owners) for fragment in fragments]), fill)


def file_content(fragment: FragmentPlan, cache: Cache) -> bytes:
    """Return the content of the one selected regular file, which must be small (passwd)."""
    contents: list[bytes] = []

    def take(index: int, _: int, content: Content) -> None:
        if index in fragment.indexes:
            contents.append(b"".join(content))

    _read(fragment, cache, take)
    return b"".join(contents)


def _read(fragment: FragmentPlan, cache: Cache, take: Callable[[int, int, Content], None]) -> None:
    path = fetch_package(fragment.package, cache)
    # The plan is made from a header that was fetched alone, where no checksum covers it.
    import hashlib

    with path.open("rb") as stream:
        header = hashlib.sha256(stream.read(fragment.listing.header_end)).hexdigest()
    if header != fragment.listing.header:
        forget_listing(fragment.package, cache)
        raise RefusedFileError(str(path), "its header differs from the one that was fetched before")
    read_payload(str(fragment.package.nevra), path, fragment.listing, take)


class _Pieces:
    """Writes tar entries of a payload's files as they arrive."""

    def __init__(
        self, fragment: FragmentPlan, owners: Owners, write: Callable[[bytes], None]
    ) -> None:
        self._fragment = fragment
        self._owners = owners
        self._write = write
        self._missing = set(fragment.indexes)
        self._groups: dict[int, list[int]] = {}
        for index in fragment.indexes:
            links = fragment.listing.files[index].links
            if links:
                self._groups.setdefault(links, []).append(index)
        # The content may belong to a name that is not installed, such as one of the documentation.
        self._waiting = dict(self._groups)

    def read(self, cache: Cache) -> None:
        """Read the payload; RefusedPackageError where a file of the header is not in it."""
        if not self._fragment.indexes:
            return
        _read(self._fragment, cache, self._take)
        if self._missing:
            lacking = self._fragment.listing.files[min(self._missing)].path
            raise RefusedPackageError(
                str(self._fragment.package.nevra), f"its payload lacks {lacking}"
            )

    def _take(self, index: int, size: int, content: Content) -> None:
        entry = self._fragment.listing.files[index]
        if entry.links:
            if entry.links in self._waiting and (size or not entry.size):
                self._group(self._waiting.pop(entry.links), content)
            return
        if index not in self._missing:
            return
        self._missing.discard(index)
        self._write(entry_header(self._entry(index)))
        self._copy(content, entry.size if stat.S_ISREG(entry.mode) else 0)

    def _group(self, indexes: Sequence[int], content: Content) -> None:
        """Write hard links: the first name has the content, the others follow it."""
        self._missing.difference_update(indexes)
        first = self._entry(indexes[0])
        self._write(entry_header(first))
        self._copy(content, first.size)
        for index in indexes[1:]:
            entry = self._fragment.listing.files[index]
            path = landing(entry, self._fragment.redirects)
            self._write(entry_header(_hard_link(entry, path, first.path, self._owners)))

    def _entry(self, index: int) -> TarEntry:
        entry = self._fragment.listing.files[index]
        path = landing(entry, self._fragment.redirects)
        return tar_entry(entry, path, self._owners, str(self._fragment.package.nevra))

    def _copy(self, content: Content, size: int) -> None:
        for chunk in content:
            self._write(chunk)
        self._write(padding(size))


def _ranges(indexes: Sequence[int]) -> list[int]:
    """Return indexes as ranges: the first index of each and the one after the last."""
    ranges: list[int] = []
    for index in indexes:
        if ranges and ranges[-1] == index:
            ranges[-1] = index + 1
        else:
            ranges += [index, index + 1]
    return ranges


# linux/capability.h, in the order of their numbers.
# fmt: off
_NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)
# fmt: on
_NUMBERS = {f"cap_{name}": number for number, name in enumerate(_NAMES)}
_ALL = (1 << len(_NAMES)) - 1
_CLAUSE = re.compile(r"([a-z0-9_,]*)((?:[-+=][eip]*)+)", re.IGNORECASE)
# VFS_CAP_REVISION_2 and VFS_CAP_FLAGS_EFFECTIVE.
_REVISION, _EFFECTIVE = 0x02000000, 0x000001


def capability_attribute(text: str) -> bytes | None:
    """Return the value of `security.capability` for a text as cap_from_text(3) reads it.

    None where it grants nothing (`""`, `=`). Raises ValueError for a malformed text.
    """
    flags = {"e": 0, "i": 0, "p": 0}
    for clause in text.split():
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ValueError(f"not capabilities: {text!r}")
        names = match[1].lower()
        bits = _ALL if names in ("", "all") else _mask(names, text)
        for operator, letters in re.findall(r"([-+=])([eip]*)", match[2].lower()):
            if operator == "=":
                flags = {flag: mask & ~bits for flag, mask in flags.items()}
            for letter in letters:
                if operator == "-":
                    flags[letter] &= ~bits
                else:
                    flags[letter] |= bits
    permitted, inheritable = flags["p"], flags["i"]
    if not permitted | inheritable:
        return None
    revision = _REVISION | (_EFFECTIVE if flags["e"] else 0)
    low = 0xFFFFFFFF
    words = (permitted & low, inheritable & low, permitted >> 32, inheritable >> 32)
    return struct.pack("<5I", revision, *words)


def _mask(names: str, text: str) -> int:
    mask = 0
    for name in names.split(","):
        number = _NUMBERS.get(name)
        if number is None and name.isdigit() and int(name) < 64:
            number = int(name)
        if number is None:
            raise ValueError(f"not capabilities: {text!r}")
        mask |= 1 << number
    return mask
