"""A `.deb` as a tree for rpm: merged /usr, links, modes, configuration."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from bot.demo.distribution.unpack import Entry, merged_path, merged_target, unpack
from bot.errors import SurroundingsError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("./bin/dash", "usr/bin/dash"),
        ("./lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("./lib64/ld64.so.2", "usr/lib64/ld64.so.2"),
        ("./usr/lib/os-release", "usr/lib/os-release"),
        ("./etc/profile", "etc/profile"),
        ("./libexec/x", "libexec/x"),
        ("./", ""),
    ],
)
def test_top_level_directories_move_into_usr(path: str, expected: str) -> None:
    assert merged_path(path) == expected


@pytest.mark.parametrize(
    ("link", "target", "expected"),
    [
        # Nothing moves: left as it is.
        ("./usr/share/man/man1/sh.1.gz", "dash.1.gz", "dash.1.gz"),
        # The link and its target move together.
        ("./bin/sh", "dash", "dash"),
        # The link moves, its target was in /usr already: from /usr/lib/x that is one step.
        ("./lib/x/liba.so", "../../usr/lib/x/liba.so.1", "liba.so.1"),
        # The link stays, its target moves.
        ("./usr/lib/x/libz.so", "../../../lib/x/libz.so.1", "libz.so.1"),
        # Absolute targets move.
        ("./usr/bin/ld.so", "/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2"),
        ("./etc/alternatives/x", "/usr/bin/y", "/usr/bin/y"),
    ],
)
def test_links_point_to_where_their_target_is_after_the_merge(
    link: str, target: str, expected: str
) -> None:
    assert merged_target(link, target) == expected


def test_a_package_is_unpacked_with_modes_owners_and_configuration(tmp_path: Path) -> None:
    deb = _deb(
        tmp_path,
        control="Package: small\nVersion: 1-1\nArchitecture: all\nDescription: small\n",
        conffiles="/etc/small.conf\n",
        members=[
            ("./", None, 0o755, "root"),
            ("./etc/", None, 0o755, "root"),
            ("./etc/small.conf", b"x\n", 0o640, "adm"),
            ("./sbin/", None, 0o755, "root"),
            ("./lib", None, 0o755, "root"),
            ("./sbin/small", b"\x7fELF\2\1" + bytes(10) + b"\3\0", 0o644, "root"),
            ("./usr/share/lintian/overrides/small", b"", 0o644, "root"),
        ],
    )
    unpacked = unpack(deb, tmp_path / "tree")
    assert unpacked.fields["Package"] == "small"
    assert unpacked.config_files == {"/etc/small.conf"}
    assert unpacked.time == 1_600_000_000
    assert unpacked.entries == (
        Entry("/etc", "directory", 0o755),
        Entry("/etc/small.conf", "file", 0o640, group="adm"),
        Entry("/usr/sbin/small", "file", 0o755, elf=True),
    )
    assert (tmp_path / "tree/etc/small.conf").stat().st_mtime == 1_600_000_000


def test_something_else_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.deb"
    broken.write_bytes(b"not an archive")
    with pytest.raises(SurroundingsError, match=r"broken\.deb"):
        unpack(broken, tmp_path / "tree")


def _deb(
    directory: Path,
    control: str,
    conffiles: str,
    members: list[tuple[str, bytes | None, int, str]],
) -> Path:
    """A Debian package: an `ar` archive of the format's number, control and data."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not on this machine")
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar": _tar(
            [
                ("./control", control.encode(), 0o644, "root"),
                ("./conffiles", conffiles.encode(), 0o644, "root"),
            ]
        ),
        "data.tar": _tar(members),
    }
    deb = directory / "small.deb"
    with deb.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in parts.items():
            head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
            file.write(head.encode() + content + b"\n" * (len(content) % 2))
    return deb


def _tar(members: list[tuple[str, bytes | None, int, str]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content, mode, group in members:
            member = tarfile.TarInfo(name)
            member.mode, member.mtime = mode, 1_600_000_000
            member.uname, member.gname = "root", group
            if content is None:
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content or b""))
    return out.getvalue()
