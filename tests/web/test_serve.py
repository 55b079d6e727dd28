"""The start, the upkeep and the free memory of a server and of a worker."""

from __future__ import annotations

import asyncio
import ctypes
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.engine.database import prepared_url
from bot.sandbox.values import SandboxError
from bot.settings.values import Settings
from bot.web import serve
from tests.conftest import run_python
from tests.engine.conftest import settings_in


class Failing:
    """Computing whose warming up fails, and retention whose first sweep does."""

    def __init__(self) -> None:
        self.sweeps = 0

    async def warm_up(self) -> None:
        raise RuntimeError("a mistake in a compute process")

    def drop_idle(self) -> int:
        return 0

    async def sweep_if_due(self) -> None:
        self.sweeps += 1
        if self.sweeps == 1:
            raise OSError("No space left on device")


async def test_the_upkeep_goes_on_after_a_failure(tmp_path: Path, monkeypatch, caplog) -> None:
    failing: Any = Failing()
    monkeypatch.setattr(serve, "_UPKEEP", 0.01)
    monkeypatch.setattr(serve, "_drop_unused", lambda *_: None)
    task = asyncio.create_task(serve._keep_up(failing, settings_in(tmp_path), failing))
    async with asyncio.timeout(90):
        while failing.sweeps < 3:
            await asyncio.sleep(0.01)
    task.cancel()
    assert "the upkeep failed" in caplog.text
    assert "warming up" in caplog.text


SECRET = {"env": "SECRET"}
FORGE = {"type": "github", "token": SECRET, "webhook_secrets": [SECRET]}


@pytest.mark.parametrize(
    ("fails", "engine", "said"),
    [
        ("root", {}, ["builds cannot install packages here: It is off. Turn it on."]),
        ("root", {"builds": 0}, []),
        ("build", {}, ["spec files cannot be evaluated or built here: It is off. Turn it on."]),
        ("build", {"builds": 0, "predictions": 0}, []),
    ],
)
def test_a_sandbox_that_does_not_work_is_logged_at_the_start(
    fails: str,
    engine: dict[str, int],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def tried(user: str = "build") -> None:
        if user == fails:
            raise SandboxError("It is off.", "Turn it on.")

    monkeypatch.setattr(serve, "require_sandbox", tried)
    settings = Settings.model_validate({"forges": {"gh": FORGE}, "engine": engine})
    serve._warn_of_sandbox(settings)
    assert [record.getMessage() for record in caplog.records] == said


# 40 MB in small pieces below one that stays: the C library cannot shrink its heap by itself.
_FREE = """
import psutil
from bot.web.serve import give_back_memory
pieces = [bytes(20_000) for _ in range(2_000)]
stays = bytes(20_000)
del pieces
before = psutil.Process().memory_info().rss
give_back_memory()
print(before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not this C library: no malloc_trim"
)
def test_what_is_free_between_what_is_used_goes_back() -> None:
    done = run_python(_FREE)
    assert int(done.stdout) > 30_000_000


_LOST = """
import sqlalchemy as sa
from bot.errors import SurroundingsError
from bot.settings.values import Settings
from bot.web import serve

async def start():
    raise sa.exc.OperationalError("select 1", {}, Exception("server closed the connection"))

serve._warn_of_sandbox = lambda _settings: None
try:
    secret = {"env": "SECRET"}
    forge = {"type": "github", "token": secret, "webhook_secrets": [secret]}
    serve._run(Settings.model_validate({"forges": {"github": forge}}), "worker", start())
except SurroundingsError as error:
    print(error)
"""


def test_a_database_that_goes_while_a_process_starts_is_a_sentence() -> None:
    said = run_python(_LOST).stdout
    assert said.startswith("The engine's database answers no more: server closed the connection. ")


def test_the_pages_of_all_connections_have_one_limit(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as other:
        other.execute("pragma soft_heap_limit=0")
        prepared_url(settings_in(tmp_path))
        (limit,) = other.execute("pragma soft_heap_limit").fetchone()
    assert limit == 12_000_000
