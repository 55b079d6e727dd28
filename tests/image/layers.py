"""Layers and directories as plain values, to be compared."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bot.distro.cache import Cache
from bot.image.layer import Layer, archive, compose_layer
from bot.model.package import Package


class Seen(NamedTuple):
    """A file of a layer or of a disk; of hard links only the content is compared."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    content: str
    mtime: int
    capability: bytes


def compose(packages: Iterable[Package], cache: Cache, **options: object) -> Layer:
    """Return a layer, by default without rpm's database."""
    options.setdefault("database", False)
    return compose_layer(packages, cache, **options)  # type: ignore[arg-type]


def archive_bytes(layer: Layer) -> bytes:
    return b"".join(archive(layer))


def seen_in_layer(layer: Layer) -> dict[str, Seen]:
    """Every entry of a layer by its path (`` is the root); fails where a path comes twice."""
    found: dict[str, Seen] = {}
    with tarfile.open(fileobj=io.BytesIO(archive_bytes(layer))) as tar:
        for member in tar:
            path = "" if member.name == "." else member.name.removeprefix("./").rstrip("/")
            assert path not in found, f"{path} comes twice"
            if member.islnk():
                found[path] = found[member.linkname]
                continue
            content = ""
            if member.isreg():
                stream = tar.extractfile(member)
                assert stream is not None
                content = hashlib.sha256(stream.read()).hexdigest()
            elif member.issym():
                content = member.linkname
            capability = member.pax_headers.get("SCHILY.xattr.security.capability", "")
            found[path] = Seen(
                "f"
                if member.isreg()
                else "d"
                if member.isdir()
                else "l"
                if member.issym()
                else "p",
                0 if member.issym() else member.mode,
                member.uid,
                member.gid,
                member.size,
                content,
                0 if member.isdir() else int(member.mtime),
                capability.encode("utf-8", "surrogateescape"),
            )
    return found


def seen_on_disk(root: Path) -> dict[str, Seen]:
    """The same of a directory."""
    found = {"": _seen(root)}
    for directory, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(directory) / name
            found[str(path.relative_to(root))] = _seen(path)
    return found


def _seen(path: Path) -> Seen:
    state = path.lstat()
    mode = state.st_mode
    kind = "d" if stat.S_ISDIR(mode) else "l" if stat.S_ISLNK(mode) else "f"
    kind = "p" if stat.S_ISFIFO(mode) else kind
    content, capability = "", b""
    if kind == "f":
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        if "security.capability" in os.listxattr(path):
            capability = os.getxattr(path, "security.capability")
    elif kind == "l":
        content = str(path.readlink())
    return Seen(
        kind,
        0 if kind == "l" else stat.S_IMODE(mode),
        state.st_uid,
        state.st_gid,
        state.st_size if kind == "f" else 0,
        content,
        0 if kind == "d" else int(state.st_mtime),
        capability,
    )
