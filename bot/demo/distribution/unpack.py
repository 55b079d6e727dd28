"""A Debian package as a tree of files for rpm, with files that its scripts would have made.

/usr is merged; links and modes are preserved.
"""

from __future__ import annotations

import io
import os
import posixpath
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from debian.deb822 import Deb822

from bot.errors import SurroundingsError

MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
# Files that only Debian's tools read.
LEFT_OUT = ("usr/share/lintian/", "usr/share/menu/")
ELF_MAGIC = b"\x7fELF"

EntryKind = Literal["file", "directory", "link"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An absolute path of a package, with its mode and owners."""

    path: str
    kind: EntryKind
    mode: int
    user: str = "root"
    group: str = "root"
    elf: bool = False


@dataclass(frozen=True, slots=True)
class UnpackedPackage:
    """An unpacked Debian package: control fields, tree, and entries. `time` is the newest
    modification time of its files, in seconds since 1970."""

    fields: Mapping[str, str]
    tree: Path
    entries: tuple[Entry, ...]
    config_files: frozenset[str]
    time: int


def merged_path(path: str) -> str:
    """The path of a file after the merge of /bin, /lib... into /usr.

    `path` may be absolute or relative to the root; the result is relative to it, without `./`.
    """
    clean = posixpath.normpath("/" + path).lstrip("/")
    first = clean.split("/", 1)[0]
    return f"usr/{clean}" if first in MERGED else clean


def merged_target(link: str, target: str) -> str:
    """The target of a symbolic link at `link` (its path in the package) after the merge.

    An absolute target moves with the merge. A relative one is resolved from the old path and made
    relative to the new one, if the link or its target moved.
    """
    if target.startswith("/"):
        return "/" + merged_path(target)
    old_place = posixpath.normpath("/" + link)
    old_target = posixpath.normpath(posixpath.join(posixpath.dirname(old_place), target))
    new_place, new_target = "/" + merged_path(old_place), "/" + merged_path(old_target)
    if (new_place, new_target) == (old_place, old_target):
        return target
    return posixpath.relpath(new_target, posixpath.dirname(new_place))


def unpack(deb: Path, tree: Path) -> UnpackedPackage:
    """Unpack a `.deb` into `tree`, which is created."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    fields, config_files = _control(deb)
    entries: dict[str, Entry] = {}
    newest = 0
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    entry = _place(archive, member, tree)
                    if entry is not None:
                        entries[entry.path] = entry
                        newest = max(newest, int(member.mtime))
        except tarfile.TarError as error:
            raise SurroundingsError(f"{deb.name} cannot be unpacked: {error}") from error
        process.stdout.read()
        complaint = process.stderr.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise SurroundingsError(f"{deb.name} cannot be unpacked: {complaint}")
    return UnpackedPackage(
        fields=fields,
        tree=tree,
        entries=tuple(entries[path] for path in sorted(entries)),
        config_files=config_files,
        time=newest,
    )


def _control(deb: Path) -> tuple[dict[str, str], frozenset[str]]:
    control = subprocess.run(
        ["dpkg-deb", "--ctrl-tarfile", str(deb)], capture_output=True, check=False
    )
    if control.returncode != 0:
        complaint = control.stderr.decode(errors="replace").strip()
        raise SurroundingsError(f"{deb.name} is not a Debian package: {complaint}")
    members: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(control.stdout)) as archive:
        for name in ("control", "conffiles"):
            for member in archive.getmembers():
                if posixpath.normpath(member.name) == name:
                    content = archive.extractfile(member)
                    assert content is not None
                    members[name] = content.read().decode("utf-8")
    paths = (line.split()[-1] for line in members.get("conffiles", "").splitlines() if line.strip())
    fields = {str(key): str(value) for key, value in Deb822(members["control"]).items()}
    return fields, frozenset("/" + merged_path(path) for path in paths)


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, tree: Path) -> Entry | None:
    """Write one member below `tree`; None if it is the `filesystem` package's or is left out."""
    path = merged_path(member.name)
    if posixpath.normpath(member.name).lstrip("./") in MERGED:
        return None  # a merged directory, or (Debian 13) its link
    if not path or path.startswith(LEFT_OUT) or path + "/" in LEFT_OUT:
        return None
    place = tree / path
    mode = member.mode & 0o7777
    kind: EntryKind
    elf = False
    place.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        place.mkdir(exist_ok=True)
        kind = "directory"
    elif member.issym():
        place.symlink_to(merged_target(member.name, member.linkname))
        kind, mode = "link", 0o777
    elif member.islnk():
        target = tree / merged_path(member.linkname)
        place.hardlink_to(target)
        kind, elf = "file", _is_elf(target)
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        with place.open("xb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
        kind, elf = "file", _is_elf(place)
    else:
        return None
    if elf:
        mode |= 0o111  # as in RPM distributions: rpm scans only executables
    if kind == "file" and not member.islnk():
        place.chmod(mode | 0o600)  # %files has the package's mode; rpm must read the file
        os.utime(place, (member.mtime, member.mtime))
    return Entry("/" + path, kind, mode, member.uname or "root", member.gname or "root", elf)


def _is_elf(path: Path) -> bool:
    """Return whether a file is a program or a shared library (ET_EXEC, ET_DYN in elf(5))."""
    with path.open("rb") as file:
        head = file.read(18)
    if len(head) < 18 or not head.startswith(ELF_MAGIC):
        return False
    return int.from_bytes(head[16:18], "little" if head[5] == 1 else "big") in (2, 3)


@dataclass(frozen=True, slots=True)
class OwnDependencies:
    """Dependencies of a package that are not Debian's.

    `requires` and `provides` replace Debian's; the others are added.
    """

    requires: tuple[str, ...] | None = None
    provides: tuple[str, ...] | None = None
    extra_requires: tuple[str, ...] = ()
    extra_provides: tuple[str, ...] = ()


NONE = OwnDependencies()
DEPENDENCIES = {
    # rpm invents the loader's capability; and the merged links must be installed before libc.
    "libc6": OwnDependencies(
        extra_requires=("filesystem", "libc-bin"), extra_provides=("rtld(GNU_HASH)",)
    ),
    "base-files": OwnDependencies(extra_requires=("filesystem",)),
    "dash": OwnDependencies(extra_provides=("/bin/sh",)),
    "bash": OwnDependencies(extra_provides=("/bin/bash",)),
    # As in the demo's spec file, so that published and built packages are alike.
    "nginx": OwnDependencies(requires=("nginx-common = {evr}",), provides=("httpd", "httpd-cgi")),
    "nginx-common": OwnDependencies(requires=()),
}

# Links that update-alternatives or a script makes. gawk has no link `awk`: two packages cannot both
# own /usr/bin/awk, and images may have both.
LINKS = {
    "mawk": {"usr/bin/awk": "mawk", "usr/bin/nawk": "mawk"},
    "gcc": {"usr/bin/cc": "gcc", "usr/bin/c89": "c89-gcc", "usr/bin/c99": "c99-gcc"},
}
# Files that scripts copy from elsewhere in the same package: (from, to, is configuration).
COPIES = {
    "base-files": (("usr/share/base-files/profile", "etc/profile"),),
    "libc-bin": (("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf"),),
}


def with_generated_files(unpacked: UnpackedPackage) -> UnpackedPackage:
    """The package with the files that its scripts would have made."""
    name = unpacked.fields["Package"]
    new_entries: list[Entry] = []
    for path, target in LINKS.get(name, {}).items():
        place = unpacked.tree / path
        if not place.is_symlink():
            place.symlink_to(target)
            new_entries.append(Entry(f"/{path}", "link", 0o777))
    for source, path in COPIES.get(name, ()):
        new_entries.append(_write(unpacked, path, (unpacked.tree / source).read_bytes()))
    generator = _GENERATORS.get(name)
    if generator is not None:
        new_entries += generator(unpacked)
    if not new_entries:
        return unpacked
    entries = {entry.path: entry for entry in (*unpacked.entries, *new_entries)}
    configuration = {f"/{path}" for _, path in COPIES.get(name, ())}
    return replace(
        unpacked,
        entries=tuple(entries[path] for path in sorted(entries)),
        config_files=unpacked.config_files | configuration,
    )


def _write(unpacked: UnpackedPackage, path: str, content: bytes, kind: EntryKind = "file") -> Entry:
    place = unpacked.tree / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    os.utime(place, (unpacked.time, unpacked.time))
    return Entry(f"/{path}", kind, 0o644)


def _certificates(unpacked: UnpackedPackage) -> list[Entry]:
    """The certificate bundle of update-ca-certificates: all authorities, sorted by name."""
    directory = unpacked.tree / "usr/share/ca-certificates"
    bundle = b"".join(
        certificate.read_bytes().rstrip(b"\n") + b"\n"
        for certificate in sorted(Path(directory).rglob("*.crt"))
    )
    return [_write(unpacked, "etc/ssl/certs/ca-certificates.crt", bundle)]


_GENERATORS: dict[str, Callable[[UnpackedPackage], list[Entry]]] = {
    "ca-certificates": _certificates
}
