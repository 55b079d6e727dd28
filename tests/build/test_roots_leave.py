"""Roots that nobody used leave the cache; one that somebody uses stays."""

import os
from pathlib import Path

import pytest

from bot.build.buildroot import sweep_roots
from bot.distro.cache import Cache
from bot.locks import locked

NOW = 10_000_000.0
DAY = 86_400.0


def root(cache: Cache, kind: str, key: str, days: float) -> Path:
    directory = cache.directory(kind) / key
    (directory / "root" / "etc").mkdir(parents=True)
    (directory / "made").write_text("2 packages\n")
    os.utime(directory, (NOW - days * DAY, NOW - days * DAY))
    return directory


def test_roots_of_both_kinds_leave_by_age_but_those_in_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    old = [root(cache, "buildroots", "a" * 64, 31), root(cache, "rpm-roots", "b" * 64, 31)]
    used = root(cache, "buildroots", "c" * 64, 31)
    young = root(cache, "buildroots", "d" * 64, 29)
    with locked(cache.lock_file(f"buildroots-{'c' * 40}"), shared=True):
        assert sweep_roots(cache, NOW - 30 * DAY, 10**9, NOW).removed == 2
    assert [path.exists() for path in (*old, used, young)] == [False, False, True, True]
    assert sweep_roots(cache, NOW - 30 * DAY, 10**9, NOW).removed == 1
    assert not used.exists()


def test_roots_leave_by_size_and_not_those_of_the_last_hour(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first = root(cache, "buildroots", "a" * 64, 2)
    just_now = root(cache, "rpm-roots", "b" * 64, 0)
    assert sweep_roots(cache, NOW - 30 * DAY, 1, NOW).removed == 1
    assert (first.exists(), just_now.exists()) == (False, True)


def test_roots_leave_by_half_of_the_cache_s_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    first, second = (root(cache, "buildroots", letter * 64, 2) for letter in "ab")
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "1")
    assert sweep_roots(cache, NOW - 30 * DAY, 10**9, NOW).removed == 2
    assert not first.exists() and not second.exists()
