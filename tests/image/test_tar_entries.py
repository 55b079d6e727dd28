"""Tar entries: what others read is what was meant, sizes are known before; file capabilities."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.image.fragment import capability_attribute
from bot.image.tarformat import END, TarEntry, entry_header, padding

_names = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=90
).filter(lambda name: name not in (".", ".."))


@given(
    parts=st.lists(_names, min_size=1, max_size=8),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**31),
    gid=st.integers(0, 2**31),
    mtime=st.integers(0, 2**32 - 1),
    content=st.binary(max_size=1500),
)
def test_what_is_written_is_read(
    parts: list[str], mode: int, uid: int, gid: int, mtime: int, content: bytes
) -> None:
    path = "/".join(parts)
    entry = TarEntry(path, 0o100000 | mode, uid, gid, len(content), mtime)
    written = entry_header(entry) + content + padding(len(content))
    with tarfile.open(fileobj=io.BytesIO(written + END)) as tar:
        (member,) = tar.getmembers()
        stream = tar.extractfile(member)
        assert stream is not None
        assert stream.read() == content
    assert (member.name, member.mode, member.uid, member.gid) == (path, mode, uid, gid)
    assert member.mtime == mtime


@pytest.mark.parametrize("target", ["a", "x" * 100, "x" * 101, "/ü/" + "x" * 300])
@pytest.mark.parametrize("hard", [True, False])
def test_links_keep_their_targets(target: str, hard: bool) -> None:
    entry = TarEntry("l", 0o100644 if hard else 0o120777, size=7, link=target, hard=hard)
    written = entry_header(entry)
    with tarfile.open(fileobj=io.BytesIO(written + END)) as tar:
        (member,) = tar.getmembers()
    assert member.linkname == target
    assert (member.islnk(), member.issym(), member.size) == (hard, not hard, 0)


def test_a_file_larger_than_eight_gigabytes_has_its_size_in_a_pax_record() -> None:
    entry = TarEntry("large", 0o100644, size=9_000_000_000)
    assert b"19 size=9000000000\n" in entry_header(entry)


def test_a_name_that_is_no_utf_8_keeps_its_bytes() -> None:
    name = b"latin-\xe4".decode("utf-8", "surrogateescape")
    assert b"path=latin-\xe4\n" in entry_header(TarEntry(name, 0o100644))


TEXTS = [
    "cap_net_raw=ep",
    "cap_net_raw+ep",
    "cap_net_bind_service,cap_net_raw=ep",
    "cap_setuid=ep cap_setgid+ep",
    "cap_checkpoint_restore=eip",
    "all=p",
    "=ep",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_attribute_is_the_one_that_setcap_writes(text: str, tmp_path: Path) -> None:
    setcap = shutil.which("setcap", path="/usr/sbin:/sbin:/usr/bin")
    if setcap is None or os.geteuid() != 0:
        pytest.skip("setcap needs to be there, and root")
    file = tmp_path / "program"
    file.write_bytes(b"x")
    done = subprocess.run([setcap, text, str(file)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"setcap cannot say this here: {done.stderr}")
    assert capability_attribute(text) == os.getxattr(file, "security.capability")


def test_net_raw_is_the_thirteenth_bit_effective_and_permitted() -> None:
    # linux/capability.h: revision 2, effective; permitted, inheritable, low words first.
    expected = "01000002" + "00200000" + "00000000" * 3
    value = capability_attribute("cap_net_raw=ep")
    assert value is not None
    assert value.hex() == expected


@pytest.mark.parametrize(
    "text", ["", "=", "cap_net_raw=", "cap_net_raw=e", "cap_chown=p cap_chown-p"]
)
def test_what_grants_nothing_is_no_attribute(text: str) -> None:
    assert capability_attribute(text) is None


@pytest.mark.parametrize("text", ["net_raw", "cap_wool=ep", "cap_net_raw=x", "=ep;", "cap_99=ep"])
def test_what_is_no_capability_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not capabilities"):
        capability_attribute(text)
