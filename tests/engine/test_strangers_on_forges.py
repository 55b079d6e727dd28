"""A stranger's change on every forge, from end to end: never green until somebody allows it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull, Repository
from bot.report.render import COMMENT_MARKER
from tests.engine.two_processes import processes, write_settings
from tests.forges import ABILITIES, KINDS

BUILT = ", rebuilt."


@dataclass
class World:
    """A pull request of jonas, who has no role, from his fork; maria may write."""

    local: LocalForge
    fork: Repository
    pull: Pull
    log: Path
    kind: str

    async def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 180
        while not true():
            assert time.monotonic() < deadline, self.log.read_text()
            await asyncio.sleep(0.1)

    async def say(self, text: str, user: str = "maria") -> None:
        await self.local.comment(self.pull, text, user=user)

    async def push(self, number: int) -> str:
        text = {"nginx.spec": f"Name: nginx\nRequires: perl\n# {number}\n"}
        return await self.local.push(self.fork, "topic", text, "Again", user="jonas")

    def comment(self) -> str:
        """The newest one: where comments are edited, the only one."""
        written = self.local.state.comments_of(self.pull)
        return next((c.body for c in reversed(written) if COMMENT_MARKER in c.body), "")

    def answers(self) -> list[str]:
        written = self.local.state.comments_of(self.pull)
        return [c.body for c in written if "<!-- minimize:answer" in c.body]

    def state(self, sha: str) -> str | None:
        """The conclusion of the newest check run, or what the comment says in its place."""
        runs = [r for r in self.local.state.check_runs if r.head_sha == sha]
        if runs:
            return runs[-1].conclusion
        if ABILITIES[self.kind].statuses:
            made = self.local.state.statuses_of(self.pull.repository, sha)
            said = f"{made[-1].state} {made[-1].description}" if made else ""
            waits = said.startswith("pending") and "/minimize allow" in said
            return "action_required" if waits else said.partition(" ")[0] or None
        if f"<!-- minimize-status {sha} -->" not in self.comment():
            return None
        line = self.comment().split("\n")[1]
        words = {"waits for somebody": "action_required", "succeeded": "success"}
        return next((state for word, state in words.items() if word in line), None)

    def ever_green(self, sha: str) -> bool:
        runs = [r.conclusion for r in self.local.state.check_runs if r.head_sha == sha]
        made = [s for status in self.local.state.statuses.values() for s in status if s.sha == sha]
        marks = [m.content for m in self.local.state.pull_reactions.get(self.pull.id, [])]
        return bool({"success", "neutral"} & {*runs, *(s.state for s in made)} or "hooray" in marks)


@asynccontextmanager
async def world(home: Path, kind: str, mode: str = "enforce") -> AsyncIterator[World]:
    async with LocalForge(home / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        fork = local.add_repository("jonas/nginx", parent=repository, owner_kind="User")
        fork.git.commit("topic", {"nginx.spec": "Name: nginx\n# 0\n"}, "0", start="main")
        write_settings(home, local, kind, hears=True, mode=mode)
        local.set_role(repository, "maria", "write")
        with processes(home):
            pull = await local.open_pull(
                repository, "topic", user="jonas", title="t", head_repository=fork
            )
            yield World(local, fork, pull, home / "log", kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_strangers_change_waits_for_the_line_with_its_commit(
    tmp_path: Path, kind: str
) -> None:
    async with world(tmp_path, kind) as made:
        first = made.pull.head_sha
        await made.until(lambda: made.state(first) == "action_required")
        await made.until(lambda: f"`/minimize allow {first}`" in made.comment())

        # The author may not, a bare word is no decision, and what was pushed since is not meant.
        await made.say(f"/minimize allow {first}", "jonas")
        await made.until(lambda: len(made.answers()) == 1)
        assert "allow needs the role write or above" in made.answers()[-1]
        await made.say("/minimize allow")
        await made.until(lambda: len(made.answers()) == 2)
        assert f"`/minimize allow {first}`" in made.answers()[-1]
        second = await made.push(2)
        await made.say(f"/minimize allow {first}")
        await made.until(lambda: len(made.answers()) == 3)
        assert f"The head of this pull request is `{second}`" in made.answers()[-1]
        await made.until(lambda: made.state(second) == "action_required")
        assert BUILT not in made.comment()
        assert not made.ever_green(first)
        assert not made.ever_green(second)

        # Allowed, and pushed to in the same moment: the newer commit is not built.
        await made.say(f"/minimize allow {second}")
        third = await made.push(3)
        await made.until(lambda: made.state(third) == "action_required")
        await made.until(lambda: f"`/minimize allow {third}`" in made.comment())
        assert not made.ever_green(third)

        await made.say(f"/minimize allow {third}")
        await made.until(lambda: BUILT in made.comment())
        await made.until(lambda: made.state(third) == "success")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_stranger_pushes_to_a_members_branch_is_a_strangers(
    tmp_path: Path, kind: str
) -> None:
    if not ABILITIES[kind].pushers:
        pytest.skip("nothing tells who pushed: whose fork it is counts")
    async with world(tmp_path, kind) as made:
        made.local.set_role(made.pull.repository, "jonas", "write")
        await made.push(1)
        await made.until(lambda: BUILT in made.comment())
        text = {"nginx.spec": "Name: nginx\nRequires: perl\n# eve\n"}
        head = await made.local.push(made.fork, "topic", text, "Again", user="eve")
        await made.until(lambda: made.state(head) == "action_required")
        await made.until(lambda: f"`/minimize allow {head}`" in made.comment())
        assert "eve, who pushed the head commit" in made.comment().replace("`", "")
        assert not made.ever_green(head)
