"""The demo's set-up: nginx's git repository, its people, the App, the repository of updates."""

from __future__ import annotations

import base64
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bot.demo.distribution.reference import ReferenceDistribution
from bot.demo.distribution.repository import write_repository
from bot.demo.forge.deliveries import Delivery
from bot.demo.forge.gitlab.hooks import WebHook
from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import App, Pull, Repository

if TYPE_CHECKING:
    from bot.demo.distribution.nginx_repository import RepositoryFiles

OWNER, NAME = "rpms", "nginx"
FULL_NAME = f"{OWNER}/{NAME}"
MAINTAINER, CONTRIBUTOR = "maria", "jonas"
BOT = "minimize-bot"
BRANCH = "xslt"
# Fixed, so that the commits have the same ids every time.
_START = datetime(2023, 6, 1, 9, 0, tzinfo=UTC)
_CHANGE = datetime(2023, 6, 12, 14, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DemoSetup:
    """The demo's set-up: the forge, its repository, and the bot's App or (GitLab) its hook."""

    forge: LocalForge
    repository: Repository
    app: App | None
    hook: WebHook | None
    files: RepositoryFiles

    @property
    def kind(self) -> str:
        """The forge's name in the bot's settings."""
        return "github" if self.hook is None else "gitlab"

    def page(self, pull: Pull) -> str:
        """The page of the pull request, by the path that the forge gives it."""
        if self.hook is not None:
            return self.forge.gitlab.shapes.merge_url(pull)
        return f"{self.forge.url}/{FULL_NAME}/pull/{pull.number}"

    async def open_pull(self) -> tuple[Pull, Delivery]:
        """Opens the pull request; the delivery that told the bot of it."""
        pull = await self.forge.open_pull(
            self.repository,
            BRANCH,
            user=CONTRIBUTOR,
            title=self.files.title,
            body=self.files.body,
        )
        return pull, self.forge.deliveries[-1]

    async def merge(self, pull: Pull) -> None:
        """The maintainer merges the pull request."""
        await self.forge.merge_pull(pull, user=MAINTAINER)


def set_stage(
    forge: LocalForge, files: RepositoryFiles, bot_url: str, kind: str = "github"
) -> DemoSetup:
    """Makes accounts, repository, branches and the App, or hook, whose webhooks go to `bot_url`."""
    repository = forge.add_repository(FULL_NAME)
    forge.set_role(repository, MAINTAINER, "admin")
    # Who may push a branch here may have it built without being asked.
    forge.set_role(repository, CONTRIBUTOR, "write")
    forge.commit(
        repository, "main", files.base, "nginx as the distribution has it\n",
        author="Maria Maintainer <maria@example.org>", at=_START,
    )  # fmt: skip
    changed = {path: data for path, data in files.head.items() if files.base.get(path) != data}
    gone = dict.fromkeys(files.base.keys() - files.head.keys())
    forge.commit(
        repository, BRANCH, {**changed, **gone}, f"{files.title}\n",
        author="Jonas Contributor <jonas@example.org>", at=_CHANGE, start="main",
    )  # fmt: skip
    if kind == "gitlab":
        # Developer: what a commit status takes.
        forge.set_role(repository, BOT, "write")
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        hook = forge.gitlab.add_hook(f"{bot_url}/webhook/gitlab", secret, place=OWNER)
        return DemoSetup(forge, repository, None, hook, files)
    app = forge.add_app("minimize", hook_url=f"{bot_url}/webhook/github")
    forge.install(app, OWNER)
    return DemoSetup(forge, repository, app, None, files)


DOCUMENT = "reference"
# 2023-06-12, after the reference distribution's own time.
_REVISION = 1_686_580_000


@dataclass(slots=True)
class Updates:
    """`config` has the distribution's documents with this repository added, empty at first."""

    config: Path
    root: Path
    published: int = 0

    def publish(self, packages: Iterable[Path], arch: str) -> None:
        """Adds RPM files to the repository of one architecture."""
        home = self.root / arch
        for path in packages:
            shutil.copy(path, home / path.name)
        self.published += 1
        write_repository(home, home.glob("*.rpm"), _REVISION + self.published)


def begin_updates(distribution: ReferenceDistribution, home: Path) -> Updates:
    """Writes documents and empty repositories below `home`."""
    made = Updates(home / "config", home / "updates")
    shutil.copytree(distribution.config_dir, made.config)
    path = made.config / f"{DOCUMENT}.yaml"
    document = yaml.safe_load(path.read_text())
    source = document["data"]["source"]
    source["repos"]["updates"] = {
        "name": "Updates",
        "baseurl": f"{made.root.as_uri()}/$basearch",
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    for arch in source["architectures"]:
        (made.root / arch).mkdir(parents=True)
        write_repository(made.root / arch, (), _REVISION)
    return made
