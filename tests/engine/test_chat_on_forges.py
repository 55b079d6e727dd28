"""Comments on a forge that is real to the bot, on every API: heard, answered once, own ones not."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Comment, Pull
from tests.engine.two_processes import processes, write_settings
from tests.forges import ABILITIES, KINDS, edits_comments


@asynccontextmanager
async def world(home: Path, kind: str) -> AsyncIterator[tuple[LocalForge, Pull]]:
    async with LocalForge(home / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: nginx\n# 0\n"}, "0", start="main")
        write_settings(home, local, kind, hears=True)
        local.set_role(repository, "maria", "write")
        local.add_user("bob")
        with processes(home):
            yield local, await local.open_pull(repository, "topic", user="jonas", title="t")


async def until(true: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, log.read_text()
        await asyncio.sleep(0.1)


def answers(local: LocalForge, pull: Pull) -> list[Comment]:
    return [c for c in local.state.comments_of(pull) if "<!-- minimize:answer" in c.body]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    async with world(tmp_path, kind) as (local, pull):
        comment = await local.comment(pull, "/minimize help\n/minimize why perl", user="maria")
        await until(lambda: len(answers(local, pull)) == 1, log)
        assert "`/minimize allow SHA`" in answers(local, pull)[0].body
        # Written beside the answer, before it or after it.
        seen = ["eyes"] if ABILITIES[kind].reactions else []
        await until(lambda: [r.content for r in comment.reactions] == seen, log)

        await local.comment(pull, "/minimize check", user="bob")
        await until(lambda: len(answers(local, pull)) == 2, log)
        assert "check needs the role triage or above" in answers(local, pull)[1].body

        # Jonas has no role that builds; Maria allows it for this commit.
        await until(lambda: f"/minimize allow {pull.head_sha}" in current(local, pull, kind), log)
        await local.comment(pull, f"/minimize allow {pull.head_sha}", user="maria")
        await until(lambda: ", rebuilt." in current(local, pull, kind), log)
        await local.settled()
        assert len(answers(local, pull)) == 2


def current(local: LocalForge, pull: Pull, kind: str) -> str:
    own = [c for c in local.state.comments_of(pull) if "minimize:comment" in c.body]
    assert len(own) < 2 or not edits_comments(kind)
    return own[-1].body if own else ""
