"""Databases of tests: an SQLite file, or a Postgres of their own."""

from __future__ import annotations

import sqlite3
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.demo.run.postgres import postgres as started_postgres
from bot.demo.run.postgres import postgres_installed

# Seconds for the engine's threads, which end after it, to close what they had: many, for a busy
# machine.
_CLOSING = 120.0


@contextmanager
def database_urls(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new, empty database of a kind: `sqlite` or `postgresql`."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'engine.sqlite'}"
        return
    with postgres() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def postgres() -> Iterator[str]:
    """A Postgres that listens on a socket of its own, empty; skips where none is installed."""
    if not postgres_installed():
        pytest.skip("Postgres is not installed")
    with started_postgres() as url:
        yield url


@pytest.fixture(autouse=True)
def every_database_is_closed() -> Iterator[None]:
    """Fail a test that leaves a connection of SQLite open, with the stack that opened it.

    Python's own warning comes when the connection is collected, maybe during another test.
    """
    opened: list[tuple[sqlite3.Connection, str]] = []
    plain = sqlite3.connect

    def connect(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connection = plain(*arguments, **more)
        opened.append((connection, "".join(traceback.format_stack(limit=20))))
        return connection

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sqlite3, "connect", connect)
        patched.setattr(sqlite3.dbapi2, "connect", connect)
        yield
    deadline = time.monotonic() + _CLOSING
    while any(map(_is_open, [one for one, _ in opened])) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = [stack for connection, stack in opened if _is_open(connection)]
    assert not left, "\n".join(["A connection is still open:", *left])


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False
