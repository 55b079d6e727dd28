"""The cache: whole files or none, one at a time; its sweeps by age and size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.distro.cache import Cache, sweep_entries, sweep_metadata, sweep_remains
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


NOW = 1_000_000.0
DAY = 86_400.0


def aged(path: Path, age: float, size: int = 100) -> Path:
    """A file of an age in seconds; its folder has it too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    for place in (path, path.parent):
        os.utime(place, (NOW - age, NOW - age))
    return path


def builds(folder: Path, *ages: float) -> list[Path]:
    return [
        aged(folder / f"k{number}" / "build.log", age).parent for number, age in enumerate(ages)
    ]


def test_what_is_too_old_leaves(tmp_path: Path) -> None:
    old, young = builds(tmp_path, 11 * DAY, 9 * DAY)
    swept = sweep_entries(tmp_path, NOW - 10 * DAY, 10**9, NOW)
    assert (swept.removed, old.exists(), young.exists()) == (1, False, True)


def test_the_longest_unused_leave_until_the_size_is_enough(tmp_path: Path) -> None:
    kept = builds(tmp_path, 2 * DAY, 5 * DAY, 3 * DAY, 60.0)
    size = sweep_entries(tmp_path, 0.0, 10**9, NOW).bytes // 4
    swept = sweep_entries(tmp_path, 0.0, 2 * size, NOW)
    assert swept.removed == 2
    assert [path.exists() for path in kept] == [True, False, False, True]
    assert sweep_entries(tmp_path, 0.0, 1, NOW).removed == 1
    assert kept[3].exists()  # of the last hour


def test_what_an_open_pull_requests_page_links_stays(tmp_path: Path) -> None:
    shown, other = builds(tmp_path, 50 * DAY, 40 * DAY)
    log = aged(tmp_path / "logs" / "a.log", 30 * DAY)
    needed = {str(shown / "build.log"), str(log)}
    assert sweep_entries(tmp_path, NOW - 35 * DAY, 1, NOW, needed).removed == 1
    assert (shown.exists(), other.exists()) == (True, False)
    assert sweep_entries(tmp_path / "logs", NOW, 1, NOW, needed).removed == 0


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert sweep_entries(tmp_path / "none", NOW, 1, NOW).removed == 0


def test_metadata_leaves_by_its_last_use_with_what_was_made_of_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    old = [
        aged(tmp_path / "metadata" / "ab" / "abc-primary.open", 31 * DAY),
        aged(tmp_path / "solv" / "abc.solv", 31 * DAY),
    ]
    read = aged(tmp_path / "metadata" / "cd" / "cde-primary.open", 31 * DAY)
    package = aged(tmp_path / "packages" / "ef" / "ef01-a.rpm", 90 * DAY)
    cache.mark_used(read)
    swept = sweep_metadata(cache, NOW - 30 * DAY, 10**9, NOW)
    assert (swept.removed, [path.exists() for path in old]) == (2, [False, False])
    assert read.exists()
    assert package.exists()


def test_remains_of_killed_runs_leave_and_content_stays(tmp_path: Path) -> None:
    half = aged(tmp_path / "packages" / "ab" / ".abcdef.rpm.x1", 2 * DAY)
    being_written = aged(tmp_path / "packages" / "cd" / ".cdef.rpm.x2", 60.0)
    content = aged(tmp_path / "packages" / "ef" / "ef01-a.rpm", 90 * DAY)
    download = aged(tmp_path / "partial" / "sha256-1", 2 * DAY)
    tree = aged(tmp_path / "scratch" / "tree" / "file", 2 * DAY)
    git = aged(tmp_path / "git" / "a.git" / ".hidden", 90 * DAY)
    build = aged(tmp_path / "builds" / "k" / ".hidden", 90 * DAY)
    packaged = [
        aged(tmp_path / kind / "ab" / ".hidden", 90 * DAY)
        for kind in ("buildroots", "rpm-roots", "macros")
    ]
    swept = sweep_remains(tmp_path, NOW - DAY, 10**9, NOW)
    assert swept.removed == 3
    assert not any(path.exists() for path in (half, download, tree))
    assert all(path.exists() for path in (being_written, content, git, build, *packaged))
