"""Somebody who follows the commands of deploy/README.md, and the distribution and forge for it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import re
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from bot.demo.forge.server import LocalForge
from tests.check.tiny import TOOL, documented, make_repositories, workload
from tests.deploy.places import Here, start_command
from tests.forges import BOT, api_url

READY = "curl --fail http://127.0.0.1:8080/health/ready"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, without a line for each on standard error."""

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def published(home: Path, host: str) -> Iterator[str]:
    """The address of a tiny distribution, served here."""
    make_repositories(home)
    with served(home, host) as address:
        yield address


@contextlib.contextmanager
def served(home: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """The address at which a folder's files are."""
    handler = functools.partial(Handler, directory=str(home))
    with http.server.ThreadingHTTPServer((host, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{host}:{server.server_port}"
        server.shutdown()


class Operator:
    """Somebody who goes by the README, with a GitLab of their own."""

    def __init__(self, place: Here, local: LocalForge, distribution: str, home: Path) -> None:
        self.place, self.local, self.distribution, self.home = place, local, distribution, home
        self.output = ""
        self.server: subprocess.Popen[bytes] | None = None
        repository = local.add_repository("rpms/tool")
        repository.git.commit("main", {"tool.spec": TOOL, "data.txt": "data\n"}, "Start")
        local.set_role(repository, "maria", "write")
        local.set_role(repository, BOT, "write")
        self.repository = repository

    async def follow(self, command: str) -> None:
        """Do what a command of the README says; it must succeed."""
        if command.startswith("editor "):
            self.edit()
        elif command.startswith("systemctl ") and not self.place.systemd:
            await self.stop()
            if not command.startswith("systemctl stop "):
                self.server = self.place.start(start_command(), self.home / "log")
        elif command.startswith("curl "):
            await self.succeeds(command, tries=int(240 * self.place.slowness))
        elif command.startswith("minimize setup "):
            await self.succeeds(command, answers=self.answers())
            (secret,) = re.findall(r"signing token (whsec_\S+)", self.output)
            hook = f"{self.place.public_url}/webhook/gitlab"
            self.local.gitlab.add_hook(hook, secret, events=("merge_request", "note"))
        elif command.startswith("minimize runs "):
            await self.commented()
            await self.succeeds(command)
        else:
            await self.succeeds(command)

    async def succeeds(self, command: str, answers: str = "", tries: int = 1) -> None:
        for _ in range(tries):
            done = await asyncio.to_thread(self.place.run, command, answers)
            self.output = done.stdout + done.stderr
            if done.returncode == 0:
                return
            # As in an empty container: everything of the sandbox is there but a delegated group.
            if " doctor " in command and self.place.more:
                missing = re.findall(r"^(missing|no)\s+(.*)", self.output, re.M)
                assert missing and all("memory" in line for _, line in missing), self.output
                return
            await asyncio.sleep(0.5)
        pytest.fail(f"{command}: {self.output[-3000:]}{self.log()}")

    async def keep_up(self, followed: list[str]) -> None:
        """Follow an upgrade, a backup, its restoring; each time the checks are there again."""
        for command in followed:
            await self.follow(command)
            if command.startswith(("systemctl restart ", "systemctl start ")):
                await self.follow(READY)
                await self.succeeds("minimize runs --settings /etc/minimize/bot.yaml")
                assert "rpms/tool" in self.output

    async def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self.server.wait, 30)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
            self.server = None

    def answers(self) -> str:
        """The answers to `minimize setup`, one for each question."""
        folders = self.place.folders()
        forge = ("gitlab", api_url(self.local, "gitlab"), self.local.token(BOT))
        return "\n".join(
            (
                *(self.place.public_url, self.place.listens_at, str(self.place.port)),
                *(*folders, "", *forge, "rpms/*", "centos-stream-10", ""),
            )
        )

    def edit(self) -> None:
        """The distribution in place of those that come along; nothing is built."""
        bench = documented(self.home, self.home, web=workload("tool"))
        with self.place.opened() as folder:
            documents = folder / "documents"
            for path in documents.glob("*.yaml"):
                path.unlink()
            for path in bench.config.glob("*.yaml"):
                text = path.read_text().replace(f"file://{self.home}", self.distribution)
                (documents / path.name).write_text(text)
            path = folder / "bot.yaml"
            settings = yaml.safe_load(path.read_text())
            settings["repositories"] = [{"match": "rpms/*", "documents": ["repo"]}]
            settings |= {"build": {"enabled": False}, **self.place.more}
            path.write_text(yaml.safe_dump(settings))

    async def commented(self) -> None:
        """A merge request that adds a requirement gets its comment."""
        head = {"tool.spec": TOOL.replace("%description\n", "Requires: perl\n%description\n", 1)}
        self.repository.git.commit("topic", head, "Change", start="main")
        pull = await self.local.open_pull(self.repository, "topic", user="maria", title="t")
        for _ in range(int(1200 * self.place.slowness)):
            found = [one.body for one in self.local.state.comments_of(pull)]
            if found:
                assert "`Requires: perl`" in found[0]
                assert "perl" in found[0] and "tool.spec" in found[0]
                return
            if not self.place.systemd:
                assert self.server is not None and self.server.poll() is None, self.log()
            await asyncio.sleep(0.1)
        pytest.fail(f"no comment: {self.log()}")

    def log(self) -> str:
        """Return the server's log."""
        return self.place.log(self.home / "log")


@contextlib.asynccontextmanager
async def operator(place: Here, home: Path) -> AsyncIterator[Operator]:
    with published(home / "distribution", place.address) as address:
        async with LocalForge(home / "forge", place.address) as local:
            made = Operator(place, local, address, home)
            for url in (address, local.url):
                place.reach(urlsplit(url).port or 80)
            try:
                yield made
            finally:
                await made.stop()
