"""The upkeep of a server and of a worker: one failure does not end it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bot.web import serve
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
    async with asyncio.timeout(30):
        while failing.sweeps < 3:
            await asyncio.sleep(0.01)
    task.cancel()
    assert "the upkeep failed" in caplog.text
    assert "warming up" in caplog.text
