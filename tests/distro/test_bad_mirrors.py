"""Mirrors that hang or have something else: the next one answers, and errors name them."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.distro.failover import BRIEF, RetryPolicy
from bot.distro.mirrors import read_metalink, read_mirrorlist
from bot.distro.repomd import RepomdError, parse_repomd
from bot.distro.snapshot import open_snapshot, repository_file
from bot.errors import SurroundingsError
from bot.model.package import NO_ACCESS
from tests.mutations import FOREIGN, mutated

REPOMD = (
    '<?xml version="1.0" encoding="UTF-8"?><repomd xmlns="http://linux.duke.edu/metadata/repo">'
    "<revision>1</revision>"
    + "".join(
        f'<data type="{type_}"><checksum type="sha256">{"ab" * 32}</checksum>'
        f'<open-checksum type="sha256">{"cd" * 32}</open-checksum>'
        f'<location href="repodata/x-{type_}.xml.gz"/><timestamp>1700000000</timestamp>'
        "<size>10</size><open-size>20</open-size></data>"
        for type_ in ("primary", "filelists", "group", "modules")
    )
    + "</repomd>"
).encode()
METALINK = (
    '<?xml version="1.0"?><metalink version="3.0" xmlns="http://www.metalinker.org/"><files>'
    f'<file name="repomd.xml"><size>{len(REPOMD)}</size><verification>'
    f'<hash type="sha256">{hashlib.sha256(REPOMD).hexdigest()}</hash></verification>'
    '<resources><url protocol="https" preference="100">https://a.example/repodata/repomd.xml</url>'
    "</resources></file></files></metalink>"
).encode()
LIST = b"# mirrors\nhttps://a.example/r/\nhttp://b.example/r\n"
SEEDS = st.integers(0, 2**48)


@given(SEEDS)
def test_a_mutated_repomd_is_read_or_refused(seed):
    content = mutated(REPOMD, seed)
    try:
        assert parse_repomd(content).record("primary") is not None
    except RepomdError as error:
        assert str(error)


def test_twenty_thousand_mutated_repomd_are_read_or_refused():
    refused = 0
    for seed in range(20_000):
        try:
            parse_repomd(mutated(REPOMD, seed))
        except RepomdError:
            refused += 1
    assert 10_000 < refused < 20_000


@pytest.mark.parametrize("content", FOREIGN)
def test_what_is_no_repomd_is_refused(content):
    with pytest.raises(RepomdError):
        parse_repomd(content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1700000000", b"9" * 17),
        (b"<size>10", b"<size>" + b"9" * 5000),
        (b"<size>10", b"<size>-1"),
        (b"UTF-8", b"UF-8"),
        (b"<repomd", b"<remd"),
    ],
)
def test_numbers_and_names_that_nothing_can_have_are_refused(old, new):
    with pytest.raises(RepomdError):
        parse_repomd(REPOMD.replace(old, new, 1))


@pytest.mark.parametrize("read", [read_metalink, read_mirrorlist])
@pytest.mark.parametrize("original", [METALINK, LIST])
def test_mutated_lists_of_mirrors_are_read_or_refused(tmp_path, read, original):
    place = tmp_path / "list"
    for number, content in enumerate([*FOREIGN, *(mutated(original, n) for n in range(2_000))]):
        place.write_bytes(content)
        try:
            assert read(place.as_uri(), NO_ACCESS, BRIEF).base_urls
        except SurroundingsError as error:
            assert "list" in str(error), number


@pytest.mark.parametrize("content", FOREIGN)
def test_the_next_mirror_answers_for_one_that_has_something_else(
    web, cache, document, make_repository, content
):
    make_repository(web.root / "good")
    bad = web.root / "bad/repodata"
    bad.mkdir(parents=True)
    (bad / "repomd.xml").write_bytes(content)
    two = document(f"{web.url}/bad/", f"{web.url}/good/", priority=50)
    (repository,) = open_snapshot(two, "x86_64", cache).repositories
    assert repository.base_urls[0] == f"{web.url}/good/"
    with pytest.raises(SurroundingsError, match=r"/bad/repodata/repomd\.xml"):
        open_snapshot(document(f"{web.url}/bad/"), "x86_64", cache)


def test_a_mirror_that_hangs_leaves_the_last_good_state(
    web, cache, document, make_repository, monkeypatch
):
    make_repository(web.root / "r")
    good = open_snapshot(document(f"{web.url}/r/"), "x86_64", cache)
    released = threading.Event()
    monkeypatch.setattr("bot.distro.refresh.BRIEF", RetryPolicy(1, 1, 0.2, 1))
    web.on("/r/repodata/repomd.xml", lambda _handler, _content: released.wait(30))
    stale = open_snapshot(document(f"{web.url}/r/"), "x86_64", cache)
    released.set()
    assert stale.id == good.id
    assert "repomd.xml could not be read: Read timed out." in (stale.repositories[0].stale or "")
    assert len(web.requests_of("repomd.xml")) == 2  # asked once more, and not again and again


def test_file_lists_of_a_mirror_that_hangs_are_not_waited_for_long(
    web, cache, document, make_repository, monkeypatch
):
    make_repository(web.root / "r")
    released = threading.Event()
    monkeypatch.setattr("bot.distro.refresh.BRIEF", RetryPolicy(1, 1, 0.2, 1))
    monkeypatch.setattr("bot.distro.snapshot.BRIEF", RetryPolicy(1, 1, 0.2, 1))
    (repository,) = open_snapshot(document(f"{web.url}/r/"), "x86_64", cache).repositories
    name = next(record.href for record in repository.records if record.type == "filelists")
    for path in (f"/r/{name}", "/r/repodata/repomd.xml"):
        web.on(path, lambda _handler, _content: released.wait(30))
    (repository,) = open_snapshot(document(f"{web.url}/r/"), "x86_64", cache).repositories
    with pytest.raises(SurroundingsError, match="filelists"):
        repository_file(repository, "filelists")
    released.set()
    assert len(web.requests_of("filelists")) == 1


def test_a_mirror_that_trickles_leaves_the_last_good_state(
    web, cache, document, make_repository, monkeypatch
):
    make_repository(web.root / "r")
    good = open_snapshot(document(f"{web.url}/r/"), "x86_64", cache)
    released = threading.Event()

    def trickle(handler, _content):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not released.wait(0.02):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    monkeypatch.setattr("bot.distro.refresh.BRIEF", RetryPolicy(1, 1, 5, 0.1))
    web.on("/r/repodata/repomd.xml", trickle)
    stale = open_snapshot(document(f"{web.url}/r/"), "x86_64", cache)
    released.set()
    assert stale.id == good.id
    assert "too slow" in (stale.repositories[0].stale or "")


def test_no_mirror_is_begun_after_the_time_for_all_of_them(
    web, cache, document, make_repository, monkeypatch
):
    make_repository(web.root / "r")
    urls = [f"{web.url}/r/", *(f"{web.url}/m{n}/" for n in range(5))]
    open_snapshot(document(*urls, priority=50), "x86_64", cache)
    web.requests.clear()
    monkeypatch.setattr("bot.distro.refresh.BUDGET", 0.0)
    stale = open_snapshot(document(*urls, priority=50), "x86_64", cache)
    assert stale.repositories[0].stale
    assert web.requests == []


def test_a_repository_that_may_be_skipped_is_empty_and_said(web, cache, document, make_repository):
    make_repository(web.root / "r")
    (repository,) = open_snapshot(
        document("http://127.0.0.1:9/r/", skip_if_unavailable=True), "x86_64", cache
    ).repositories
    assert repository.records == ()
    assert "skipped" in (repository.stale or "")


def test_time_is_told_by_a_clock_that_nobody_sets():
    assert not BRIEF.is_over
    assert BRIEF.with_deadline(-1).is_over
    assert BRIEF.with_deadline(60).until > time.monotonic()


def test_a_list_of_mirrors_may_have_variables(web, cache, document, make_repository):
    make_repository(web.root / "x86_64/r")
    (web.root / "mirrors").write_text(f"{web.url}/$basearch/r/\n")
    (repository,) = open_snapshot(
        document(mirrorlist=f"{web.url}/mirrors"), "x86_64", cache
    ).repositories
    assert repository.base_urls == (f"{web.url}/x86_64/r/",)
