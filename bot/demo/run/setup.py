"""The set-up of a demo: its repository on the local forge, and the bot as a process of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, Self

import aiohttp
import yaml
from typing_extensions import TypedDict

from bot.demo.distribution.reference import ReferenceDistribution, write_repository
from bot.demo.forge.server import LocalForge
from bot.demo.forge.traffic import Delivery, WebHooks
from bot.demo.forge.values import App, Pull, Repository, WebHook
from bot.errors import SurroundingsError
from bot.settings.forges import FORGE_TYPES
from bot.store import FILE

if TYPE_CHECKING:
    from bot.demo.distribution.reference import RepositoryFiles

BOT_LOG = "bot.log"
READY_SECONDS = 180.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class BotPlaces:
    """The bot's directories and port; `home` is a directory of the demo."""

    home: Path
    config: Path
    cache: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Path:
        return self.home / "bot.yaml"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def store(self) -> Path:
        return self.data / FILE

    @property
    def log(self) -> Path:
        return self.home / BOT_LOG


def free_port() -> int:
    """A port of the loopback that the kernel gives to nobody else while this process lives.

    Its socket stays bound and does not listen: a server that names the port gets it, as long as it
    sets SO_REUSEADDR, which servers do.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port: int = reserved.getsockname()[1]
    reserved.detach()
    return port


class SecretFile(TypedDict):
    """A secret in the settings: the file that contains it."""

    file: str


class AppSettings(TypedDict):
    """An App of the settings."""

    id: int
    private_key: SecretFile


class ForgeSettings(TypedDict):
    """A forge's part of the settings, with an App or with a token."""

    type: str
    api_url: str
    app: NotRequired[AppSettings]
    token: NotRequired[SecretFile]
    webhook_secrets: list[SecretFile]


class EngineSettings(TypedDict):
    """The engine's part of the settings."""

    database: NotRequired[SecretFile]


def github_settings(home: Path, forge: LocalForge, app: App) -> ForgeSettings:
    """The forge's part of the settings, for an App; its secrets are written to `home`."""
    _write_secret(home / "app.pem", app.private_key)
    _write_secret(home / "webhook-secret", app.secret)
    return {
        "type": "github",
        "api_url": forge.api_url,
        "app": {"id": app.id, "private_key": {"file": "app.pem"}},
        "webhook_secrets": [{"file": "webhook-secret"}],
    }


def token_settings(
    places: BotPlaces, kind: str, token: str, hook: WebHook, url: str
) -> ForgeSettings:
    """The forge's part of the settings, for a token; its secrets are written beside the file.

    `url` is the address of the forge.
    """
    _write_secret(places.home / "token", token)
    _write_secret(places.home / "webhook-secret", hook.secret)
    return {
        "type": kind,
        "api_url": url if kind == "gitlab" else f"{url}{FORGE_TYPES[kind].api_path}",
        "token": {"file": "token"},
        "webhook_secrets": [{"file": "webhook-secret"}],
    }


def write_settings(
    places: BotPlaces,
    forge: ForgeSettings,
    repository: str,
    engine: EngineSettings | None = None,
) -> None:
    """Write the bot's settings file; `forge` is the result of one of the two functions above."""
    settings = {
        "engine": engine or {},
        "listen": {"host": "127.0.0.1", "port": places.port},
        "public_url": places.url,
        "data": str(places.data),
        "config": str(places.config),
        "cache": str(places.cache),
        "forges": {forge["type"]: forge},
        "repositories": [{"match": repository, "documents": ["reference"]}],
        "share_documents": True,
        # The demo's specs are trusted, and it must work in any container.
        "sandbox": {"without_memory_limit": "run strangers' code anyway"},
    }
    places.settings.write_text(yaml.safe_dump(settings, sort_keys=False))


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def minimize_command() -> list[str]:
    """The command `minimize` of this environment."""
    script = Path(sys.executable).with_name("minimize")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "from bot.cli import main; main()"]


def serve_command(places: BotPlaces) -> list[str]:
    """The command `minimize serve` of this environment."""
    return [
        *minimize_command(), "serve", "--settings", str(places.settings),
        "--config", str(places.config), "--data", str(places.data), "--cache", str(places.cache),
    ]  # fmt: skip


@dataclass(slots=True)
class BotProcess:
    """A running bot, as a context manager that ends it in any case."""

    places: BotPlaces
    command: Sequence[str]
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        with self.places.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches only the demo, which then ends the bot.
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        assert process is not None
        try:
            if process.returncode is None:
                process.terminate()
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
        except TimeoutError:
            pass
        finally:
            # The process group: processes that the bot started end too.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def ready(self) -> None:
        """Wait until the bot is ready; SurroundingsError if it does not become ready."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
                while not await self._is_ready(session):
                    self.check()
                    await asyncio.sleep(0.05)
                return
        raise SurroundingsError(f"The bot was not ready within {READY_SECONDS:.0f} s.", self.tail())

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.places.url}/health/ready") as answer:
                return answer.status == HTTPStatus.OK
        except aiohttp.ClientError:
            return False

    def check(self) -> None:
        """Raise SurroundingsError, with the end of its log, if the bot has ended by itself."""
        assert self._process is not None
        code = self._process.returncode
        if code is not None:
            raise SurroundingsError(f"The bot ended by itself with code {code}.", self.tail())

    def tail(self, lines: int = 30) -> str:
        """The end of the bot's log."""
        try:
            text = self.places.log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(["The end of its log:", *text.splitlines()[-lines:]])


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
    """The demo's set-up: the forge, its repository, and the bot's App or its hook.

    `kind` is the forge's type, and its name in the bot's settings.
    """

    kind: str
    forge: LocalForge
    repository: Repository
    app: App | None
    hook: WebHook | None
    files: RepositoryFiles

    def page(self, pull: Pull) -> str:
        """The address of the pull request's page, by the forge's path."""
        if self.kind == "gitlab":
            return self.forge.gitlab.shapes.merge_url(pull)
        if self.kind == "pagure":
            return self.forge.pagure.shapes.pull_page(pull)
        if self.kind == "forgejo":
            return self.forge.forgejo.shapes.pull_page(pull)
        return f"{self.forge.url}/{self.repository.full_name}/pull/{pull.number}"

    async def open_pull(self) -> tuple[Pull, Delivery]:
        """Open the pull request; return the delivery about it."""
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
    """Create accounts, repository, branches, and the App or hook with `bot_url` as its address."""
    repository = forge.add_repository(f"{OWNER}/{files.name}")
    forge.set_role(repository, MAINTAINER, "admin")
    # Users who may push here may have their changes built without permission.
    forge.set_role(repository, CONTRIBUTOR, "write")
    repository.git.commit(
        "main", files.base, "nginx as the distribution has it\n",
        author="Maria Maintainer <maria@example.org>", at=_START,
    )  # fmt: skip
    changes = {path: data for path, data in files.head.items() if files.base.get(path) != data}
    removals = dict.fromkeys(files.base.keys() - files.head.keys())
    repository.git.commit(
        BRANCH, {**changes, **removals}, f"{files.title}\n",
        author="Jonas Contributor <jonas@example.org>", at=_CHANGE, start="main",
    )  # fmt: skip
    if kind == "github":
        app = forge.add_app("minimize", hook_url=f"{bot_url}/webhook/github")
        forge.install(app, OWNER)
        return DemoSetup(kind, forge, repository, app, None, files)
    secret = None
    hooks: WebHooks = forge.pagure
    if kind == "gitlab":
        # Developer, which commit statuses require.
        forge.set_role(repository, BOT, "write")
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        hooks = forge.gitlab
    elif kind == "forgejo":
        # Administrator, which querying roles requires.
        forge.set_role(repository, BOT, "admin")
        hooks = forge.forgejo
    hook = hooks.add_hook(f"{bot_url}/webhook/{kind}", secret, place=OWNER)
    return DemoSetup(kind, forge, repository, None, hook, files)


DOCUMENT = "reference"
# 2023-06-12, after the reference distribution's time.
_REVISION = 1_686_580_000


@dataclass(slots=True)
class Updates:
    """A repository of updates, empty at first; `config` are the documents with it added."""

    config: Path
    root: Path
    published: int = 0

    def publish(self, packages: Iterable[Path], arch: str) -> None:
        """Add RPM files to the repository of an architecture."""
        home = self.root / arch
        for path in packages:
            shutil.copy(path, home / path.name)
        self.published += 1
        write_repository(home, home.glob("*.rpm"), _REVISION + self.published)


def begin_updates(distribution: ReferenceDistribution, home: Path) -> Updates:
    """Write documents and empty repositories below `home`; return them as Updates."""
    updates = Updates(home / "config", home / "updates")
    shutil.copytree(distribution.config_dir, updates.config)
    path = updates.config / f"{DOCUMENT}.yaml"
    document = yaml.safe_load(path.read_text())
    source = document["data"]["source"]
    source["repos"]["updates"] = {
        "name": "Updates",
        "baseurl": f"{updates.root.as_uri()}/$basearch",
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    for arch in source["architectures"]:
        (updates.root / arch).mkdir(parents=True)
        write_repository(updates.root / arch, (), _REVISION)
    return updates
