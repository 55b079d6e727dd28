"""The .solv cache: made once, read by everyone, made again where it is damaged."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bot.errors import SurroundingsError


@pytest.fixture
def base(tiny):
    base = tiny.repository().package("app-0:1-1.noarch", requires=["/usr/bin/sh", "lib"])
    return base.package("lib-0:1-1.noarch").package("sh-0:1-1.noarch", files=["/usr/bin/sh"])


def solv_files(tiny, suffix):
    return sorted((tiny.cache.root / "solv").glob(f"*{suffix}"))


def answer(pool, h):
    return pool.solve(h.request("app"))


def test_metadata_is_read_once(tiny, h, base):
    first = answer(tiny.pool(base), h)
    assert h.names(first) == ["app-1-1.noarch", "lib-1-1.noarch", "sh-1-1.noarch"]
    assert ("base", "primary") in tiny.fetched
    tiny.fetched.clear()
    assert answer(tiny.pool(base), h) == first
    assert tiny.fetched == []


def test_a_changed_repository_is_read_again_and_the_other_is_not(tiny, h, base):
    other = tiny.repository("other").package("thing-0:1-1.noarch")
    tiny.pool(base, other)
    tiny.fetched.clear()
    other.package("thing-0:2-1.noarch")
    closure = tiny.pool(base, other).solve(h.request("thing"))
    assert h.names(closure) == ["thing-2-1.noarch"]
    assert [name for name, type_ in tiny.fetched if type_ == "primary"] == ["other"]


@pytest.mark.parametrize("suffix", [".solv", ".crc", ".json", ".sources"])
@pytest.mark.parametrize("content", [b"", b"garbage", b'{"counts": []}', None, "half", "flip"])
def test_a_damaged_cache_is_made_again(tiny, h, base, suffix, content):
    first = answer(tiny.pool(base), h)
    for path in solv_files(tiny, suffix):
        good = path.read_bytes()
        if content is None:
            path.unlink()
        elif content == "half":
            path.write_bytes(good[: len(good) // 2])
        elif content == "flip":
            path.write_bytes(bytes(b ^ 0x55 if n % 7 == 0 else b for n, b in enumerate(good)))
        else:
            path.write_bytes(content)
    assert answer(tiny.pool(base), h) == first
    assert answer(tiny.pool(base), h) == first
    assert [p.nevra.name for p in tiny.pool(base).published("lib")] == ["lib"]


def test_the_cache_of_another_index_is_not_taken_for_this(tiny, h, base):
    """The same files with an exclude more: what is excluded is part of the index."""
    tiny.pool(base)
    base.options["exclude"] = ("lib",)
    assert answer(tiny.pool(base), h).status == "unsolvable"


def test_nothing_that_solving_does_not_need_is_stored(tiny, base):
    tiny.pool(base)
    (path,) = solv_files(tiny, ".solv")
    content = path.read_bytes()
    assert b"A thing" not in content and b"Some" not in content


def test_primary_that_is_not_rpm_md_is_refused_by_name(tiny):
    from bot.closure.pool import open_pool
    from bot.distro.documents import RepositoryDocument, RepoSource
    from bot.distro.snapshot import open_snapshot

    broken = tiny.root / "broken.xml"
    broken.write_text("<metadata><package></metadata>")
    source = RepoSource("base", "base", (tiny.repository().write(),))
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), (source,))
    snapshot = open_snapshot(document, "x86_64", tiny.cache)
    with pytest.raises(SurroundingsError, match="repository base"):
        open_pool(snapshot, tiny.cache, file_of=lambda repository, type_: broken)
    assert solv_files(tiny, ".solv") == []


ASK = """
import sys
from pathlib import Path
from bot.closure.graph import closure_graph
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot
cache = Cache(Path(sys.argv[1]))
sources = (RepoSource("base", "base", (sys.argv[2],)),)
document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), sources)
pool = open_pool(open_snapshot(document, "x86_64", cache), cache)
for closure in (pool.solve_names(sys.argv[3:], weak=True), pool.solve_names(["nosuch", "app"])):
    print(closure.packages, closure.edges, sorted(closure.requested), closure.problems)
    print([closure_graph(closure).chains(p.nevra) for p in closure.packages])
"""


def processes(tiny, base, count, *names):
    """What several processes at once say, each with another order of its sets."""
    command = [sys.executable, "-c", ASK, str(tiny.cache.root), base.root.as_uri() + "/", *names]
    running = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )
        for seed in range(count)
    ]
    return [process.communicate()[0] for process in running]


def test_processes_share_the_cache_and_give_the_same_bytes(tiny, base):
    for n in range(20):
        base.package(
            f"many-{n}-0:1-1.noarch",
            provides=["any", f"cap-{n}"],
            requires=[f"cap-{(n * 7 + 3) % 20}", "(app or lib)"],
            recommends=[f"cap-{(n * 3 + 1) % 20}"],
            supplements=["lib"],
            obsoletes=[f"was-{n % 3} < 2"],
        )
        base.package(f"was-{n}-0:1-1.noarch")
    base.write()
    outputs = processes(tiny, base, 3, "app", "any", "was-1", "many-3*")
    assert b"many-17" in outputs[0]
    assert len(set(outputs)) == 1


def test_threads_share_a_pool(tiny, h, base):
    pool = tiny.pool(base)
    plain = answer(pool, h)
    overlays = [h.overlay(h.package(f"lib-0:{n}-1.noarch", "lib")) for n in range(2, 6)]
    wrong: list[object] = []

    def work(overlay):
        for _ in range(10):
            if answer(pool, h) != plain:
                wrong.append("plain")
            closure = pool.solve(h.request("app"), overlay)
            if overlay.packages[0].nevra not in {p.nevra for p in closure.packages}:
                wrong.append(overlay)

    threads = [threading.Thread(target=work, args=(overlay,)) for overlay in overlays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def open_files() -> int:
    """The number of files that this process has open; sockets come and go with other threads."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += descriptor.is_file()
    return count


def test_reading_metadata_leaves_no_file_open(tiny, base):
    tiny.pool(base)
    before = open_files()
    tiny.pool(base.package("more-0:1-1.noarch"))
    assert open_files() == before
