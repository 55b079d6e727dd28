"""Repositories over HTTP, whose server may do anything."""

from __future__ import annotations

import gzip
import multiprocessing
import re
import socket
from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError, RetryPolicy
from bot.distro.snapshot import open_snapshot, repository_file
from bot.errors import SurroundingsError

NOW = 1_790_000_000.0


def now() -> float:
    return NOW


def repomd_of(web, repo="r"):
    return web.root / repo / "repodata" / "repomd.xml"


def file_of(web, type_, repo="r") -> Path:
    return next((web.root / repo / "repodata").glob(f"*-{type_}.*"))


@pytest.fixture
def repo(web, make_repository, document):
    make_repository(web.root / "r")
    return document(f"{web.url}/r/")


def test_is_read_checked_and_kept(web, repo, cache):
    snapshot = open_snapshot(repo, "x86_64", cache)
    (repository,) = snapshot.repositories
    assert repository.stale is None
    assert repository.timestamp == "2023-11-14T22:13:20Z"
    assert snapshot.state.repositories[0].timestamp == "2023-11-14T22:13:20Z"
    assert b"<metadata" in repository_file(repository, "primary").read_bytes()


def test_a_time_that_repomd_does_not_say_is_null(web, make_repository, document, cache):
    def without(text):
        return re.sub("<timestamp>.*?</timestamp>", "", text)

    make_repository(web.root / "r", change=without)
    snapshot = open_snapshot(document(f"{web.url}/r/"), "x86_64", cache)
    assert snapshot.state.repositories[0].timestamp is None


def test_file_lists_are_fetched_only_when_asked_for(web, repo, cache):
    (repository,) = open_snapshot(repo, "x86_64", cache).repositories
    assert not web.requests_of("filelists")
    assert b"<filelists" in repository_file(repository, "filelists").read_bytes()
    repository_file(repository, "filelists")
    assert len(web.requests_of("filelists")) == 1


def test_an_unchanged_repository_costs_one_conditional_request(web, repo, cache):
    first = open_snapshot(repo, "x86_64", cache)
    del web.requests[:]
    second = open_snapshot(repo, "x86_64", cache)
    assert second.id == first.id
    assert [path for path, _ in web.requests] == ["/r/repodata/repomd.xml"]
    assert "If-None-Match" in web.requests[0][1]
    assert second.repositories[0].stale is None


def test_a_young_state_is_not_asked_about(web, repo, cache):
    open_snapshot(repo, "x86_64", cache, now=now)
    del web.requests[:]
    open_snapshot(repo, "x86_64", cache, max_age=60, now=lambda: NOW + 59)
    assert web.requests == []
    open_snapshot(repo, "x86_64", cache, max_age=60, now=lambda: NOW + 61)
    assert len(web.requests) == 1


def test_a_changed_repository_is_taken(web, repo, cache, make_repository):
    first = open_snapshot(repo, "x86_64", cache)
    make_repository(
        web.root / "r", {"primary": b"<metadata>new</metadata>"}, timestamp=1_700_000_001
    )
    second = open_snapshot(repo, "x86_64", cache)
    assert second.id != first.id
    assert b"new" in repository_file(second.repositories[0], "primary").read_bytes()


def test_offline_asks_nobody_and_says_so(web, repo, cache):
    with pytest.raises(SurroundingsError, match="is not in the cache"):
        open_snapshot(repo, "x86_64", cache, offline=True)
    open_snapshot(repo, "x86_64", cache, now=now)
    del web.requests[:]
    snapshot = open_snapshot(repo, "x86_64", cache, offline=True)
    assert web.requests == []
    assert snapshot.repositories[0].stale == "2026-09-21T14:13:20Z: the network was not used"


def test_a_busy_server_is_asked_again(web, repo, cache, misbehave):
    web.on(repomd_of(web), misbehave["status"](503, Retry_After="0"), misbehave["status"](500))
    open_snapshot(repo, "x86_64", cache)
    assert len(web.requests_of("repomd.xml")) == 3


def test_a_broken_transfer_goes_on_where_it_broke(web, repo, cache, misbehave):
    primary = file_of(web, "primary")
    web.on(primary, misbehave["cut"](20))
    open_snapshot(repo, "x86_64", cache)
    first, second = web.requests_of("primary")
    assert "Range" not in first
    assert second["Range"] == "bytes=20-"


def test_a_server_without_ranges_is_asked_from_the_start(web, repo, cache, misbehave):
    web.ranges = False
    web.on(file_of(web, "primary"), misbehave["cut"](20))
    (repository,) = open_snapshot(repo, "x86_64", cache).repositories
    assert b"<metadata" in repository_file(repository, "primary").read_bytes()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("truncated", "it has 30 bytes"),
        ("other", "checksum does not match"),
        ("longer", "more than the"),
        ("endless", "larger than the"),
    ],
)
def test_a_wrong_file_is_refused_by_name(web, repo, cache, misbehave, what, message):
    primary = file_of(web, "primary")
    content = primary.read_bytes()
    sent = {
        "truncated": misbehave["body"](content[:30]),
        "other": misbehave["body"](b"x" * len(content)),
        "longer": misbehave["body"](content + b"x"),
        "endless": misbehave["body"](content + b"x" * 100_000, length=False),
    }[what]
    web.on(primary, *[sent] * 8)
    with pytest.raises(RefusedFileError, match=message) as refused:
        open_snapshot(repo, "x86_64", cache)
    assert primary.name in str(refused.value)
    assert not list((cache.root / "metadata").rglob("*.open"))


def test_a_server_that_trickles_is_given_up(web, repo, cache, monkeypatch):
    monkeypatch.setattr("bot.distro.failover.MANY", RetryPolicy(4, 10, 30, -1.0))
    monkeypatch.setattr("bot.distro.http._SLOWEST", 10**12)
    with pytest.raises(SurroundingsError, match=r"repomd\.xml could not be read: it is too slow"):
        open_snapshot(repo, "x86_64", cache)


def test_redirects_are_followed(web, cache, document, make_repository, misbehave):
    make_repository(web.root / "new")
    for path in (web.root / "new").rglob("*.*"):
        name = str(path.relative_to(web.root / "new"))
        for old, new in (("a", "b"), ("b", "c"), ("c", "d"), ("d", "new")):
            web.on(f"/{old}/{name}", misbehave["status"](302, Location=f"{web.url}/{new}/{name}"))
    (repository,) = open_snapshot(document(f"{web.url}/a/"), "x86_64", cache).repositories
    assert repository.base_urls == (f"{web.url}/a/",)


def test_a_long_wait_that_a_server_asks_for_is_cut_short():
    from bot.distro.http import _Retry

    assert _Retry().parse_retry_after("3600") == 30
    assert _Retry().parse_retry_after("2") == 2


def test_a_zip_bomb_is_refused_before_it_unpacks(web, cache, document, make_repository):
    make_repository(
        web.root / "r",
        {"primary": b"\0" * 50_000_000},
        change=lambda t: t.replace("<open-size>50000000", "<open-size>1000"),
    )
    with pytest.raises(RefusedFileError, match="unpacks to more than the 1000 bytes"):
        open_snapshot(document(f"{web.url}/r/"), "x86_64", cache)


def test_a_refused_file_leaves_the_last_good_state_with_its_age(
    web, repo, cache, misbehave, make_repository
):
    good = open_snapshot(repo, "x86_64", cache, now=now)
    make_repository(
        web.root / "r", {"primary": b"<metadata>bad</metadata>"}, timestamp=1_700_000_009
    )
    primary = next(
        p for p in (web.root / "r").rglob("*primary*") if b"bad" in gzip.decompress(p.read_bytes())
    )
    web.on(primary, *[misbehave["body"](b"x" * 20)] * 20)
    stale = open_snapshot(repo, "x86_64", cache, now=lambda: NOW + 3600)
    assert stale.id == good.id
    reason = stale.repositories[0].stale
    assert reason.startswith("2026-09-21T14:13:20Z: ")
    assert primary.name in reason and "refused" in reason
    assert stale.state.repositories[0].stale == reason
    # The mirror is mended: the next one is new again.
    web.answers.clear()
    assert open_snapshot(repo, "x86_64", cache).id != good.id


def test_why_a_server_is_not_reached_is_told_without_our_objects(document, cache):
    with socket.socket() as reserved:  # bound, and nobody listens
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/r/"
        with pytest.raises(SurroundingsError) as raised:
            open_snapshot(document(url), "x86_64", cache)
    why = raised.value.what.partition("repomd.xml could not be read: ")[2]
    assert why == "Failed to establish a new connection: Connection refused."


def test_a_dead_server_leaves_the_last_good_state(web, repo, cache, misbehave):
    good = open_snapshot(repo, "x86_64", cache)
    web.on(repomd_of(web), *[misbehave["hang_up"]] * 20)
    stale = open_snapshot(repo, "x86_64", cache)
    assert stale.id == good.id
    assert "repomd.xml could not be read" in stale.repositories[0].stale


def test_a_server_that_is_not_there_is_an_error_that_names_the_file(cache, document, monkeypatch):
    monkeypatch.setattr("bot.distro.http.BACKOFF", 0.0)
    with pytest.raises(SurroundingsError, match=r"127\.0\.0\.1:9/r/repodata/repomd\.xml"):
        open_snapshot(document("http://127.0.0.1:9/r/"), "x86_64", cache)


def test_a_second_base_url_answers_for_a_dead_first_one(web, cache, document, make_repository):
    make_repository(web.root / "r")
    both = document("http://127.0.0.1:9/r/", f"{web.url}/r/", priority=50)
    (repository,) = open_snapshot(both, "x86_64", cache).repositories
    assert repository.base_urls == (f"{web.url}/r/", "http://127.0.0.1:9/r/")
    assert repository.priority == 50


def test_an_older_mirror_is_used_only_without_a_newer_one(
    web, cache, document, make_repository, misbehave
):
    make_repository(web.root / "old", timestamp=1_700_000_000)
    make_repository(web.root / "new", timestamp=1_800_000_000)
    two = document(f"{web.url}/old/", f"{web.url}/new/", priority=99)
    assert open_snapshot(two, "x86_64", cache).repositories[0].revision == "1700000000"
    # Once the newer one is known, the mirror that is behind no longer counts.
    web.on("/old/repodata/repomd.xml", *[misbehave["hang_up"]] * 2)
    assert open_snapshot(two, "x86_64", cache).repositories[0].revision == "1800000000"
    assert open_snapshot(two, "x86_64", cache).repositories[0].revision == "1800000000"


def test_repositories_of_one_document_are_asked_together(web, cache, document, make_repository):
    import threading

    make_repository(web.root / "a")
    make_repository(web.root / "b")
    met = threading.Barrier(2)

    def meet(handler, content):
        met.wait(timeout=90)  # breaks, and fails the test, if only one is ever asked at a time
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    web.on("/a/repodata/repomd.xml", meet)
    web.on("/b/repodata/repomd.xml", meet)
    snapshot = open_snapshot(document(f"{web.url}/a/", f"{web.url}/b/"), "x86_64", cache)
    assert [r.id for r in snapshot.repositories] == ["r1", "r2"]


def test_metadata_outside_the_repository_is_refused(web, cache, document, make_repository):
    make_repository(
        web.root / "r", change=lambda t: t.replace('href="repodata/', 'href="../../repodata/')
    )
    with pytest.raises(RefusedFileError, match="not inside the repository"):
        open_snapshot(document(f"{web.url}/r/"), "x86_64", cache)


def _open(url, root, queue):
    from bot.distro.documents import RepositoryDocument, RepoSource

    repo = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), (RepoSource("r", "R", (url,)),))
    snapshot = open_snapshot(repo, "x86_64", Cache(root))
    text = repository_file(snapshot.repositories[0], "primary").read_bytes()
    queue.put((snapshot.id, len(text)))


def test_processes_that_share_a_cache_download_once(web, cache, make_repository):
    make_repository(web.root / "r", {"primary": b"<metadata>" + b"x" * 300_000 + b"</metadata>"})
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=_open, args=(f"{web.url}/r/", cache.root, queue)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    results = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert len(set(results)) == 1
    assert len(web.requests_of("primary")) == 1
    assert not list(cache.root.rglob(".*"))
