"""Tar entries: what others read is what was meant, and sizes are known beforehand."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
