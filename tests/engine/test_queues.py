"""Turns: repositories one after the other, chat before pushes before scheduled work; the same for
a simulated distribution, where people come before a mass rebuild."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import DBOS, _dbos, _sys_db_postgres, _workflow_commands

from bot.engine.build_places import BuildPlace
from bot.engine.job import CheckJob, Urgency, run_prefix
from bot.engine.queues import Queues
from bot.forge.values import PullRequestKey
from tests.benchmarks.fleet_simulation import Costs, Fleet, Load, Waits, arrivals, shown, simulate
from tests.databases import database_urls

BUILDS = BuildPlace("x86_64").queue
QUEUES = "queue_thread"  # of `_dbos`


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    with database_urls(request.param, tmp_path) as url:
        DBOS.migrate(url)
        engine = sa.create_engine(url)
        yield engine
        engine.dispose()


class Waiting:
    """The runs that wait in the queue of builds, in the order in which they will run."""

    def __init__(self, database: sa.Engine) -> None:
        nobody: Any = None
        self.database = database
        self.queues = Queues(database, nobody)
        self.schema = "dbos." if database.dialect.name == "postgresql" else ""
        self.made = 0

    def add(self, repository: str, urgency: Any = "push") -> str:
        key = PullRequestKey("gh", repository, 1)
        job = CheckJob("", *key.parts, "main", "b" * 40, "h" * 40, "ann")
        priority = asyncio.run(self.queues.turn(BUILDS, urgency, job))
        self.made += 1
        run = f"{run_prefix(key)}{self.made}"
        columns = "workflow_uuid, status, queue_name, priority, created_at, updated_at"
        values = f"'{run}', 'ENQUEUED', '{BUILDS}', {priority}, {self.made}, 0"
        self._run(f"insert into {self.schema}workflow_status ({columns}) values ({values})")
        return run

    def take(self) -> str:
        with self.database.begin() as connection:
            found: str = connection.execute(
                sa.text(
                    f"select workflow_uuid from {self.schema}workflow_status"
                    " where status = 'ENQUEUED' order by priority, created_at limit 1"
                )
            ).scalar_one()
        table = f"{self.schema}workflow_status"
        self._run(f"update {table} set status = 'PENDING' where workflow_uuid = '{found}'")
        return found.removeprefix("gh-").rpartition("-")[0]

    def _run(self, statement: str) -> None:
        with self.database.begin() as connection:
            connection.execute(sa.text(statement))


def test_repositories_take_turns_whoever_has_queued_most(database: sa.Engine) -> None:
    waiting = Waiting(database)
    for repository in ("a/many", "a/many", "a/many", "a/many", "b/two", "b/two", "c/one"):
        waiting.add(repository)
    taken = [waiting.take() for _ in range(7)]
    assert taken == ["a-many", "b-two", "c-one", "a-many", "b-two", "a-many", "a-many"]


def test_a_backlog_is_not_overtaken_for_ever(database: sa.Engine) -> None:
    """A repository that queues one after the other leaves each second turn to the other."""
    waiting = Waiting(database)
    for _ in range(5):
        waiting.add("a/backlog")
    taken = []
    for _ in range(6):
        waiting.add("b/steady")
        taken.append(waiting.take())
    assert taken.count("a-backlog") == 3


def test_chat_comes_before_pushes_before_scheduled_work(database: sa.Engine) -> None:
    waiting = Waiting(database)
    waiting.add("a/a", "scheduled")
    waiting.add("b/b", "push")
    waiting.add("c/c", "chat")
    assert [waiting.take() for _ in range(3)] == ["c-c", "b-b", "a-a"]


def test_dbos_looks_for_delays_seldom_and_within_what_its_lock_may_be_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def each() -> float:
        return _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC

    # DBOS's own, whatever engines of this process have set before; put back at the end.
    monkeypatch.setattr(_workflow_commands, "_BACKGROUND_JOBS_INTERVAL_SEC", 1.0)
    monkeypatch.setattr(_dbos, QUEUES, getattr(_dbos, QUEUES))
    with database_urls("sqlite", tmp_path) as url:
        engine = sa.create_engine(url)
        nobody: Any = None
        Queues(engine, nobody).listen(url, {}, [])
        engine.dispose()
    assert 3 < each() < _sys_db_postgres.BACKGROUND_JOB_LOCK_IDLE_TIMEOUT_MS / 1000


LOAD = Load("small", 1.0, pushes=60, comments=10, rebuild=150, rebuild_days=0.5, repositories=50)
COSTS = Costs(prediction=600.0, answer=30.0, build=60.0)


async def waited(folder: Path, urgency: Urgency) -> Waits:
    checks, _ = await simulate(LOAD, COSTS, Fleet(1, 4), folder, urgency)
    return checks


async def test_a_mass_rebuild_keeps_nobody_waiting(tmp_path: Path) -> None:
    first = await waited(tmp_path, "scheduled")
    same = await waited(tmp_path, "push")
    assert len(first.by_kind["rebuild"]) == len(same.by_kind["rebuild"]) == 150
    assert len(first.by_kind["push"]) == 60
    # What a person pushed waits for what runs, and for other people's; not for the backlog.
    assert first.at("push", 0.5) < same.at("push", 0.5) / 4
    assert first.at("rebuild", 0.5) > 10 * COSTS.prediction
    # Comments come before all.
    assert first.at("chat", 1.0) <= 2 * COSTS.prediction


def test_arrivals_are_the_same_each_time_and_in_order() -> None:
    from random import Random

    arrived = arrivals(LOAD, Random(1))
    assert arrived == arrivals(LOAD, Random(1)) == sorted(arrived)
    assert len(arrived) == 220
    assert arrived[-1].time < 86_400


def test_durations_are_shown_in_their_largest_unit() -> None:
    assert [shown(s) for s in (0.25, 90.0, 5400.0, 172_800.0)] == [
        "0.2 s",
        "1.5 min",
        "1.5 h",
        "2.0 d",
    ]
