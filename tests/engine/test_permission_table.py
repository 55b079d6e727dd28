"""Who may say what, each cell through the dispatcher: role, command, whose, from a fork or not."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from bot.chat.commands import COMMANDS
from bot.engine.dispatcher import Dispatcher
from bot.engine.engine import Running
from bot.engine.steps import body_of
from bot.engine.values import Progress, StoredResult
from bot.forge.events import CommentEvent
from bot.forge.values import ROLES, PullRequest, PullRequestKey
from bot.store.commands import Commands
from bot.store.records import CheckRecord, NewDelivery
from bot.store.store import open_store
from tests.chat.test_chat_commands import LOWEST
from tests.engine.conftest import settings_in
from tests.forges import QuietForge, pull_request

KEY = PullRequestKey("gh", "o/r", 7)
HEAD = "a" * 40
LINES = {
    "check": "/minimize check",
    "why": "/minimize why perl",
    "what-if": "/minimize what-if drop perl",
    "advise": "/minimize advise nginx --edits 2",
    "decline": "/minimize decline nginx:systemd because",
    "accept": f"/minimize accept {HEAD} because",
    "allow": f"/minimize allow {HEAD}",
    "objectives": "/minimize objectives",
    "cancel": "/minimize cancel",
    "help": "/minimize help",
}
CELLS = list(itertools.product(COMMANDS, ROLES, ("own", "anothers"), ("fork", "branch")))


class Recorder:
    """An engine that only writes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.replies: list[Any] = []

    @property
    def publisher(self) -> Recorder:
        return self

    async def begin(self, job: Any) -> None:
        pass

    async def begin_reply(self, job: Any, reply: Any) -> None:
        pass

    async def merge_group(self, key: PullRequestKey, sha: str, base_ref: str, report: Any) -> None:
        self.asked.append("merge_group")

    async def forget_repository(self, forge: str, repository: str) -> None:
        self.asked.append("forget")

    async def closed(self, key: PullRequestKey, sha: str) -> None:
        pass

    async def decline(self, key: PullRequestKey, edit: str) -> None:
        pass

    async def start_check(self, job: Any, urgency: str = "push") -> None:
        self.asked.append("check")

    async def cancel_check(self, check: str) -> None:
        self.asked.append("cancel")

    async def running(self, checks: Any) -> dict[str, Running]:
        return {check: Running("PENDING", None, Progress()) for check in checks}

    async def withdraw(self, job: Any, title: str, summary: str) -> None:
        self.asked.append("withdraw")

    async def publish(self, job: Any, result: Any) -> StoredResult:
        self.asked.append("publish")
        return StoredResult("r", result.verdict, "t")

    async def start_reply(self, job: Any, reply: Any) -> None:
        self.replies.append(reply)


class Forge(QuietForge):
    """Answers for the one pull request and the one user."""

    def __init__(self, pull: PullRequest, role: str) -> None:
        self.pull, self.role = pull, role

    def event(self, name: str, body: bytes) -> CommentEvent:
        return CommentEvent(KEY, **json.loads(body))

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        return self.pull

    async def role_of(self, key: PullRequestKey, user: str) -> str:
        assert user == "ann"
        return self.role


def test_the_table_has_every_command() -> None:
    assert set(LOWEST) == set(LINES) == set(COMMANDS)


@pytest.mark.parametrize(("name", "role", "whose", "source"), CELLS)
async def test_a_cell(tmp_path, name: str, role: str, whose: str, source: str) -> None:
    author = "Ann" if whose == "own" else "zoe"
    place = "ann/r" if source == "fork" else "o/r"
    pull = pull_request(KEY, author=author, head_sha=HEAD, head_repository=place)
    store = open_store(tmp_path)
    known = CheckRecord("c1", "gh", "o/r", 7, HEAD, base_ref="main", created="2026-11-24T00:00:00Z")
    store.add_check(replace(known, open=name == "cancel"))
    engine: Any = Recorder()
    forges: Any = {"gh": Forge(pull, role)}
    merged_changes: Any = None  # nothing is merged here
    dispatcher = Dispatcher(store, forges, engine, settings_in(tmp_path), merged_changes)
    said = {
        "comment": "41",
        "author": "ann",
        "sender": "ann",
        "author_is_bot": False,
        "body": LINES[name],
        "action": "created",
        "updated": "2026-11-24T00:00:01Z",
        "url": "https://forge/7",
    }
    store.add_deliveries([NewDelivery("gh", "issue_comment", "g1", json.dumps(said).encode())])
    await dispatcher.handle_new()

    lowest = LOWEST[name][0 if whose == "anothers" else 1]
    allowed = ROLES.index(role) >= ROLES.index(lowest)
    # Nobody answers for their own breach, whatever their role.
    may = allowed and not (name == "accept" and whose == "own")
    (reply,) = engine.replies
    assert reply.react is may
    (heard,) = store.rows("select outcome from commands")
    assert heard["outcome"] == ("taken" if may else "refused")
    effects = {"check": ["check"], "allow": ["check"], "cancel": ["cancel", "withdraw"]}
    assert engine.asked == (effects.get(name, []) if may else [])
    decided = {
        kind: Commands(store).decision(kind, "gh", "o/r", 7, HEAD) is not None
        for kind in ("accept", "allow")
    }
    assert decided == {kind: may and kind == name for kind in decided}
    declined = store.rows("select edit, reason, user from declined_edits")
    wanted = {"edit": "nginx:systemd", "reason": "because", "user": "ann"}
    assert declined == ([wanted] if may and name == "decline" else [])
    if not allowed:
        assert f"{name} needs the role {LOWEST[name][0]} or above" in body_of(reply, {})
    store.close()
