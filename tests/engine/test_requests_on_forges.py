"""Changes of what images ask for, from a delivery to a comment, on forges that are real to the bot:
Content Resolver's documents, a Containerfile, an `rpms.in.yaml`, and a spec beside one."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull, Repository
from bot.demo.run.setup import (
    BotPlaces,
    BotProcess,
    free_port,
    github_settings,
    serve_command,
    token_settings,
)
from tests.check.tiny import DOCUMENTS, TOOL, make_repositories, workload, write_documents
from tests.forges import ABILITIES, BOT, KINDS, add_hook

CONTAINERFILE = "FROM example.org/tiny:1\nRUN dnf install -y tool && dnf clean all\n"
REQUEST = "packages:\n- tool\ncontext: {image: example.org/tiny:1}\n"
FILES = {
    "Containerfile": CONTAINERFILE,
    "rpms.in.yaml": REQUEST,
    "resolver/web.yaml": workload("tool"),
    "resolver/minimal.yaml": DOCUMENTS["minimal"],
    "tool.spec": TOOL,
    "data.txt": "x",
}
MORE = CONTAINERFILE.replace("tool", "tool perl", 1)
HEADS = {
    "resolver": {"resolver/web.yaml": workload("tool", "perl")},
    "container": {"Containerfile": MORE},
    "rpms": {"rpms.in.yaml": REQUEST.replace("- tool\n", "- tool\n- perl\n")},
    "mixed": {
        "Containerfile": MORE,
        "tool.spec": TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl-libs\n"),
    },
}
# A line that the comment on each names, and an image of it.
PLACES = {
    "resolver": ("resolver/web.yaml:8", "web"),
    "container": ("Containerfile:2", "Containerfile"),
    "rpms": ("rpms.in.yaml:3", "rpms.in.yaml"),
    "mixed": ("Containerfile:2", "Containerfile"),
}


class World:
    """The local forge as one kind, with a server that checks its pull requests."""

    def __init__(self, local: LocalForge, repository: Repository, bot: BotProcess) -> None:
        self.local = local
        self.repository = repository
        self.bot = bot

    def comments(self, pull: Pull) -> list[str]:
        return [comment.body for comment in self.local.state.comments_of(pull)]

    async def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 180
        while not true():
            self.bot.check()
            assert time.monotonic() < deadline, self.bot.tail()
            await asyncio.sleep(0.05)

    async def checked(self, name: str) -> tuple[Pull, str]:
        """A new pull request with one of HEADS, and the bot's comment on it."""
        self.repository.git.commit(name, HEADS[name], name, start="main")
        pull = await self.local.open_pull(self.repository, name, user="jonas", title=name)
        await self.until(lambda: bool(self.comments(pull)))
        return pull, self.comments(pull)[0]


def settings_of(places: BotPlaces, kind: str, forge: dict[str, object]) -> str:
    table = {"image": "example.org/tiny:*", "repository": "repo", "environment": "minimal"}
    return yaml.safe_dump(
        {
            "listen": {"port": places.port},
            "public_url": places.url,
            "forges": {kind: forge},
            "base_images": [table],
        }
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_request_gets_its_comment_and_answers(tmp_path: Path, kind: str) -> None:
    make_repositories(tmp_path / "tiny")
    config = write_documents(tmp_path / "config", tmp_path / "tiny", web=workload("tool"))
    places = BotPlaces(tmp_path, config, tmp_path / "cache", free_port())
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("images/web")
        local.set_role(repository, "jonas", "write")
        repository.git.commit("main", FILES, "Start")
        hook = f"{places.url}/webhook/{kind}"
        if kind == "github":
            app = local.add_app("minimize", hook_url=hook)
            local.install(app, "images")
            forge = github_settings(places.home, local, app)
        else:
            local.set_role(repository, BOT, ABILITIES[kind].role)
            made = add_hook(local, kind, hook)
            forge = token_settings(places, kind, local.token(BOT), made, local.url)
        places.settings.write_text(settings_of(places, kind, forge))
        async with BotProcess(places, serve_command(places)) as bot:
            await bot.ready()
            world = World(local, repository, bot)
            for name, (line, image) in PLACES.items():
                pull, comment = await world.checked(name)
                assert line in comment, (name, comment)
                assert image in comment and "perl" in comment, (name, comment)
                if name == "mixed":
                    assert "tool.spec:8" in comment
                if name == "container":
                    await answers(world, pull)


async def answers(world: World, pull: Pull) -> None:
    """Questions in a Containerfile's pull request are about its image."""
    for command, words in (
        ("/minimize why perl-libs", "perl-libs"),
        ("/minimize what-if drop perl-libs from perl", "perl-libs"),
        ("/minimize advise Containerfile", "Containerfile"),
    ):
        before = len(world.comments(pull))
        await world.local.comment(pull, command, user="jonas")
        await world.until(lambda before=before: len(world.comments(pull)) > before + 1)
        answer = world.comments(pull)[-1]
        assert words in answer and "Containerfile" in answer, answer
