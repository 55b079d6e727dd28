"""A third forge is its package, its row in FORGE_TYPES and its settings; `Toy` here is one.

It gets a webhook from the server, and the engine writes a status and a comment on it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import ClientSession

from bot.errors import UsageError
from bot.forge.bodies import BodySignature
from bot.forge.events import Event, Issue, IssueText
from bot.forge.protocol import Forge, open_forges
from bot.forge.rate_limit import RateLimit
from bot.forge.sender import post_delivery
from bot.forge.values import (
    Comment,
    FailedDelivery,
    ForgeFile,
    PullRequest,
    PullRequestEvent,
    PullRequestKey,
    Reaction,
    Role,
    Source,
    StatusReport,
)
from bot.settings.forges import FORGE_TYPES, ForgeSettings, ForgeType
from bot.settings.values import SettingsError, load_settings
from bot.store.records import NewDelivery
from bot.web.serve import Bot
from tests.engine.conftest import FakeChecker, Repository
from tests.engine.threads import InThread
from tests.forges import QuietForge, pull_request

ROW = ForgeType("toy", "https://toy.example", "https://toy.example", "/api/v1")
SETTINGS = """\
listen: {port: 0}
forges:
  ours: {type: toy, token: {env: T}, webhook_secrets: [{env: S}]}
  own:
    type: toy
    api_url: https://f.example/api/v1
    token: {env: T}
    webhook_secrets: [{env: S}]
engine: {executor_id: third}
"""
SECRET = "hush"


def signed_headers(event: str, body: bytes, secret: str, *, delivery: str | None) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {"X-Toy-Event": event, "X-Toy-Delivery": delivery or "1", "X-Toy-Signature": digest}


class Toy(QuietForge):
    """A forge in memory: one repository, its one pull request, and what was written there."""

    def __init__(self, name: str, settings: ForgeSettings) -> None:
        self.name, self.settings = name, settings
        self.issues = self
        self.repository: Repository | None = None
        self.head = ""
        self.comments: list[Comment] = []
        self.statuses: list[tuple[str, StatusReport]] = []

    def begin(self, headers: Mapping[str, str]) -> BodySignature:
        given = headers.get("x-toy-signature", "")
        fits = lambda digests: digests[0].hex() == given  # noqa: E731
        return BodySignature([SECRET.encode()], fits, "The signature fits no secret.")

    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        return NewDelivery(self.name, headers["x-toy-event"], headers["x-toy-delivery"], body, None)

    def event(self, event: str, body: bytes) -> Event:
        data = json.loads(body)
        key = PullRequestKey(self.name, data["repository"], data["number"])
        return PullRequestEvent(key, "check", data["head"], event, base_ref="main")

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        assert self.repository is not None
        page = "https://toy.example/o/r/7"
        return pull_request(key, base_sha=self.repository.base, head_sha=self.head, url=page)

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        return (ForgeFile("nginx/nginx.spec"),)

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        return next((one for one in self.comments if marker in one.body), None)

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        self.comments = [Comment("1", "https://toy.example/o/r/7#1", body)]
        return self.comments[0]

    async def put_suggestions(self, key: Any, sha: str, suggestions: Any) -> None:
        """This forge has no comments on lines."""

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        self.statuses.append((sha, report))

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        return "write"

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        pass

    async def source(self, key: Any, base_ref: str) -> Source:
        assert self.repository is not None
        return Source(f"file://{self.repository.path}", None, ())

    branch_source = source

    async def repositories(self) -> tuple[str, ...]:
        return ()

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        return ()

    async def send_again(self, delivery: FailedDelivery) -> None:
        pass

    def rate_limit(self, repository: str) -> RateLimit:
        return RateLimit("Toy")

    async def find(self, repository: str, marker: str) -> Issue | None:
        return None

    async def put(self, repository: str, marker: str, text: IssueText) -> Issue | None:
        return None


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Toy]]:
    """The toy's package and row; the forges of it that were opened."""
    opened: list[Toy] = []

    def open_forge(name: str, settings: ForgeSettings) -> Toy:
        opened.append(Toy(name, settings))
        return opened[-1]

    modules: dict[str, Any] = {
        name: ModuleType(name) for name in ("toy", "toy.forge", "toy.webhooks")
    }
    modules["toy.forge"].open_forge = open_forge
    modules["toy.webhooks"].signed_headers = signed_headers
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(FORGE_TYPES, "toy", ROW)
    monkeypatch.setenv("T", "token")
    monkeypatch.setenv("S", SECRET)
    return opened


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not true():
            await asyncio.sleep(0.05)


async def test_third_forge_gets_a_status_and_a_comment_for_its_webhook(
    tmp_path: Path, third: list[Toy]
) -> None:
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    (tmp_path / "config").mkdir()
    repository = Repository(tmp_path / "upstream")
    head = repository.commit("topic", {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    checker = FakeChecker()
    checker.hold[head] = threading.Event()
    bot = Bot(load_settings(tmp_path / "bot.yaml"), InThread(checker))
    toy = third[0]
    as_forge: Forge = toy
    assert as_forge.name == "ours"
    toy.repository, toy.head = repository, head
    await bot.start()
    try:
        body = json.dumps({"repository": "o/r", "number": 7, "head": head}).encode()
        send = (f"{bot.url}/webhook/toy", SECRET, "opened", body)
        reply = await asyncio.to_thread(post_delivery, *send, forge="toy", delivery="d1")
        assert (reply.status, json.loads(reply.body)["status"]) == (202, "accepted")
        # A later status would replace the first that is not written yet.
        await until(lambda: bool(toy.statuses))
        checker.hold[head].set()
        # The comment is written beside the status, before it or after it.
        await until(lambda: "success" in [report.state for _, report in toy.statuses])
        await until(lambda: bool(toy.comments))
        async with ClientSession() as session, session.post(send[0], data=body) as refused:
            assert refused.status == 401
    finally:
        await bot.stop()
    assert {sha for sha, _ in toy.statuses} == {head}
    assert toy.statuses[0][1].state == "pending"
    assert "nginx" in toy.comments[0].body
    assert third[1].comments == []  # the other forge of its type


def test_its_settings_are_read_and_it_is_opened(tmp_path: Path, third: list[Toy]) -> None:
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "bot.yaml")
    assert settings.forges["ours"].clone_url == "https://toy.example"
    assert settings.forges["own"].clone_url == "https://f.example"
    opened: Any = open_forges(settings)
    assert {name: type(forge) for name, forge in opened.items()} == {"ours": Toy, "own": Toy}


def test_what_is_githubs_alone_is_not_its(tmp_path: Path, third: list[Toy]) -> None:
    (tmp_path / "bot.yaml").write_text(
        SETTINGS.replace("type: toy,", "type: toy, check_runs: always,", 1)
    )
    with pytest.raises(SettingsError, match="not toy's; it takes a token"):
        load_settings(tmp_path / "bot.yaml")


def test_without_its_row_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    with pytest.raises(
        SettingsError,
        match="no forge of this type is built in; there is: github, gitlab, forgejo, gitea",
    ):
        load_settings(tmp_path / "bot.yaml")
    with pytest.raises(
        UsageError, match=r"no type of forge toy\. Types are github, gitlab, forgejo, gitea"
    ):
        post_delivery("http://127.0.0.1:9", SECRET, "opened", b"{}", forge="toy")


def test_no_module_but_settings_and_demo_names_forges_one_by_one() -> None:
    """Names in code, as strings: what depends on the type asks for its row."""
    bot = Path(__file__).parents[2] / "bot"
    # Systems of CI are no forges, though some have a forge's name.
    ci = (bot / "ci", bot / "cli" / "ci.py")
    free = (bot / "forge", bot / "demo", bot / "settings" / "forges.py", *ci)
    found = [
        f"{path.relative_to(bot)}:{number}"
        for path in bot.rglob("*.py")
        if not any(path.is_relative_to(one) for one in free)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if any(f'"{kind}"' in line for kind in FORGE_TYPES)
    ]
    # `minimize demo --forge` chooses one that the demo's forge speaks, `webhook send` a default.
    assert {one.partition(":")[0] for one in found} <= {"cli/server.py"}
