"""The comment and the status of a private repository's check carry a signed link to its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bot.engine.job import CheckJob
from bot.engine.links import CheckLinks, LinkKeys
from bot.engine.results import open_results
from bot.engine.steps import CheckSteps
from bot.forge.values import Comment, PullRequest, PullRequestKey
from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from bot.model.result import BuildNote, CheckResult, ImageResult, Side
from bot.settings.values import Settings

KEYS = LinkKeys(("k" * 40,), 30)
URL = "https://min.example"


class Forge:
    """Takes one comment and one status."""

    def __init__(self, job: CheckJob) -> None:
        self.pull = PullRequest(
            job.key, "t", "ann", False, True, False, job.private, "main", "b" * 40, job.head_sha,
            "o/r", "https://forge/7",
        )  # fmt: skip
        self.body = self.url = ""

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        return self.pull

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Any:
        self.body = body
        return Comment("1", "u", body)

    async def set_status(self, key: PullRequestKey, sha: str, report: Any) -> None:
        self.url = report.url


def job_of(*, private: bool) -> CheckJob:
    return CheckJob("gh-o-r-7-x", "gh", "o/r", 7, "main", "b" * 40, "a" * 40, "ann", private)


def settings(tmp_path: Path, *, signed: bool) -> Settings:
    forge = {"type": "github", "token": {"env": "T"}, "webhook_secrets": [{"env": "S"}]}
    more = {"private_pages": {"keys": [{"env": "LINK_KEY"}]}} if signed else {}
    made = Settings.model_validate({"forges": {"gh": forge}, **more})
    return made.model_copy(update={"cache": tmp_path, "data": tmp_path})


def result() -> CheckResult:
    image = ImageResult(
        key=ImageKey("nginx", "minimal", "demo", "x86_64"),
        snapshot=SnapshotState("s", ()),
        changed=True,
        evidence="rebuilt",
        base=Side("ok", (), packages=10, installed_size=1000, known_size=1000),
        head=Side("ok", (), packages=11, installed_size=900_000, known_size=900_000),
    )
    builds = (BuildNote("head", "a.spec", "x86_64", "built", "", "/var/cache/log", 1.0),)
    return CheckResult(
        base="b" * 40,
        head="a" * 40,
        merge_base="b" * 40,
        specs=("a.spec",),
        verdict="success",
        images=(image,),
        builds=builds,
    )


async def record(tmp_path: Path, *, private: bool, signed: bool) -> tuple[str, Any]:
    job = job_of(private=private)
    forge: Any = Forge(job)
    nobody: Any = None
    own = settings(tmp_path, signed=signed)
    results = open_results(own)
    steps = CheckSteps({"gh": forge}, nobody, own, results, public_url=URL)
    await steps.comment(job, results.add(job.id, result()).id)
    await steps.status(job, "success", "t")
    return forge.body, forge.url


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
