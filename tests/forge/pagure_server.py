"""Debian's Pagure, started for the tests, and what a test does to it by its API."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from bot.demo.forge.gitstore import ZERO, BareRepository
from bot.forge.pagure.forge import Pagure
from bot.settings.forges import ForgeSettings

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("serve_pagure.py")
# The bot, a maintainer, a packager with a fork, and a stranger.
BOT, OWNER, ANN, EVE = USERS = ("minimize-bot", "maria", "ann", "eve")


@dataclass
class PagureServer:
    """A running Pagure, its folder and the tokens of its users."""

    folder: Path
    url: str
    tokens: Mapping[str, str]

    def ask(self, path: str, caller: str = "", method: str = "", **fields: object) -> Any:
        """The answer of a path of the API; with `fields`, a POST of them."""
        data = json.dumps(fields).encode() if fields or method == "POST" else None
        request = Request(f"{self.url}{path}", data, method=method or None)
        request.add_header("Content-Type", "application/json")
        if caller:
            request.add_header("Authorization", f"token {self.tokens[caller]}")
        try:
            with urlopen(request, timeout=300) as answer:
                body = answer.read().decode()
        except HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(body) if body.startswith(("{", "[")) else body

    def api(self, path: str, caller: str = "", method: str = "", **fields: object) -> Any:
        return self.ask(f"/api/0/{path}", caller, method, **fields)

    def git(self, project: str) -> BareRepository:
        """The repository of a project on disk."""
        return BareRepository(self.folder / "repositories" / f"{project}.git")

    def project(self, name: str) -> str:
        """A new project of the maintainer's in `rpms`, with a branch `main`; its whole name."""
        self.api("new", OWNER, name=name, namespace="rpms", description=name, wait=True)
        self.git(f"rpms/{name}").git("symbolic-ref", "HEAD", "refs/heads/main")
        self.git(f"rpms/{name}").commit("main", {f"{name}.spec": f"Name: {name}\n"}, "Start")
        return f"rpms/{name}"

    def fork(self, project: str, user: str = ANN) -> str:
        """A new fork of a project; its whole name."""
        namespace, _, name = project.rpartition("/")
        self.api("fork", user, repo=name, namespace=namespace, wait=True)
        return f"forks/{user}/{project}"

    def give(self, project: str, kind: str, name: str, access: str, **more: object) -> None:
        """Give a `user` or a `group` access to a project."""
        fields = {"user_type": kind, "name": name, "acl": access, **more}
        self.api(f"{project}/git/modifyacls", OWNER, **fields)

    def group(self, name: str, *members: str) -> None:
        """A new group of the maintainer's, with members."""
        self.ask("/-/group", name=name, user=OWNER, members=members)

    def hook(self, project: str, url: str) -> str:
        """Have a project send webhooks to an address; the key that signs them."""
        self.api(f"{project}/options/update", OWNER, **{"Web-hooks": url})
        return str(self.api(f"{project}/webhook/token", OWNER)["webhook"]["token"])

    def push(
        self, project: str, branch: str, files: Mapping[str, str], *, user: str, start: str = "main"
    ) -> str:
        """Commit files on a branch, with all that a push causes; the commit."""
        git = self.git(project)
        before = git.branch(branch) or ZERO
        after = git.commit(branch, files, f"Change {', '.join(files)}", start=start)
        self.ask(
            "/-/pushed", project=project, pusher=user, branch=branch, before=before, after=after
        )
        self.settle()
        return after

    def open_pull(self, project: str, branch: str, *, user: str, fork: bool = True) -> int:
        """A pull request from a fork's branch, or one of the project's own; its number."""
        namespace, _, name = project.rpartition("/")
        source = {"repo_from_username": user} if fork else {}
        made = self.api(
            f"{project}/pull-request/new", user, title=f"Change {branch}", branch_to="main",
            branch_from=branch, repo_from=name, repo_from_namespace=namespace, **source,
        )  # fmt: skip
        self.settle()
        return int(made["id"])

    def settle(self) -> None:
        """Wait until all that was caused is done, webhooks too."""
        self.ask("/-/settled")

    def forge(self, *keys: str, user: str = BOT, name: str = "dist-git") -> Pagure:
        """Our connection; `keys` are the webhook keys of its projects."""
        plain = {"type": "pagure", "api_url": f"{self.url}/api/0", "token": {"env": "X"}}
        settings = ForgeSettings.model_validate({**plain, "webhook_secrets": [{"env": "X"}]})
        return Pagure(name, settings, token=self.tokens[user], secrets=keys)


def pagure_installed() -> bool:
    """Return whether the system's Python has Pagure: Debian's package `pagure`."""
    asked = "import importlib.util as u, sys; sys.exit(u.find_spec('pagure') is None)"
    if not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", asked], check=False).returncode == 0


@contextmanager
def running_pagure(folder: Path) -> Iterator[PagureServer]:
    """A Pagure in an empty folder; skips where none is installed."""
    if not pagure_installed():
        pytest.skip("Pagure is not installed (Debian's package pagure)")
    with (folder / "log").open("wb") as log:
        command = [PYTHON, str(SCRIPT), str(folder), *USERS]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder)
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line, (folder / "log").read_text(errors="replace")[-3000:]
        yield PagureServer(folder, **json.loads(line))
    finally:
        started.kill()
        started.communicate()


if __name__ == "__main__":
    with running_pagure(Path(sys.argv[1])) as server:
        print(server.url, server.tokens)
        input("Enter ends it.")
