"""The files of a package by its header: parsed once, then cached."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from bot.distro.cache import Cache
from bot.distro.packages import fetch_header, fetch_package
from bot.errors import SurroundingsError
from bot.image.rpmheader import Header, RefusedPackageError, header_bytes, read_headers
from bot.limits import PACKAGE_FILES, PACKAGE_PATHS
from bot.model.package import Package

_FORMAT = "2"
# rpm's include/rpm/rpmfiles.h.
CONFIG, DOCUMENTATION, GHOST = 1 << 0, 1 << 1, 1 << 6
# rpm's include/rpm/rpmtag.h.
_NAME, _VERSION, _RELEASE, _BUILDTIME, _ARCH = 1000, 1001, 1002, 1006, 1022
_LICENSE, _URL, _VENDOR, _SUMMARY = 1014, 1020, 1011, 1004
_OLD_NAMES, _SIZES, _MODES, _RDEVS, _MTIMES = 1027, 1028, 1030, 1033, 1034
_DIGESTS, _LINKS, _FLAGS, _USERS, _GROUPS = 1035, 1036, 1037, 1039, 1040
_PROVIDES, _PROVIDE_VERSIONS = 1047, 1113
# The scriptlets that run at an installation: %pre, %post, %pretrans, %posttrans.
_SCRIPTLETS = (1023, 1024, 1151, 1152)
# Commands by which scriptlets give privileges that are not in the header.
_PRIVILEGING = re.compile(
    r"(?<![\w.-])(adduser|chmod|chown|chgrp|groupadd|setcap|setfacl|useradd|usermod)(?![\w.-])"
)
_INODES, _LANGS, _DEVICES = 1096, 1097, 1095
_DIR_INDEXES, _BASE_NAMES, _DIR_NAMES = 1116, 1117, 1118
_PAYLOAD_FORMAT, _PAYLOAD_COMPRESSOR = 1124, 1125
_COLORS, _CAPS, _LONG_SIZES, _ALGORITHM = 1140, 5010, 5008, 5011


class FileEntry(NamedTuple):
    """One file of a package.

    `path` is absolute and normalised (no `.`, `..` or double slash). Entries of a package with the
    same number in `links` (not 0) are hard links of each other. `digest` is hexadecimal, empty for
    files without content; `capabilities` is rpm's text; `lang` are languages joined by `|`.
    """

    path: str
    mode: int
    size: int
    mtime: int
    digest: str
    link: str
    user: str
    group: str
    flags: int
    lang: str
    links: int
    capabilities: str
    color: int

    @property
    def is_directory(self) -> bool:
        """Return whether it is a directory."""
        return stat.S_ISDIR(self.mode)


class Sysuser(NamedTuple):
    """A user or group that a package brings (rpm 4.19's sysusers); `line` is sysusers.d's."""

    name: str
    line: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a package by its header, and the checksum that identifies that header.

    `digest_algorithm` is OpenPGP's number (8: SHA-256, 1: MD5); `built` is in seconds since 1970;
    `header` is the SHA-256 of the file's first `header_end` bytes. `privileged` are the commands
    for privileges in the scriptlets of an installation (`chmod`, `useradd`).
    """

    name: str
    header: str
    header_end: int
    built: int
    digest_algorithm: int
    compressor: str
    files: tuple[FileEntry, ...]
    sysusers: tuple[Sysuser, ...] = ()
    license: str = ""
    url: str = ""
    vendor: str = ""
    summary: str = ""
    privileged: tuple[str, ...] = ()


def listing(package: Package, cache: Cache) -> Listing:
    """Return the listing of a package, from its header alone where the metadata has its byte range.

    Raises RefusedPackageError, naming the package, for a header that cannot be trusted, and
    SurroundingsError where it cannot be fetched.
    """
    location = package.location
    if location is None:
        raise SurroundingsError(f"{package.nevra} has no file to read its header from.")
    return _listing(location.checksum.lower(), cache.root, _Request(package))


def has_listing(package: Package, cache: Cache) -> bool:
    """Return whether the listing of a package is in the cache."""
    return package.location is not None and _place(package.location.checksum, cache).exists()


def _place(checksum: str, cache: Cache) -> Path:
    return cache.addressed("listings", checksum.lower(), f"{_FORMAT}.json")


class _Request:
    """A package for `lru_cache`, whose key is the checksum only."""

    def __init__(self, package: Package) -> None:
        self.package = package

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Request)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=256)
def _listing(checksum: str, root: Path, request: _Request) -> Listing:
    cache = Cache(root)
    place = _place(checksum, cache)
    try:
        return _from_json(json.loads(place.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        pass  # not cached yet, or of another format
    package = request.package
    parsed = parse_listing(str(package.nevra), package_header(package, cache))
    cache.write(place, json.dumps(_to_json(parsed), separators=(",", ":")).encode())
    return parsed


def package_header(package: Package, cache: Cache) -> bytes:
    """Return a package's file up to the end of its header, fetched alone where that is possible."""
    content = fetch_header(package, cache)
    if content is not None:
        return content
    with fetch_package(package, cache).open("rb") as stream:
        return header_bytes(str(package.nevra), stream)


def forget_listing(package: Package, cache: Cache) -> None:
    """Remove the cached listing of a package, whose file has another header."""
    assert package.location is not None
    checksum = package.location.checksum.lower()
    _place(checksum, cache).unlink(missing_ok=True)
    end = str(package.location.header_end)
    cache.addressed("headers", checksum, end).unlink(missing_ok=True)
    _listing.cache_clear()


def parse_listing(name: str, content: bytes) -> Listing:
    """Return the listing in the beginning of an RPM file; RefusedPackageError names `name`."""
    _, header, end = read_headers(name, content)
    payload = header.text(_PAYLOAD_FORMAT) or "cpio"
    if payload != "cpio":
        raise RefusedPackageError(name, f"its payload is of format {payload!r}, not cpio")
    return Listing(
        name=header.text(_NAME),
        header=hashlib.sha256(content[:end]).hexdigest(),
        header_end=end,
        built=header.number(_BUILDTIME) or 0,
        digest_algorithm=header.number(_ALGORITHM) or 1,
        compressor=header.text(_PAYLOAD_COMPRESSOR) or "gzip",
        files=_files(name, header),
        sysusers=_sysusers(header),
        license=header.text(_LICENSE),
        url=header.text(_URL),
        vendor=header.text(_VENDOR),
        summary=header.text(_SUMMARY),
        privileged=_privileged(header),
    )


def _privileged(header: Header) -> tuple[str, ...]:
    scriptlets = "\n".join(line for tag in _SCRIPTLETS for line in header.texts(tag))
    return tuple(sorted(set(_PRIVILEGING.findall(scriptlets))))


def _files(name: str, header: Header) -> tuple[FileEntry, ...]:
    paths = _paths(name, header)
    count = len(paths)
    if count == 0:
        return ()

    def numbers(tag: int) -> Sequence[int]:
        values = header.numbers(tag)
        return _require_count(name, tag, values, count) if values else (0,) * count

    def texts(tag: int) -> Sequence[str]:
        values = header.texts(tag)
        return _require_count(name, tag, values, count) if values else ("",) * count

    sizes = numbers(_LONG_SIZES if _LONG_SIZES in header else _SIZES)
    modes = numbers(_MODES)
    columns = (
        paths,
        modes,
        sizes,
        numbers(_MTIMES),
        texts(_DIGESTS),
        texts(_LINKS),
        texts(_USERS),
        texts(_GROUPS),
        numbers(_FLAGS),
        texts(_LANGS),
        _hard_links(modes, numbers(_FLAGS), numbers(_INODES), numbers(_DEVICES)),
        texts(_CAPS),
        numbers(_COLORS),
    )
    return tuple(FileEntry(*row) for row in zip(*columns, strict=True))


def _require_count(name: str, tag: int, values: Sequence[Any], count: int) -> Sequence[Any]:
    if len(values) != count:
        raise RefusedPackageError(
            name, f"its header has {count} files and {len(values)} values of tag {tag}"
        )
    return values


def _paths(name: str, header: Header) -> list[str]:
    if _OLD_NAMES in header:
        paths = list(header.texts(_OLD_NAMES))
        _refuse_many(name, len(paths), sum(map(len, paths)))
    else:
        directories = header.texts(_DIR_NAMES)
        bases = header.texts(_BASE_NAMES)
        indexes = _require_count(name, _DIR_INDEXES, header.numbers(_DIR_INDEXES), len(bases))
        if indexes and max(indexes) >= len(directories):
            raise RefusedPackageError(name, "a file of it is in a directory that is not listed")
        for directory in directories:
            _refuse_odd(name, directory.removesuffix("/"))
        if any("/" in base or base in (".", "..") for base in bases):
            _refuse_bases(name, bases)
        # A long directory may be in the header once, and in the path of every file.
        length = sum(len(directories[i]) for i in indexes) + sum(map(len, bases))
        _refuse_many(name, len(bases), length)
        paths = [directories[i] + base for i, base in zip(indexes, bases, strict=True)]
    for path in paths if _OLD_NAMES in header else ():
        _refuse_odd(name, path)
    if len(set(paths)) != len(paths):
        twice = Counter(paths).most_common(1)[0][0]
        raise RefusedPackageError(name, f"it lists {twice} twice")
    return [path.removesuffix("/") or "/" for path in paths]


def _refuse_many(name: str, files: int, length: int) -> None:
    if files > PACKAGE_FILES:
        raise RefusedPackageError(name, f"it has {files} files, more than {PACKAGE_FILES}")
    if length > PACKAGE_PATHS:
        raise RefusedPackageError(name, f"the paths of its files have {length} characters")


def _refuse_bases(name: str, bases: Sequence[str]) -> None:
    odd = next(base for base in bases if "/" in base or base in (".", ".."))
    raise RefusedPackageError(name, f"it has a file that is named {odd!r}")


def _refuse_odd(name: str, path: str) -> None:
    """Refuse a path that is not absolute and normalised: no file may be outside the image."""
    if path == "":
        return
    parts = path.split("/")
    if parts[0] != "" or any(part in ("", ".", "..") for part in parts[1:]):
        raise RefusedPackageError(
            name, f"it has a file at {path!r}, which is not absolute and normalised"
        )


def _hard_links(
    modes: Sequence[int], flags: Sequence[int], inodes: Sequence[int], devices: Sequence[int]
) -> list[int]:
    """Return a number above 0 for each file that shares its inode with another one, else 0."""
    files_by_inode: dict[tuple[int, int], list[int]] = {}
    for index, (mode, flag, inode) in enumerate(zip(modes, flags, inodes, strict=True)):
        if inode and stat.S_ISREG(mode) and not flag & GHOST:
            files_by_inode.setdefault((devices[index], inode), []).append(index)
    numbers = [0] * len(modes)
    groups = (group for group in files_by_inode.values() if len(group) > 1)
    for number, group in enumerate(groups, 1):
        for index in group:
            numbers[index] = number
    return numbers


def _sysusers(header: Header) -> tuple[Sysuser, ...]:
    """Return the users in `user(x) = BASE64` and similar provides of rpm 4.19 and newer."""
    import base64
    import binascii

    names, versions = header.texts(_PROVIDES), header.texts(_PROVIDE_VERSIONS)
    users = []
    for name, version in zip(names, versions, strict=False):
        if version and name.startswith(("user(", "group(", "groupmember(")):
            try:
                line = base64.b64decode(version, validate=True).decode()
            except (binascii.Error, ValueError):
                continue  # an ordinary version
            users.append(Sysuser(name, line.strip("\0\n ")))
    return tuple(users)


def _to_json(listing: Listing) -> dict[str, object]:
    return {
        "columns": list(zip(*listing.files, strict=True)),
        "sysusers": listing.sysusers,
        "privileged": listing.privileged,
        **{name: getattr(listing, name) for name in _SIMPLE},
    }


_SIMPLE = (
    "name",
    "header",
    "header_end",
    "built",
    "digest_algorithm",
    "compressor",
    "license",
    "url",
    "vendor",
    "summary",
)


def _from_json(data: Mapping[str, Any]) -> Listing:
    return Listing(
        files=tuple(map(FileEntry._make, zip(*data["columns"], strict=True))),
        sysusers=tuple(Sysuser(*fields) for fields in data["sysusers"]),
        privileged=tuple(data["privileged"]),
        **{name: data[name] for name in _SIMPLE},
    )
