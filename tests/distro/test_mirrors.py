"""Metalinks and mirror lists: which mirrors there are, and what they must have."""

from __future__ import annotations

import hashlib

import pytest

from bot.distro.failover import RefusedFileError
from bot.distro.snapshot import open_snapshot
from bot.errors import SurroundingsError

DEAD = "http://127.0.0.1:9/r/"


def metalink(current: bytes, urls: list[str], alternates: list[bytes] = []) -> str:  # noqa: B006
    def verification(content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        return (
            f"<size>{len(content)}</size><verification>"
            f'<hash type="md5">0</hash><hash type="sha256">{digest}</hash></verification>'
        )

    older = "".join(f"<mm0:alternate>{verification(c)}</mm0:alternate>" for c in alternates)
    resources = "".join(
        f'<url protocol="http" type="http" preference="{100 - n}">{url}repodata/repomd.xml</url>'
        for n, url in enumerate(urls)
    )
    return (
        '<?xml version="1.0"?><metalink version="3.0" xmlns="http://www.metalinker.org/"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager"><files><file name="repomd.xml">'
        f"{verification(current)}<mm0:alternates>{older}</mm0:alternates>"
        f'<resources maxconnections="1"><url protocol="rsync" preference="100">rsync://x/</url>'
        f"{resources}</resources></file></files></metalink>"
    )


@pytest.fixture
def linked(web, document):
    return document(metalink=f"{web.url}/metalink?arch=$basearch")


def offer(web, text):
    (web.root / "metalink?arch=x86_64").write_text(text)


def test_a_metalink_names_mirrors_and_the_next_one_answers_for_a_dead_one(
    web, linked, cache, make_repository
):
    repomd = make_repository(web.root / "r")
    offer(web, metalink(repomd, [DEAD, f"{web.url}/r/"]))
    (repository,) = open_snapshot(linked, "x86_64", cache).repositories
    assert repository.base_urls == (f"{web.url}/r/", DEAD)


def test_a_mirror_that_has_another_repomd_is_passed_over(web, linked, cache, make_repository):
    make_repository(web.root / "bad", {"primary": b"<evil/>"})
    repomd = make_repository(web.root / "good")
    offer(web, metalink(repomd, [f"{web.url}/bad/", f"{web.url}/good/"]))
    snapshot = open_snapshot(linked, "x86_64", cache)
    assert snapshot.repositories[0].repomd_checksum == hashlib.sha256(repomd).hexdigest()


def test_no_mirror_with_what_the_metalink_says_is_refused_by_name(
    web, linked, cache, make_repository
):
    make_repository(web.root / "bad")
    offer(web, metalink(b"something else", [f"{web.url}/bad/"]))
    with pytest.raises(RefusedFileError, match=r"bad/repodata/repomd\.xml .*metalink"):
        open_snapshot(linked, "x86_64", cache)


def test_an_alternate_is_taken_only_where_nobody_has_the_current_one(
    web, linked, cache, make_repository
):
    older = make_repository(web.root / "older", timestamp=1_700_000_000)
    newer = make_repository(web.root / "newer", timestamp=1_700_000_001)
    offer(web, metalink(newer, [f"{web.url}/older/"], [older]))
    assert open_snapshot(linked, "x86_64", cache).repositories[0].revision == "1700000000"
    offer(web, metalink(newer, [f"{web.url}/older/", f"{web.url}/newer/"], [older]))
    assert open_snapshot(linked, "x86_64", cache).repositories[0].revision == "1700000001"


def test_a_metalink_that_names_what_we_have_costs_one_request(web, linked, cache, make_repository):
    repomd = make_repository(web.root / "r")
    offer(web, metalink(repomd, [f"{web.url}/r/"]))
    open_snapshot(linked, "x86_64", cache)
    del web.requests[:]
    open_snapshot(linked, "x86_64", cache)
    assert [path for path, _ in web.requests] == ["/metalink?arch=x86_64"]


def test_a_dead_metalink_gives_way_to_the_base_url(web, cache, document, make_repository):
    make_repository(web.root / "r")
    both = document(f"{web.url}/r/", metalink="http://127.0.0.1:9/metalink")
    assert open_snapshot(both, "x86_64", cache).repositories[0].base_urls == (f"{web.url}/r/",)


def test_all_dead_leaves_the_last_good_state(web, linked, cache, make_repository, misbehave):
    repomd = make_repository(web.root / "r")
    offer(web, metalink(repomd, [f"{web.url}/r/"]))
    good = open_snapshot(linked, "x86_64", cache)
    offer(web, metalink(b"newer", [DEAD, "http://127.0.0.1:9/s/"]))
    stale = open_snapshot(linked, "x86_64", cache)
    assert stale.id == good.id
    assert "127.0.0.1:9" in stale.repositories[0].stale


def test_a_mirror_list_has_a_mirror_on_each_line(web, cache, document, make_repository):
    make_repository(web.root / "r")
    (web.root / "list").write_text(f"# mirrors\n\n{DEAD}\nftp://x/\n{web.url}/r\n")
    listed = document(mirrorlist=f"{web.url}/list")
    (repository,) = open_snapshot(listed, "x86_64", cache).repositories
    assert repository.base_urls[0] == f"{web.url}/r/"


@pytest.mark.parametrize("text", ["", "# nothing\n", "rsync://only/\n"])
def test_a_mirror_list_without_mirrors_says_so(web, cache, document, text):
    (web.root / "list").write_text(text)
    with pytest.raises(SurroundingsError, match="offers no mirror"):
        open_snapshot(document(mirrorlist=f"{web.url}/list"), "x86_64", cache)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<metalink", "is not a metalink"),
        ("<metalink><files/></metalink>", "is not a metalink of a repomd"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><metalink/>", "document type"),
    ],
)
def test_a_broken_metalink_is_refused(web, linked, cache, text, message):
    offer(web, text)
    with pytest.raises(SurroundingsError, match=message):
        open_snapshot(linked, "x86_64", cache)
