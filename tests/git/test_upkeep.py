"""Object caches of other repositories: packs are joined, unused ones leave."""

import os
from pathlib import Path

from bot.git.mirror import GitMirror, last_use, locked_mirror, open_mirror, size_of, sweep_mirrors
from tests.git.running import git

NOW = 2_000_000_000.0
MUCH = 10**12


def upstream(home: Path, commits: int) -> tuple[str, list[str]]:
    """A repository with a line of commits; its URL and their ids."""
    path = home / "upstream"
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    git(path, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(path, "config", "uploadpack.allowFilter", "true")
    ids = []
    for number in range(commits):
        (path / "a.spec").write_text(f"Name: a\n# {number}\n" * 50)
        git(path, "add", "-A")
        git(path, "commit", "-q", "-m", f"c{number}")
        ids.append(git(path, "rev-parse", "HEAD").strip())
    return f"file://{path}", ids


def packs(mirror: GitMirror) -> int:
    return len(list((mirror.path / "objects/pack").glob("*.pack")))


def fetched(cache: Path, url: str, ids: list[str]) -> GitMirror:
    """A cache into which each commit was fetched by itself, with its spec."""
    mirror = open_mirror(cache, url)
    for head in ids[1:]:
        mirror.fetch(head, ids[0])
        assert mirror.read(head, "a.spec") is not None
    return mirror


def set_used(mirror: GitMirror, time: float) -> None:
    os.utime(mirror.path / "minimize.lock", (time, time))


def test_packs_are_joined_and_every_commit_is_still_there(tmp_path: Path) -> None:
    url, ids = upstream(tmp_path, 13)
    mirror = fetched(tmp_path / "cache", url, ids)
    before = packs(mirror)
    assert before >= 20
    swept = sweep_mirrors(tmp_path / "cache", 0.0, MUCH)
    assert (swept.packed, swept.removed) == (1, 0)
    assert packs(mirror) <= 2
    (tmp_path / "upstream").rename(tmp_path / "away")  # nothing is fetched again
    for head in ids[1:]:
        assert mirror.fetch(head, ids[0]) == ids[0]
        assert mirror.read(head, "a.spec") is not None
    assert sweep_mirrors(tmp_path / "cache", 0.0, MUCH).packed == 0


def test_an_unused_cache_leaves_and_comes_back_when_it_is_needed(tmp_path: Path) -> None:
    url, ids = upstream(tmp_path, 2)
    mirror = fetched(tmp_path / "cache", url, ids)
    set_used(mirror, NOW - 100)
    assert sweep_mirrors(tmp_path / "cache", NOW - 200, MUCH).removed == 0
    assert last_use(mirror.path) == NOW - 100  # sweeping is no use
    assert sweep_mirrors(tmp_path / "cache", NOW - 50, MUCH).removed == 1
    assert list((tmp_path / "cache").iterdir()) == []
    assert fetched(tmp_path / "cache", url, ids).path == mirror.path


def test_the_longest_unused_leave_until_the_size_is_enough(tmp_path: Path) -> None:
    mirrors = []
    for number in range(3):
        url, ids = upstream(tmp_path / str(number), 2)
        mirrors.append(fetched(tmp_path / "cache", url, ids))
        set_used(mirrors[-1], NOW - [20, 30, 10][number])
    size = size_of(mirrors[0].path)
    swept = sweep_mirrors(tmp_path / "cache", 0.0, int(2.5 * size))
    assert swept.removed == 1
    assert [mirror.path.exists() for mirror in mirrors] == [True, False, True]
    assert sweep_mirrors(tmp_path / "cache", 0.0, 1).removed == 1
    assert mirrors[2].path.exists()  # the last one would only be fetched again


def test_old_commits_are_dropped_and_fetched_again(tmp_path: Path) -> None:
    url, ids = upstream(tmp_path, 3)
    mirror = fetched(tmp_path / "cache", url, ids)
    old = mirror.path / "refs/minimize" / ids[1]
    os.utime(old, (NOW - 100, NOW - 100))
    set_used(mirror, NOW)
    assert sweep_mirrors(tmp_path / "cache", NOW - 50, MUCH).refs >= 1
    assert not old.exists()
    assert mirror.fetch(ids[1], ids[0]) == ids[0]
    assert old.exists()


def test_a_commit_that_is_used_again_is_young_again(tmp_path: Path) -> None:
    url, ids = upstream(tmp_path, 2)
    mirror = fetched(tmp_path / "cache", url, ids)
    ref = mirror.path / "refs/minimize" / ids[1]
    os.utime(ref, (1000, 1000))
    mirror.fetch(ids[1], ids[0])
    assert ref.stat().st_mtime > 1000


def test_a_cache_that_is_in_use_is_left(tmp_path: Path) -> None:
    url, ids = upstream(tmp_path, 2)
    mirror = fetched(tmp_path / "cache", url, ids)
    set_used(mirror, NOW - 100)
    with locked_mirror(mirror.path):
        set_used(mirror, NOW - 100)
        assert sweep_mirrors(tmp_path / "cache", NOW, MUCH).removed == 0
    assert mirror.path.exists()
