"""The bot served on a free port, and a client that signs as GitHub does."""

from __future__ import annotations

import hashlib
import hmac
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient

from bot.settings.values import load_settings
from bot.web.serve import Bot
from tests.databases import every_database_is_closed  # noqa: F401 - of all tests here
from tests.engine.threads import InThread
from tests.web.sites import serving

SETTINGS = """\
listen: {port: 0}
data: data
cache: cache
config: config
forges:
  github:
    type: github
    api_url: http://127.0.0.1:9
    token: {env: TEST_TOKEN}
    webhook_secrets: [{env: TEST_OLD_SECRET}, {env: TEST_SECRET}]
engine: {executor_id: web-test}
limits: {webhook_bytes: 20000}
"""


class Client:
    """A client of the bot that signs its deliveries."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def get(self, path: str) -> tuple[int, Any, Any]:
        async with self._session.get(self.url + path) as answer:
            text = await answer.text()
            content = json.loads(text) if "json" in answer.content_type else text
            return answer.status, content, answer.headers

    async def post(self, body: bytes, path: str = "/webhook/github", **changes: Any) -> Any:
        digest = hmac.new(b"new", body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "pull_request",
            "X-GitHub-Delivery": "guid-1",
            "X-Hub-Signature-256": f"sha256={digest}",
        }
        for name, value in changes.items():
            headers[name.replace("_", "-")] = value
        headers = {name: value for name, value in headers.items() if value is not None}
        async with self._session.post(
            self.url + path, data=BytesIO(body), headers=headers
        ) as answer:
            return answer.status, await answer.json()


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_TOKEN", "token")
    monkeypatch.setenv("TEST_OLD_SECRET", "old")
    monkeypatch.setenv("TEST_SECRET", "new")
    (tmp_path / "config").mkdir()
    file = tmp_path / "bot.yaml"
    file.write_text(SETTINGS)
    return file


@pytest.fixture
async def bot(settings_file: Path):
    bot = Bot(load_settings(settings_file), InThread(None))
    await bot.start()
    yield bot
    await bot.stop()


@pytest.fixture
async def client(bot: Bot):
    async with ClientSession() as session:
        yield Client(session, bot.url)


@pytest.fixture
def payload():
    def make(action: str = "opened", head: str = "a" * 40, updated: str = "t") -> bytes:
        return json.dumps(
            {
                "action": action,
                "number": 7,
                "pull_request": {
                    "number": 7,
                    "head": {"sha": head},
                    "base": {"ref": "main"},
                    "updated_at": updated,
                },
                "repository": {"id": 1, "full_name": "o/r"},
            }
        ).encode()

    return make


@pytest.fixture
async def site(folder: Path):
    """A client of the pages of the prepared `folder`, a fixture of the module."""
    async with serving(folder) as server, TestClient(server) as client:
        yield client
