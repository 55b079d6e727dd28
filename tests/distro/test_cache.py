"""The cache: whole files or none, one at a time."""

from __future__ import annotations

import pytest

from bot.distro.cache import Cache
from bot.errors import SurroundingsError


def test_a_file_that_fails_half_way_does_not_appear(cache):
    path = cache.root / "x" / "file"
    with pytest.raises(ValueError), cache.replacing(path) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert list(path.parent.iterdir()) == []
    cache.write(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_content_has_an_address(cache):
    assert cache.addressed("k", "abcd") == cache.root / "k" / "ab" / "abcd"
    assert cache.addressed("k", "abcd", "x.rpm").name == "abcd-x.rpm"


def test_a_place_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    for use in (
        lambda: cache.directory("x"),
        lambda: cache.write(cache.root / "y", b""),
        lambda: cache.lock("z").__enter__(),
    ):
        with pytest.raises(SurroundingsError, match="--cache"):
            use()
