"""Databases of tests: an SQLite file, or a Postgres of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.demo.run.postgres import postgres as started_postgres
from bot.demo.run.postgres import postgres_installed


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
