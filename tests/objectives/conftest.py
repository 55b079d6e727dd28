"""Fixtures of the objectives' tests: tiny worlds, their history, and the checks' distribution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.store.history.history import History, open_history
from tests.check.conftest import bench, tiny_repositories
from tests.objectives.daily_history import DailyHistory
from tests.objectives.worlds import World

__all__ = ["bench", "tiny_repositories"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A repository and documents, without a workload."""
    return World(tmp_path)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """The empty history of the world below `tmp_path`."""
    opened = open_history(tmp_path / "data")
    yield opened
    opened.close()
    opened.store.close()


@pytest.fixture
def daily(tmp_path: Path) -> Iterator[DailyHistory]:
    """A history of one image with one run a day, recorded by the test."""
    daily = DailyHistory(tmp_path / "data")
    yield daily
    daily.close()
