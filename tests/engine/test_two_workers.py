"""Two workers on one pull request that is pushed to and commented on again and again, while
deliveries come late, in any order, and twice: one comment, the newest head's; an answer each."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import CheckRun, Comment, CommitStatus, Pull
from bot.report.render import COMMENT_MARKER
from tests.engine.two_processes import processes, write_settings
from tests.forges import KINDS, edits_comments

PUSHES = 20
EVERY = 4  # pushes from comment to comment
SECONDS = 300.0


@asynccontextmanager
async def world(tmp_path: Path, kind: str) -> AsyncIterator[tuple[LocalForge, Pull, str]]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: nginx\n# 0\n"}, "0", start="main")
        url = write_settings(tmp_path, local, kind)
        pull = await local.open_pull(repository, "topic", user="jonas", title="t")
        local.set_role(repository, "jonas", "write")
        with processes(tmp_path):
            yield local, pull, url


@pytest.mark.parametrize("kind", KINDS)
async def test_one_comment_stays_and_it_is_the_newest_heads(tmp_path: Path, kind: str) -> None:
    chance = random.Random(4)
    async with world(tmp_path, kind) as (local, pull, url), aiohttp.ClientSession() as session:

        async def send(headers: dict, body: bytes, seconds: float) -> None:
            await asyncio.sleep(seconds)
            async with session.post(url, data=body, headers=headers) as answer:
                assert answer.status == 202, await answer.text()

        sending = []
        for number in range(1, PUSHES + 1):
            already = len(local.deliveries)
            text = {"nginx.spec": f"Name: nginx\nRequires: perl\n# {number}\n"}
            await local.push(pull.repository, "topic", text, "Again", user="jonas")
            if number % EVERY == 0:
                # Another question each time: the same again would edit its one answer.
                commands = f"/minimize check\n/minimize why perl{number}"
                await local.comment(pull, commands, user="jonas")
            # The bot's own comments are among them.
            for delivery in local.deliveries[already:]:
                for _ in range(2):
                    late = chance.random() * 1.5
                    sending.append(
                        asyncio.ensure_future(send(delivery.headers, delivery.body, late))
                    )
            await asyncio.sleep(chance.random() * 0.3)
        await asyncio.gather(*sending)
        assert len(sending) >= 2 * (PUSHES + PUSHES // EVERY)
        await quiet(local, pull)
        *older, comment = [c for c in bot_comments(local, pull) if COMMENT_MARKER in c.body]
        assert older == [] or not edits_comments(kind)
        answers = answers_of(local, pull)
        assert len(answers) == len({a.split("\n")[0] for a in answers}) == PUSHES // EVERY
        assert all("`/minimize why perl" in answer for answer in answers)
        log = (tmp_path / "log").read_text()
        assert of_newest_head(local, pull), (comment.body, log)
        assert unfinished(local, pull) == [], log
        assert conclusion(local, pull) == "success", log


def bot_comments(local: LocalForge, pull: Pull) -> list[Comment]:
    return [c for c in local.state.comments_of(pull) if c.user.login != "jonas"]


def answers_of(local: LocalForge, pull: Pull) -> list[str]:
    return [c.body for c in bot_comments(local, pull) if COMMENT_MARKER not in c.body]


def of_newest_head(local: LocalForge, pull: Pull) -> bool:
    """Return whether the newest comment is about the newest head."""
    found = [c.body for c in bot_comments(local, pull) if COMMENT_MARKER in c.body]
    return f"-{pull.head_sha[:10]}-" in "".join(found[-1:])


def unfinished(local: LocalForge, pull: Pull) -> list[str]:
    """The heads whose status is still in progress."""
    runs = [r.head_sha for r in local.state.check_runs if r.status != "completed"]
    newest = {s.sha: s for s in local.state.statuses.get(pull.repository.id, [])}
    return runs + [s.sha for s in newest.values() if s.state in ("pending", "running")]


def conclusion(local: LocalForge, pull: Pull) -> str | None:
    """What the newest head's status says."""
    runs = local.state.runs_of(pull.repository, pull.head_sha)
    made = [s for s in local.state.statuses.get(pull.repository.id, []) if s.sha == pull.head_sha]
    if runs:
        return runs[-1].conclusion
    return made[-1].state if made else None


async def quiet(local: LocalForge, pull: Pull) -> None:
    """Until every head is concluded, the newest has its comment, each command its answer, and there
    was no write for two seconds.

    What a slow machine wrote late, after its run was stopped, is ended a minute later.
    """
    last = [time.monotonic()]
    kinds = (CheckRun, Comment, CommitStatus)

    def changed(change) -> None:
        if isinstance(change.subject, kinds):
            last[0] = time.monotonic()

    local.state.listeners.append(changed)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        still = time.monotonic() - last[0] > 2
        answered = len(answers_of(local, pull)) >= PUSHES // EVERY
        over = conclusion(local, pull) and not unfinished(local, pull)
        if still and answered and over and of_newest_head(local, pull):
            return
        await asyncio.sleep(0.1)
