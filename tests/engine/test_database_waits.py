"""A server that starts together with its database waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.engine import database
from bot.errors import SurroundingsError

URL = "postgresql://nobody@127.0.0.1:1/none"


def refusing(monkeypatch: pytest.MonkeyPatch, times: int, real: sa.Engine) -> list[str]:
    """Have engines refuse so many connections, then be `real`; return what was wanted of them."""
    wanted: list[str] = []

    class Recovering:
        def connect(self) -> Any:
            wanted.append("connect")
            if len(wanted) <= times:
                raise sa.exc.OperationalError("", {}, Exception("in recovery mode"))
            return real.connect()

        def dispose(self) -> None:
            real.dispose()

    monkeypatch.setattr(database, "database_engine", lambda _url: Recovering())
    return wanted


def test_a_database_that_recovers_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = refusing(monkeypatch, 2, sa.create_engine(f"sqlite:///{tmp_path / 'e.sqlite'}"))
    database.wait_for_database(URL, pause=0.0)
    assert len(wanted) == 3


def test_one_that_does_not_come_is_an_error_with_its_reason() -> None:
    with pytest.raises(SurroundingsError, match="does not answer: ") as found:
        database.wait_for_database(URL, seconds=0.0, pause=0.0)
    assert "engine.database" in (found.value.hint or "")
