"""A project with a pull request from a fork, on the local forge as each kind and a real Pagure."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from bot.demo.forge.pagure.shapes import ACCESS
from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull, Repository
from bot.forge.protocol import Forge
from bot.forge.values import IgnoredEvent, PullRequestKey, Role
from tests.forge.pagure_server import ANN, BOT, EVE, OWNER, PagureServer
from tests.forges import ABILITIES, NOWHERE, Abilities, add_hook, forge_on

FILES = {"nginx.spec": "Name: n\n", "new": "x"}


class Hook:
    """A server that takes webhooks: headers, with lower-case names, and bodies."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        came = self.came

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                came.append(({name.lower(): text for name, text in self.headers.items()}, body))
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook/pagure"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Place(ABC):
    """The project, with a pull request from the branch `topic` of ann's fork."""

    kind: str
    forge: Forge
    name: str
    head: str
    number: int
    bot: str

    @property
    def can(self) -> Abilities:
        return ABILITIES[self.kind]

    @property
    def key(self) -> PullRequestKey:
        return PullRequestKey(self.forge.name, self.name, self.number)

    @abstractmethod
    async def push(self, branch: str, files: Mapping[str, str], *, user: str) -> str:
        """Push to ann's fork, or as the maintainer to the project; the commit."""

    @abstractmethod
    async def comment(self, text: str, *, user: str) -> None: ...

    @abstractmethod
    async def end(self, how: str) -> None:
        """Close, reopen or merge the pull request, as the maintainer."""

    @abstractmethod
    async def give(self, user: str, role: Role) -> None:
        """Give a user a role in the project."""

    @abstractmethod
    async def stranger(self) -> Forge:
        """Our connection with a credential that the forge does not know."""

    @abstractmethod
    def came(self) -> list[tuple[dict[str, str], bytes]]:
        """The webhooks that came since the last look."""

    def events(self) -> list[Any]:
        """The events that came since the last look, but those that ask nothing."""
        deliveries = [self.forge.accept(*one) for one in self.came()]
        found = [self.forge.event(one.event, one.body) for one in deliveries]
        return [one for one in found if not isinstance(one, IgnoredEvent)]


class LocalPlace(Place):
    """The local forge as one kind."""

    def __init__(self, kind: str, local: LocalForge) -> None:
        self.kind, self.local, self.name = kind, local, "rpms/nginx"
        repository = self.repository = local.add_repository(self.name)
        for user in (OWNER, ANN, EVE):
            local.add_user(user)
        local.set_role(repository, OWNER, "admin")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        self.fork = local.add_repository("ann/nginx", parent=repository, owner_kind="User")
        self.forge = forge_on(local, kind, repository)
        if kind == "github":
            local.state.apps[0].hook_url = NOWHERE
        else:
            add_hook(local, kind, events=("merge_request", "note", "push"))
        self.bot = "minimize[bot]" if kind == "github" else BOT
        self._seen = 0
        self.pull: Pull

    async def open(self) -> None:
        self.head = self.fork.git.commit("topic", FILES, "Go", start="main")
        where: dict[str, Any] = {"user": ANN, "title": "Change topic", "head_repository": self.fork}
        self.pull = await self.local.open_pull(self.repository, "topic", **where)
        self.number = self.pull.number

    async def push(self, branch: str, files: Mapping[str, str], *, user: str) -> str:
        where: Repository = self.fork if user == ANN else self.repository
        return await self.local.push(where, branch, files, "Change", user=user)

    async def comment(self, text: str, *, user: str) -> None:
        await self.local.comment(self.pull, text, user=user)

    async def end(self, how: str) -> None:
        if how == "merge":
            await self.local.merge_pull(self.pull, user=OWNER)
        else:
            await self.local.close_pull(self.pull, user=OWNER, reopen=how == "reopen")

    async def give(self, user: str, role: Role) -> None:
        self.local.set_role(self.repository, user, role)

    async def stranger(self) -> Forge:
        self.local.state.tokens.clear()
        self.local.state.apps.clear()
        return self.forge

    def came(self) -> list[tuple[dict[str, str], bytes]]:
        new, self._seen = self.local.deliveries[self._seen :], len(self.local.deliveries)
        return [({name.lower(): text for name, text in d.headers.items()}, d.body) for d in new]


class PagurePlace(Place):
    """Debian's Pagure. Its API is asked in a thread: it sends webhooks meanwhile."""

    kind = "pagure"
    bot = BOT

    def __init__(self, server: PagureServer, name: str, hook: Hook) -> None:
        self.server, self.hook = server, hook
        self.name = server.project(name)
        key = server.hook(self.name, hook.url)
        self.fork = server.fork(self.name)
        self.head = server.push(self.fork, "topic", FILES, user=ANN)
        self.number = server.open_pull(self.name, "topic", user=ANN)
        self.forge = server.forge("other", key)

    async def push(self, branch: str, files: Mapping[str, str], *, user: str) -> str:
        where = self.fork if user == ANN else self.name
        return await asyncio.to_thread(self.server.push, where, branch, files, user=user)

    async def comment(self, text: str, *, user: str) -> None:
        await self._post("comment", user, comment=text)

    async def end(self, how: str) -> None:
        await self._post(how, OWNER, **({"wait": True} if how == "merge" else {}))

    async def _post(self, what: str, user: str, **fields: object) -> None:
        path = f"{self.name}/pull-request/{self.number}/{what}"
        await asyncio.to_thread(self.server.api, path, user, "POST", **fields)
        await asyncio.to_thread(self.server.settle)

    async def give(self, user: str, role: Role) -> None:
        await asyncio.to_thread(self.server.give, self.name, "user", user, ACCESS[role])

    async def stranger(self) -> Forge:
        made = self.server.forge()
        made._token = "no-such-token"
        return made

    def came(self) -> list[tuple[dict[str, str], bytes]]:
        new = list(self.hook.came)
        self.hook.came.clear()
        return new


@asynccontextmanager
async def local_place(kind: str, where: Path) -> AsyncIterator[Place]:
    async with LocalForge(where / "forge") as local:
        made = LocalPlace(kind, local)
        await made.open()
        yield made
        await made.forge.close()


@asynccontextmanager
async def pagure_place(server: PagureServer, name: str) -> AsyncIterator[Place]:
    hook = Hook()
    try:
        made = await asyncio.to_thread(PagurePlace, server, name, hook)
        yield made
        await made.forge.close()
    finally:
        hook.close()
