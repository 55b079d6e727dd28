"""The engine's database: a server waits for it, and its statements have few texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bot.engine import database
from bot.engine.engine import even_batches
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


@given(st.integers(0, 1000))
def test_all_ids_are_there_in_lists_of_few_lengths(count: int) -> None:
    ids = [str(number) for number in range(count)]
    batches = list(even_batches(ids))
    assert {len(batch) for batch in batches} <= {3, 30, 300}
    assert {each for batch in batches for each in batch} == set(ids)
