"""A GitLab of the local forge with a merge request, and the bot's side of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull, Repository
from bot.forge.gitlab.client import GitLabClient
from bot.forge.gitlab.forge import GitLab
from bot.forge.values import PullRequestKey
from bot.settings.forges import ForgeSettings

PATH = "rpms/web/nginx"


@dataclass
class World:
    local: LocalForge
    repository: Repository
    pull: Pull
    gitlab: GitLab
    key: PullRequestKey
    waits: list[float]

    def requests_of(self, method: str, part: str) -> list[str]:
        return [path for m, path, _ in self.local.requests if m == method and part in path]

    def statuses(self, repository: Repository | None = None) -> list[tuple[str, str | None]]:
        made = self.local.state.statuses.get((repository or self.repository).id, [])
        return [(s.state, s.description) for s in made]


def settings_of(url: str, **more: Any) -> ForgeSettings:
    fields = {"type": "gitlab", "api_url": url, "token": {"env": "X"}}
    return ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}], **more})


@asynccontextmanager
async def gitlab_world(tmp_path: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.gitlab_path = PATH
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n" * 9}, "Start")
        changed = {"nginx.spec": None, "web/nginx.spec": "Name: nginx\n" * 9, "a.patch": "x"}
        repository.git.commit("topic", changed, "Move", start="main")
        local.set_role(repository, "minimize-bot", "write")
        pull = await local.open_pull(repository, "topic", user="jonas", title="Move")
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            client.rate_limit._held_until = 0.0  # the time is over

        token = local.token("minimize-bot")
        client = GitLabClient(local.url, token, sleep)
        gitlab = GitLab(
            "gl",
            settings_of(local.url),
            token=token,
            secrets=("s3cret",),
            client=client,
        )
        key = PullRequestKey("gl", PATH, pull.number)
        yield World(local, repository, pull, gitlab, key, waits)
        await gitlab.close()
