"""Files that maintainer scripts would have made, and dependencies that ELF files do not show."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bot.demo.distribution.unpack import Entry, EntryKind, Unpacked


@dataclass(frozen=True, slots=True)
class Own:
    """Dependencies written by hand.

    `requires` and `provides` stand in the place of Debian's, the others beside them.
    """

    requires: tuple[str, ...] | None = None
    provides: tuple[str, ...] | None = None
    more_requires: tuple[str, ...] = ()
    more_provides: tuple[str, ...] = ()


NONE = Own()
DEPENDENCIES = {
    # The loader's capability is made up by rpm; and a system needs its links before its libc.
    "libc6": Own(more_requires=("filesystem", "libc-bin"), more_provides=("rtld(GNU_HASH)",)),
    "base-files": Own(more_requires=("filesystem",)),
    "dash": Own(more_provides=("/bin/sh",)),
    "bash": Own(more_provides=("/bin/bash",)),
    # As the demo's own spec file has it: published and built packages are of one kind.
    "nginx": Own(requires=("nginx-common = {evr}",), provides=("httpd", "httpd-cgi")),
    "nginx-common": Own(requires=()),
}

# Links that update-alternatives or a script makes. gawk is `gawk` alone: two packages of one
# distribution cannot both own /usr/bin/awk, and images may hold both.
LINKS = {
    "mawk": {"usr/bin/awk": "mawk", "usr/bin/nawk": "mawk"},
    "gcc": {"usr/bin/cc": "gcc", "usr/bin/c89": "c89-gcc", "usr/bin/c99": "c99-gcc"},
}
# Files that scripts copy from elsewhere in the same package: (from, to, is configuration).
COPIES = {
    "base-files": (("usr/share/base-files/profile", "etc/profile"),),
    "libc-bin": (("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf"),),
}


def apply(unpacked: Unpacked) -> Unpacked:
    """The package with what its scripts would have made beside its files."""
    name = unpacked.fields["Package"]
    made: list[Entry] = []
    for path, target in LINKS.get(name, {}).items():
        place = unpacked.tree / path
        if not place.is_symlink():
            place.symlink_to(target)
            made.append(Entry(f"/{path}", "link", 0o777))
    for source, path in COPIES.get(name, ()):
        made.append(_write(unpacked, path, (unpacked.tree / source).read_bytes()))
    maker = _MADE.get(name)
    if maker is not None:
        made += maker(unpacked)
    if not made:
        return unpacked
    entries = {entry.path: entry for entry in (*unpacked.entries, *made)}
    copied = {f"/{path}" for _, path in COPIES.get(name, ())}
    return replace(
        unpacked,
        entries=tuple(entries[path] for path in sorted(entries)),
        config_files=unpacked.config_files | copied,
    )


def _write(unpacked: Unpacked, path: str, content: bytes, kind: EntryKind = "file") -> Entry:
    place = unpacked.tree / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    os.utime(place, (unpacked.time, unpacked.time))
    return Entry(f"/{path}", kind, 0o644)


def _certificates(unpacked: Unpacked) -> list[Entry]:
    """The bundle that update-ca-certificates makes, all authorities in the order of their names."""
    directory = unpacked.tree / "usr/share/ca-certificates"
    bundle = b"".join(
        certificate.read_bytes().rstrip(b"\n") + b"\n"
        for certificate in sorted(Path(directory).rglob("*.crt"))
    )
    return [_write(unpacked, "etc/ssl/certs/ca-certificates.crt", bundle)]


_MADE: dict[str, Callable[[Unpacked], list[Entry]]] = {"ca-certificates": _certificates}
