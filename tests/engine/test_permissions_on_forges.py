"""The table of permissions on both APIs: roles as the forge gives them, at that moment.

tests/engine/test_permission_table.py has each cell by itself; here each cell comes as a signed
delivery of a forge that is real to the bot, and the role from its API.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.chat.commands import COMMANDS
from bot.demo.forge.gitlab import shapes
from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull, Repository
from bot.engine.dispatcher import Dispatcher
from bot.engine.merged import MergedChanges
from bot.forge.values import ROLES, PullRequestKey
from bot.store.history.history import open_history
from bot.store.records import CheckRecord
from bot.store.store import Store, open_store
from tests.engine.conftest import settings_in
from tests.engine.test_permission_table import HEAD, LINES, LOWEST, Recorder
from tests.forges import ABILITIES, KINDS, NOWHERE, add_hook, forge_on

_NAMES = {"github": "gh", "gitlab": "gl", "forgejo": "fj", "pagure": "pa"}
# The paths that tell a role, of each API.
_ROLES = re.compile(r"/(collaborators/ann/permission|members/all/\d+|api/0/rpms/nginx)(\?|$)")


@dataclass
class World:
    kind: str
    local: LocalForge
    repository: Repository
    forge: Any
    store: Store
    engine: Recorder
    dispatcher: Dispatcher

    async def pull(self, whose: str, source: str) -> Pull:
        """A pull request of ann's or zoe's, from a fork of theirs or from a branch."""
        author = "ann" if whose == "own" else "zoe"
        head = self.repository
        if source == "fork":
            head = self.local.add_repository(f"{author}/nginx", parent=self.repository)
        name = f"{whose}-{source}"
        head.git.commit(name, {"nginx.spec": f"# {name}\n"}, name, start="main")
        from_fork = head if source == "fork" else None
        return await self.local.open_pull(
            self.repository, name, user=author, title=name, head_repository=from_fork
        )

    async def say(self, pull: Pull, text: str, *, running: bool) -> str:
        """What became of a command of ann's: its outcome as it is kept."""
        path = self.repository.gitlab_path or self.repository.full_name
        with self.store.writing() as db:
            db.execute("delete from checks")
            db.execute("delete from commands")
        self.store.add_check(
            CheckRecord(
                f"c{pull.number}",
                self.forge.name,
                path,
                pull.number,
                pull.head_sha,
                base_ref="main",
                created="2026-01-01T00:00:00Z",
                open=running,
            )
        )
        before = len(self.local.deliveries)
        await self.local.comment(pull, text, user="ann")
        for delivery in self.local.deliveries[before:]:
            headers = {name.lower(): value for name, value in delivery.headers.items()}
            self.store.add_deliveries([self.forge.accept(headers, delivery.body)])
        await self.dispatcher.handle_new()
        return ",".join(row["outcome"] for row in self.store.rows("select outcome from commands"))


@asynccontextmanager
async def world(where: Path, kind: str) -> AsyncIterator[World]:
    async with LocalForge(where / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        for user in ("ann", "zoe"):
            local.add_user(user)
        forge = forge_on(local, kind, repository, _NAMES[kind])
        if kind == "github":
            local.state.apps[0].hook_url = NOWHERE
        else:
            add_hook(local, kind, events=("note",))
        store, engine = open_store(where), Recorder()
        recorder: Any = engine
        forges: Any = {forge.name: forge}
        settings = settings_in(where)
        history = open_history(store)
        merged_changes = MergedChanges(store, history, settings)
        dispatcher = Dispatcher(store, forges, recorder, settings, merged_changes)
        yield World(kind, local, repository, forge, store, engine, dispatcher)
        await forge.close()
        history.close()
        store.close()


def asked_for_role(world: World, since: int) -> bool:
    paths = [path for _, path, _ in world.local.requests[since:]]
    return any(map(_ROLES.search, paths))


@pytest.mark.parametrize("source", ["fork", "branch"])
@pytest.mark.parametrize("whose", ["own", "anothers"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_command(tmp_path: Path, kind: str, role: str, whose: str, source: str) -> None:
    async with world(tmp_path, kind) as made:
        pull = await made.pull(whose, source)
        made.local.set_role(made.repository, "ann", role)
        held = ABILITIES[kind].roles.get(role, role)
        found, wanted = {}, {}
        for name, command in COMMANDS.items():
            since = len(made.local.requests)
            line = LINES[name].replace(HEAD, pull.head_sha)
            found[name] = await made.say(pull, line, running=name == "cancel")
            lowest = LOWEST[name][0 if whose == "anothers" else 1]
            allowed = ROLES.index(held) >= ROLES.index(lowest)
            # Nobody answers for their own breach, whatever their role.
            refused = not allowed or (name == "accept" and whose == "own")
            wanted[name] = "refused" if refused else "taken"
            # Asked now, each time, and not at all where none is needed.
            assert asked_for_role(made, since) is (command.who.role is not None), name
        assert found == wanted


@pytest.mark.parametrize("kind", KINDS)
async def test_a_role_counts_from_the_moment_it_is_given_or_taken(tmp_path, kind: str) -> None:
    async with world(tmp_path, kind) as made:
        pull = await made.pull("anothers", "fork")
        outcomes = []
        for role in ("read", "write", "none", "maintain"):
            made.local.set_role(made.repository, "ann", role)
            outcomes.append(await made.say(pull, "/minimize check", running=False))
        assert outcomes == ["refused", "taken", "refused", "taken"]


def show_member(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """GitLab's member ann has these fields."""
    plain = shapes.GitLabShapes.member

    def member(self: Any, repository: Repository, user: Any) -> Any:
        found = plain(self, repository, user)
        return {**found, **fields} if user.login == "ann" else found

    monkeypatch.setattr(shapes.GitLabShapes, "member", member)


@pytest.mark.parametrize(
    ("level", "role"),
    [
        (5, "read"),  # Minimal access: as a stranger to what is public
        (10, "read"),  # Guest
        (15, "read"),  # Planner
        (20, "triage"),  # Reporter
        (25, "triage"),  # a custom role built on Reporter, and Security Manager
        (30, "write"),  # Developer
        (40, "maintain"),  # Maintainer
        (50, "admin"),  # Owner
        (60, "admin"),  # Admin
    ],
)
async def test_gitlabs_access_levels(tmp_path, monkeypatch, level: int, role: str) -> None:
    show_member(monkeypatch, access_level=level)
    async with world(tmp_path, "gitlab") as made:
        pull = await made.pull("anothers", "branch")
        made.local.set_role(made.repository, "ann", "read")
        outcome = await made.say(pull, "/minimize check", running=False)
        assert outcome == ("taken" if ROLES.index(role) >= ROLES.index("triage") else "refused")
        outcome = await made.say(pull, f"/minimize allow {pull.head_sha}", running=False)
        assert outcome == ("taken" if ROLES.index(role) >= ROLES.index("write") else "refused")


@pytest.mark.parametrize("state", ["blocked", "banned", "ldap_blocked", "deactivated"])
async def test_an_account_that_is_shut_out_has_no_role_any_more(
    tmp_path, monkeypatch, state: str
) -> None:
    show_member(monkeypatch, state=state)
    async with world(tmp_path, "gitlab") as made:
        pull = await made.pull("anothers", "branch")
        made.local.set_role(made.repository, "ann", "maintain")
        assert await made.say(pull, "/minimize check", running=False) == "refused"
        # Nor is it built for what it once was.
        key = PullRequestKey("gl", made.repository.full_name, 1)
        assert await made.forge.role_of(key, "ann") == "read"
