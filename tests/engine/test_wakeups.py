"""Wake-ups between processes, on sockets of one machine and on a channel of Postgres."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.engine.wakeups import QUEUED, STOPPED, PostgresWakeups, SocketWakeups, Wakeups
from tests.databases import database_urls

SECONDS = 60


@pytest.fixture(params=["sqlite", "postgresql"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Wakeups, Wakeups]]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            # Longer than the path of a socket may be.
            place = tmp_path / ("d" * 120)
            yield SocketWakeups(place, "one"), SocketWakeups(place, "two")
            return
        url = stack.enter_context(database_urls("postgresql", tmp_path))
        engine = sa.create_engine(url)
        stack.callback(engine.dispose)
        yield PostgresWakeups(engine), PostgresWakeups(engine)


def test_what_one_sends_another_hears_at_once(two: tuple[Wakeups, Wakeups]) -> None:
    one, other = two
    heard: queue.Queue[str] = queue.Queue()
    one.start(lambda _: None)
    other.start(heard.put)
    if isinstance(other, PostgresWakeups):
        assert heard.get(timeout=SECONDS) == QUEUED  # of when nobody listened
    one.send(f"{STOPPED}a-run")
    assert heard.get(timeout=SECONDS) == "stopped a-run"
    one.send(QUEUED)
    assert heard.get(timeout=SECONDS) == QUEUED
    one.stop()
    other.stop()


def test_nobody_there_is_no_error(two: tuple[Wakeups, Wakeups]) -> None:
    one, other = two
    one.send(QUEUED)
    one.start(lambda _: None)
    other.start(lambda _: None)
    other.stop()
    one.send(QUEUED)
    one.stop()


def test_a_socket_that_a_killed_process_left_is_taken(tmp_path: Path) -> None:
    killed, again, other = (SocketWakeups(tmp_path, name) for name in ("one", "one", "two"))
    heard: queue.Queue[str] = queue.Queue()
    killed.start(lambda _: None)
    again.start(heard.put)
    other.send(QUEUED)
    assert heard.get(timeout=SECONDS) == QUEUED
    again.stop()
    killed.stop()


def test_a_connection_that_is_lost_is_made_again(tmp_path: Path) -> None:
    with database_urls("postgresql", tmp_path) as url:
        engine = sa.create_engine(url)
        wakeups = PostgresWakeups(engine)
        heard: queue.Queue[str] = queue.Queue()
        wakeups.start(heard.put)
        assert heard.get(timeout=SECONDS) == QUEUED
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where query like 'LISTEN%'"
                )
            )
        assert heard.get(timeout=SECONDS) == QUEUED
        wakeups.stop()
        engine.dispose()
