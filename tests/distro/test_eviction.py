"""The cache's size: the longest unused goes first, and never what a run is using."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.distro.cache import Cache, evict, in_use, limit_wanted, tidy
from bot.errors import UsageError

NOW = 1_000_000.0
HOUR = 3600.0


def put(cache: Cache, name: str, age: float, size: int = 100, kind: str = "packages") -> Path:
    path = cache.addressed(kind, f"{name:a<8}", "file")
    cache.write(path, b"x" * size)
    os.utime(path, (NOW - age, NOW - age))
    return path


def test_the_longest_unused_goes_until_the_rest_fits(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    old, middle, new = (put(cache, n, a * HOUR) for n, a in (("b", 30), ("c", 20), ("d", 10)))
    done = evict(cache, 250, now=lambda: NOW)
    assert (done.removed, done.remaining) == (100, 200)
    assert (old.exists(), middle.exists(), new.exists()) == (False, True, True)


def test_what_fits_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    put(cache, "b", 30 * HOUR)
    assert evict(cache, 100, now=lambda: NOW).removed == 0


def test_what_was_used_within_the_grace_stays_even_beyond_the_limit(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = put(cache, "b", 60)
    assert evict(cache, 0, now=lambda: NOW).removed == 0
    assert path.exists()


def test_files_of_one_content_go_together(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    paths = []
    for name, age in (("json", 10 * HOUR), ("gz", 90 * HOUR), ("zst", 90 * HOUR)):
        path = cache.addressed("fragments", "abcdef", name)
        cache.write(path, b"x" * 10)
        os.utime(path, (NOW - age, NOW - age))
        paths.append(path)
    other = put(cache, "e", 20 * HOUR, size=10)
    # The record was used later than the other file: its whole content is the younger.
    assert evict(cache, 30, now=lambda: NOW).removed == 10
    assert not other.exists()
    assert evict(cache, 29, now=lambda: NOW).removed == 30
    assert [path.exists() for path in paths] == [False] * 3


def test_what_a_run_used_since_it_began_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    unused = put(cache, "b", 0)
    used = put(cache, "c", 0)
    long_ago = time.time() - 9 * HOUR
    for path in (unused, used):
        os.utime(path, (long_ago, long_ago))
    with in_use(cache):
        os.utime(used)
        evict(cache, 0, grace=0, now=lambda: time.time() + HOUR)
        assert (unused.exists(), used.exists()) == (False, True)
    evict(cache, 0, grace=0, now=lambda: time.time() + HOUR)
    assert not used.exists()


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    script = (
        "import sys, time; from pathlib import Path\n"
        "from bot.distro.cache import Cache; from bot.distro.cache import in_use\n"
        "with in_use(Cache(Path(sys.argv[1]))): print('in', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    path = put(cache, "b", 0)
    os.utime(path)
    evict(cache, 0, grace=0, now=lambda: time.time() + HOUR)
    assert path.exists()
    process.kill()
    process.wait()
    process.stdout.close()
    evict(cache, 0, grace=0, now=lambda: time.time() + HOUR)
    assert not path.exists()
    assert list((tmp_path / "runs").iterdir()) == []


def test_other_kinds_are_left_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = put(cache, "b", 90 * HOUR, kind="builds")
    evict(cache, 0, now=lambda: NOW)
    assert path.exists()


@pytest.mark.parametrize(("text", "limit"), [("", 20_000_000_000), ("5 GB", 5_000_000_000)])
def test_the_limit_is_said_as_a_size(
    text: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", text)
    assert limit_wanted() == limit


def test_a_limit_that_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "much")
    with pytest.raises(UsageError, match="MINIMIZE_CACHE_LIMIT=much"):
        limit_wanted()


def test_what_cannot_go_is_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "1000")
    cache = Cache(tmp_path)
    root = tmp_path / "buildroots/abc/root/usr/bin/gcc"
    root.parent.mkdir(parents=True)
    root.write_bytes(b"x" * 700)
    then = time.time() - 30 * HOUR
    files = [
        cache.addressed("packages", "aaaaaaaa"),
        tmp_path / "debian/bookworm/packages/gcc.deb",
        tmp_path / "sources/sha256/bb/bbbbbbbb",
    ]
    for number, file in enumerate(files):
        cache.write(file, b"x" * 200)
        os.utime(file, (then + number, then + number))
    tidy(cache)
    # Each is 200 and the root 700: one of them fits, the one that was used last.
    assert [file.exists() for file in files] == [False, False, True]
    assert root.exists()


def test_the_lists_of_the_demo_s_archive_go_last_and_not_while_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    lists = [tmp_path / f"debian/bookworm/{arch}/state/lists/main" for arch in ("ppc64le", "s390x")]
    for file in lists:
        cache.write(file, b"x" * 600)
        for path in (file, *list(file.parents)[:3]):
            os.utime(path, (1, 1))
    os.utime(lists[0])
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "1300")
    tidy(cache)
    assert all(file.exists() for file in lists)
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "100")
    (tmp_path / "locks/tidied").unlink()
    tidy(cache)
    assert [file.exists() for file in lists] == [True, False]


def test_the_demo_s_distribution_goes_last_and_not_while_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    lists = tmp_path / "debian/bookworm/s390x/state/lists/main"
    older, newer = (tmp_path / f"reference/format-{number}/a.rpm" for number in (3, 4))
    for number, file in enumerate((lists, older, newer)):
        cache.write(file, b"x" * 600)
        for path in (file, *list(file.parents)[:3]):
            os.utime(path, (1 + number, 1 + number))

    def left_of(limit: int) -> list[bool]:
        monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", str(limit))
        (tmp_path / "locks/tidied").unlink(missing_ok=True)
        tidy(cache)
        return [file.exists() for file in (lists, older, newer)]

    assert left_of(1300) == [False, True, True]
    with in_use(cache):
        assert left_of(100) == [False, True, True]
    assert left_of(700) == [False, False, True]
    os.utime(newer)
    assert left_of(100) == [False, False, True]
    os.utime(newer, (1, 1))
    assert left_of(100) == [False, False, False]
