"""The bot as a process of its own: settings written for it, started, waited for, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import App
from bot.errors import SurroundingsError

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
BOT_LOG = "bot.log"


@dataclass(frozen=True, slots=True)
class BotPlaces:
    """Where the bot has its files and listens; `home` is a directory of the demo's own."""

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
        return self.data / "minimize.sqlite"

    @property
    def log(self) -> Path:
        return self.home / BOT_LOG


def free_port() -> int:
    """A port of the loopback that nobody uses just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def github_settings(places: BotPlaces, forge: LocalForge, app: App) -> dict[str, Any]:
    """The forge's part of the settings, for an App; its secrets are written beside the file."""
    _write_secret(places.home / "app.pem", app.private_key)
    _write_secret(places.home / "webhook-secret", app.secret)
    return {
        "type": "github",
        "api_url": forge.api_url,
        "app": {"id": app.id, "private_key": {"file": "app.pem"}},
        "webhook_secrets": [{"file": "webhook-secret"}],
    }


def gitlab_settings(
    places: BotPlaces, forge: LocalForge, token: str, secret: str
) -> dict[str, Any]:
    """The forge's part of the settings, for a token; its secrets are written beside the file."""
    _write_secret(places.home / "token", token)
    _write_secret(places.home / "webhook-secret", secret)
    return {
        "type": "gitlab",
        "api_url": forge.url,
        "token": {"file": "token"},
        "webhook_secrets": [{"file": "webhook-secret"}],
    }


def write_settings(places: BotPlaces, forge: dict[str, Any], repository: str) -> None:
    """Writes the bot's settings file; `forge` is from one of the two above."""
    settings = {
        "listen": {"host": "127.0.0.1", "port": places.port},
        "public_url": places.url,
        "data": str(places.data),
        "config": str(places.config),
        "cache": str(places.cache),
        "forges": {forge["type"]: forge},
        "repositories": [{"match": repository, "documents": ["reference"]}],
    }
    places.settings.write_text(yaml.safe_dump(settings, sort_keys=False))


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def minimize_command() -> list[str]:
    """`minimize` of this very environment."""
    script = Path(sys.executable).with_name("minimize")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "from bot.cli import main; main()"]


def serve_command(places: BotPlaces) -> list[str]:
    """`minimize serve` of this very environment."""
    return [
        *minimize_command(), "serve", "--settings", str(places.settings),
        "--config", str(places.config), "--data", str(places.data), "--cache", str(places.cache),
    ]  # fmt: skip


@dataclass(slots=True)
class BotProcess:
    """A running bot. Whatever happens inside `async with`, it is ended afterwards."""

    places: BotPlaces
    command: Sequence[str]
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        with self.places.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the demo, and the demo ends the bot in order.
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
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            pass
        finally:
            # The group: what the bot itself started goes too, if it has not seen to it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def ready(self) -> None:
        """Waits until the bot says that it is ready; SurroundingsError if it does not come up."""
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
        """Raises SurroundingsError, with the end of its log, if the bot has ended by itself."""
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
