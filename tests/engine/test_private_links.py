"""The comment and the status of a private repository's check carry a signed link to its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bot.engine.desired import DesiredComment, DesiredStatus, Phase
from bot.engine.job import CheckJob
from bot.engine.links import CheckLinks, LinkKeys
from bot.engine.outbox import open_outbox
from bot.engine.publishing import Publisher
from bot.engine.results import open_results
from bot.model.spec import BuildNote
from bot.settings.values import Settings
from bot.store.store import open_store
from tests.report.conftest import image, perl, result

KEYS = LinkKeys(("k" * 40,), 30)
URL = "https://min.example"


def job_of(*, private: bool) -> CheckJob:
    return CheckJob("gh-o-r-7-x", "gh", "o/r", 7, "main", "b" * 40, "a" * 40, "ann", private)


def settings(tmp_path: Path, *, signed: bool) -> Settings:
    forge = {"type": "github", "token": {"env": "T"}, "webhook_secrets": [{"env": "S"}]}
    more = {"private_pages": {"keys": [{"env": "LINK_KEY"}]}} if signed else {}
    settings = Settings.model_validate({"forges": {"gh": forge}, **more})
    return settings.model_copy(update={"cache": tmp_path, "data": tmp_path})


async def record(tmp_path: Path, *, private: bool, signed: bool) -> tuple[str, Any]:
    job = job_of(private=private)
    own = settings(tmp_path, signed=signed)
    store, outbox = open_store(tmp_path), open_outbox(own, "server")
    results = open_results(own, store)
    build = BuildNote("head", "a.spec", "x86_64", "built", "", "/var/cache/log", 1.0)
    document = result(
        image("x86_64", perl("x86_64"), "rebuilt"), specs=("a.spec",), builds=(build,)
    )
    publisher = Publisher(outbox, results, own, URL)
    await publisher.comment(job, Phase.CONCLUDED, results.add(job.id, document).id)
    await publisher.status(job, Phase.CONCLUDED, "success", "t")
    wanted = [claim.desired.shown for claim in outbox.claim(2)]
    outbox.close()
    store.close()
    (comment,) = [one for one in wanted if isinstance(one, DesiredComment)]
    (status,) = [one for one in wanted if isinstance(one, DesiredStatus)]
    assert comment.body is not None
    assert status.report is not None
    return comment.body, status.report.url


async def test_the_comment_and_the_status_of_a_private_repository_carry_links_that_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINK_KEY", "k" * 40)
    body, url = await record(tmp_path, private=True, signed=True)
    links = re.findall(rf"{URL}/checks/gh-o-r-7-x(/logs/0)?\?key=([A-Za-z0-9._-]+)", body)
    assert {part for part, _ in links} == {"", "/logs/0"}
    assert all(KEYS.opens("gh-o-r-7-x", token) for _, token in links)
    assert url == f"{URL}/checks/gh-o-r-7-x?key={links[0][1]}"
    assert "/var/cache" not in body


async def test_without_a_key_nothing_of_a_private_repository_has_an_address(tmp_path) -> None:
    body, url = await record(tmp_path, private=True, signed=False)
    assert url is None
    assert URL not in body
    assert "/var/cache" not in body


async def test_links_of_a_public_repository_are_plain(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LINK_KEY", "k" * 40)
    body, url = await record(tmp_path, private=False, signed=True)
    assert url == f"{URL}/checks/gh-o-r-7-x"
    assert f"{URL}/checks/gh-o-r-7-x/logs/0" in body
    assert "key=" not in body


def test_without_a_public_url_there_is_no_address() -> None:
    assert CheckLinks(None, KEYS).page(job_of(private=True)) is None
