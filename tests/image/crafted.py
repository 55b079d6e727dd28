"""RPM files written byte by byte: what no rpmbuild would make."""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from bot.model.nevra import Nevra
from bot.model.package import Location, Package

_INT16, _INT32, _INT64, _STRING, _BINARY, _STRINGS = 3, 4, 5, 6, 7, 8


@dataclass
class File:
    """One file: what the header says of it, and what the payload has."""

    path: str
    content: bytes = b""
    mode: int = 0o100644
    link: str = ""
    user: str = "root"
    group: str = "root"
    flags: int = 0
    lang: str = ""
    caps: str = ""
    inode: int = 0
    mtime: int = 1_000_000_000
    # Where header and payload disagree.
    said_size: int | None = None
    said_digest: str | None = None
    payload_name: str | None = None
    in_payload: bool = True

    @property
    def data(self) -> bytes:
        return self.link.encode() if stat.S_ISLNK(self.mode) else self.content


def header(tags: dict[int, tuple[int, object]]) -> bytes:
    index, data = b"", b""
    for tag in sorted(tags):
        kind, value = tags[tag]
        if kind == _STRING:
            assert isinstance(value, str)
            encoded, count = value.encode("utf-8", "surrogateescape") + b"\0", 1
        elif kind == _BINARY:
            assert isinstance(value, bytes)
            encoded, count = value, len(value)
        elif kind == _STRINGS:
            texts = [str(one) for one in value]  # type: ignore[attr-defined]
            encoded = b"".join(one.encode("utf-8", "surrogateescape") + b"\0" for one in texts)
            count = len(texts)
        else:
            letter, width = {_INT16: ("H", 2), _INT32: ("I", 4), _INT64: ("Q", 8)}[kind]
            numbers = list(value)  # type: ignore[call-overload]
            data += bytes(-len(data) % width)
            encoded, count = struct.pack(f">{len(numbers)}{letter}", *numbers), len(numbers)
        index += struct.pack(">IIiI", tag, kind, len(data), count)
        data += encoded
    return b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(tags), len(data)) + index + data


def cpio(files: Sequence[File], *, extra: bytes = b"", trailer: bool = True) -> bytes:
    out = b""
    for number, file in enumerate(files, 1):
        if not file.in_payload:
            continue
        name = file.payload_name if file.payload_name is not None else "." + file.path
        out = _cpio_entry(out, name, file.mode, file.inode or number, file.data)
    if trailer:
        out = _cpio_entry(out, "TRAILER!!!", 0, 0, b"")
    return out + extra


def _cpio_entry(out: bytes, name: str, mode: int, inode: int, data: bytes) -> bytes:
    raw = name.encode("utf-8", "surrogateescape") + b"\0"
    fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0]
    out += b"070701" + b"".join(b"%08x" % one for one in fields) + raw
    out += bytes(-len(out) % 4)
    out += data
    return out + bytes(-len(out) % 4)


def write_rpm(
    path: Path,
    files: Sequence[File],
    *,
    name: str = "crafted",
    payload: bytes | None = None,
    provides: Sequence[tuple[str, str]] = (),
    more: dict[int, tuple[int, object]] | None = None,
    signed: Callable[[bytes], bytes] | None = None,
    encoded: bool = False,
) -> Package:
    """An RPM file at `path`, as a package with a `file://` location."""
    directories = sorted({file.path.rpartition("/")[0] + "/" for file in files})
    tags: dict[int, tuple[int, object]] = {
        1000: (_STRING, name),
        1001: (_STRING, "1"),
        1002: (_STRING, "1"),
        1004: (_STRING, "Crafted"),
        1006: (_INT32, [1_500_000_000]),
        1014: (_STRING, "MIT"),
        1021: (_STRING, "linux"),
        1022: (_STRING, "noarch"),
        1044: (_STRING, f"{name}-1-1.src.rpm"),
        1047: (_STRINGS, [name, *(p for p, _ in provides)]),
        1112: (_INT32, [8] * (1 + len(provides))),
        1113: (_STRINGS, ["1-1", *(v for _, v in provides)]),
        1124: (_STRING, "cpio"),
        1125: (_STRING, "zstd"),
    }
    if files:
        tags |= {
            1028: (
                _INT32,
                [len(f.data) if f.said_size is None else f.said_size for f in files],
            ),
            1030: (_INT16, [f.mode for f in files]),
            1033: (_INT16, [0] * len(files)),
            1034: (_INT32, [f.mtime for f in files]),
            1035: (_STRINGS, [_digest(f) for f in files]),
            1036: (_STRINGS, [f.link for f in files]),
            1037: (_INT32, [f.flags for f in files]),
            1039: (_STRINGS, [f.user for f in files]),
            1040: (_STRINGS, [f.group for f in files]),
            1095: (_INT32, [1] * len(files)),
            1096: (_INT32, [f.inode or number for number, f in enumerate(files, 1)]),
            1097: (_STRINGS, [f.lang for f in files]),
            1116: (
                _INT32,
                [directories.index(f.path.rpartition("/")[0] + "/") for f in files],
            ),
            1117: (_STRINGS, [f.path.rpartition("/")[2] for f in files]),
            1118: (_STRINGS, directories),
            5010: (_STRINGS, [f.caps for f in files]),
            5011: (_INT32, [8]),
        }
    tags |= more or {}
    # Signature type 5, a header: rpm before 4.20 looks at it.
    lead = b"\xed\xab\xee\xdb\x03\x00" + bytes(72) + b"\x00\x05" + bytes(16)
    main = header(tags)
    signatures: dict[int, tuple[int, object]] = {1000: (_INT32, [1])}
    if signed is not None and encoded:
        signatures[278] = (_STRINGS, [base64.b64encode(signed(main)).decode()])
    elif signed is not None:
        signatures[268] = (_BINARY, signed(main))
    signature = header(signatures)
    start = len(lead) + len(signature) + -len(signature) % 8
    beginning = lead + signature + bytes(-len(signature) % 8) + main
    archive = cpio(files) if payload is None else payload
    content = beginning + zstandard.ZstdCompressor().compress(archive)
    path.write_bytes(content)
    return Package(
        nevra=Nevra(name, 0, "1", "1", "noarch"),
        source=name,
        repository="crafted",
        installed_size=sum(len(f.data) for f in files),
        download_size=len(content),
        location=Location(
            path.as_uri(),
            "sha256",
            hashlib.sha256(content).hexdigest(),
            len(content),
            start,
            len(beginning),
        ),
    )


def _digest(file: File) -> str:
    if file.said_digest is not None:
        return file.said_digest
    return hashlib.sha256(file.content).hexdigest() if stat.S_ISREG(file.mode) else ""


@dataclass
class Directory(File):
    """A directory that a package owns."""

    mode: int = field(default=0o040755)


@dataclass
class Link(File):
    """A symbolic link."""

    mode: int = field(default=0o120777)
