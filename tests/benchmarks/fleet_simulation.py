"""Waiting times of a whole distribution: `python -m tests.benchmarks.fleet_simulation`.

Changes arrive by a virtual clock: an ordinary day's pushes with their hours, comments that ask, and
a mass rebuild. Each gets its turn by the engine's own code (`Queues.turn`, on the engine's own
tables), and a free slot takes the run that DBOS would: the lowest priority, the earliest of equals.
Nothing computes: the seconds of a prediction and of a build are given. Prints waiting times by the
number of slots.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import math
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS

from bot.engine.database import database_engine
from bot.engine.job import CheckJob, run_id
from bot.engine.queues import Queues, Urgency
from bot.forge.values import PullRequestKey

HOUR, DAY = 3600.0, 86_400.0
# Share of a day's pushes in each hour, UTC: most come in Europe's and America's working hours.
HOURS = (1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 7, 7, 8, 8, 8, 7, 6, 5, 4, 3, 3, 2, 2, 1)


@dataclass(frozen=True, slots=True)
class Load:
    """Arrivals: pushes and comments a day; changes of a mass rebuild, evenly over so many days."""

    name: str
    days: float
    pushes: int = 1500
    comments: int = 200
    rebuild: int = 0
    rebuild_days: float = 2.0
    repositories: int = 24_000


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of a prediction and an answer; the median of a build of one side and architecture,
    spread as a lognormal; the share of changes that are built, and the architectures."""

    prediction: float
    answer: float
    build: float
    spread: float = 1.0
    built: float = 0.7
    architectures: int = 4


@dataclass(frozen=True, slots=True)
class Fleet:
    """Prediction slots over all workers, and build slots of each architecture."""

    predictions: int
    builds: int


@dataclass(slots=True)
class Waits:
    """Seconds that runs waited in a queue, by what they are."""

    by_kind: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    longest: int = 0
    last: float = 0.0

    def at(self, kind: str, share: float) -> float:
        values = sorted(self.by_kind[kind])
        return values[min(len(values) - 1, int(share * len(values)))] if values else math.nan


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    time: float
    number: int
    kind: str
    repository: int


class EngineQueue:
    """One queue in the engine's tables: who comes in gets its turn, who is taken leaves."""

    def __init__(self, database: sa.Engine, name: str) -> None:
        self._database = database
        self._queues = Queues(database, None)  # type: ignore[arg-type] # nobody is woken
        self.name = name
        self.waiting = 0
        # As in the database: (priority, time, number) of each that waits.
        self._order: list[tuple[int, float, int]] = []
        self._arrivals: dict[int, tuple[Arrival, str]] = {}
        self.turn_seconds = 0.0
        self.turns = 0

    async def put(self, arrival: Arrival, urgency: Urgency) -> None:
        key = PullRequestKey("fedora", f"rpms/p{arrival.repository}", arrival.number)
        job = CheckJob("", *key.parts, "main", "b" * 40, "h" * 40, "a")
        started = time.perf_counter()
        priority = await self._queues.turn(self.name, urgency, job)
        self.turn_seconds += time.perf_counter() - started
        self.turns += 1
        run = run_id(key, "h" * 40, f"{self.name}-{arrival.number}")
        with self._database.begin() as connection:
            connection.exec_driver_sql(
                "insert into workflow_status (workflow_uuid, status, queue_name, priority,"
                " created_at, updated_at) values (?, 'ENQUEUED', ?, ?, ?, ?)",
                (run, self.name, priority, int(arrival.time * 1000), 0),
            )
        heapq.heappush(self._order, (priority, arrival.time, arrival.number))
        self._arrivals[arrival.number] = arrival, run
        self.waiting += 1

    def take(self) -> Arrival:
        """The run that DBOS would start: ordered by priority, then by time."""
        _, _, number = heapq.heappop(self._order)
        arrival, run = self._arrivals.pop(number)
        with self._database.begin() as connection:
            connection.exec_driver_sql(
                "update workflow_status set status = 'SUCCESS' where workflow_uuid = ?", (run,)
            )
        self.waiting -= 1
        return arrival


def arrivals(load: Load, chance: random.Random) -> list[Arrival]:
    """All arrivals of a load, in their order."""
    numbers = itertools.count()
    found: list[Arrival] = []

    def at(time: float, kind: str, repository: int) -> None:
        found.append(Arrival(time, next(numbers), kind, repository))

    for day in range(math.ceil(load.days)):
        for kind, count in (("push", load.pushes), ("chat", load.comments)):
            for _ in range(count):
                hour = chance.choices(range(24), HOURS)[0]
                moment = day * DAY + (hour + chance.random()) * HOUR
                # Few repositories get many pushes: a package in ten has half of them.
                busy = chance.random() < 0.5
                most = load.repositories // (10 if busy else 1)
                at(moment, kind, chance.randrange(most))
    for number in range(load.rebuild):
        at(number / load.rebuild * load.rebuild_days * DAY, "rebuild", number % load.repositories)
    return sorted(found)


async def simulate(
    load: Load, costs: Costs, fleet: Fleet, folder: Path, rebuild: Urgency = "scheduled"
) -> tuple[Waits, ...]:
    """The waits for a prediction, and for a build of one architecture (all are alike).

    `rebuild` is the urgency of the changes of a mass rebuild.
    """
    chance = random.Random(7)
    path = folder / f"{load.name.replace(' ', '-')}-{fleet.predictions}-{fleet.builds}.sqlite"
    url = f"sqlite:///{path}"
    DBOS.migrate(url)
    database = database_engine(url)
    with database.connect() as connection:
        connection.exec_driver_sql("pragma synchronous = off")
    events: list[tuple[float, int, str, Any]] = []
    order = itertools.count()
    for arrival in arrivals(load, chance):
        heapq.heappush(events, (arrival.time, next(order), "arrive", arrival))
    checks, builds = EngineQueue(database, "checks"), EngineQueue(database, "builds")
    urgencies: dict[str, Urgency] = {"chat": "chat", "push": "push", "rebuild": rebuild}
    free = {"checks": fleet.predictions, "builds": fleet.builds}
    waits = {"checks": Waits(), "builds": Waits()}

    def start(queue: EngineQueue, now: float) -> None:
        own = waits[queue.name]
        own.longest = max(own.longest, queue.waiting)
        while free[queue.name] and queue.waiting:
            free[queue.name] -= 1
            one = queue.take()
            own.by_kind[one.kind].append(now - one.time)
            own.last = now
            end = now + seconds(queue.name, one)
            heapq.heappush(events, (end, next(order), queue.name, one))

    def seconds(queue: str, one: Arrival) -> float:
        if queue == "builds":
            # Both sides; base's is mostly in the cache.
            return 1.2 * costs.build * math.exp(chance.gauss(0, costs.spread))
        return costs.answer if one.kind == "chat" else costs.prediction

    while events:
        now, _, what, one = heapq.heappop(events)
        if what == "arrive":
            await checks.put(one, urgencies[one.kind])
            start(checks, now)
            continue
        free[what] += 1
        if what == "checks":
            if one.kind != "chat" and chance.random() < costs.built:
                built = Arrival(now, one.number, one.kind, one.repository)
                await builds.put(built, urgencies[one.kind])
                start(builds, now)
            start(checks, now)
        else:
            start(builds, now)
    database.dispose()
    path.unlink()
    turns, seconds_of_turns = (
        checks.turns + builds.turns,
        checks.turn_seconds + builds.turn_seconds,
    )
    print(f"    turns: {turns}, {seconds_of_turns / turns * 1e3:.2f} ms each")
    return waits["checks"], waits["builds"]


def shown(seconds: float) -> str:
    """A duration in its largest unit."""
    if math.isnan(seconds):
        return "-"
    for length, unit in ((DAY, "d"), (HOUR, "h"), (60.0, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def rows(name: str, fleet: Fleet, waits: tuple[Waits, ...]) -> Iterator[str]:
    """The table's rows of one simulation."""
    for queue, own in zip(("prediction", "build"), waits, strict=True):
        for kind in ("chat", "push", "rebuild"):
            if own.by_kind[kind]:
                figures = " | ".join(shown(own.at(kind, share)) for share in (0.5, 0.95, 0.999))
                yield (
                    f"| {name} | {fleet.predictions} | {fleet.builds} | {queue} of {kind}"
                    f" | {figures} | {own.longest} |"
                )


async def turn_seconds(folder: Path, waiting: int) -> float:
    """Milliseconds of one turn while so many runs wait."""
    url = f"sqlite:///{folder / f'turn-{waiting}.sqlite'}"
    DBOS.migrate(url)
    database = database_engine(url)
    queue = EngineQueue(database, "checks")
    with database.begin() as connection:
        connection.exec_driver_sql(
            "insert into workflow_status (workflow_uuid, status, queue_name, priority, created_at,"
            " updated_at) values (?, 'ENQUEUED', 'checks', 100000, 0, 0)",
            [(f"fedora-rpms-p{number}-1-x",) for number in range(waiting)],
        )
    taken = []
    for number in range(30):
        before = queue.turn_seconds
        await queue.put(Arrival(0.0, number, "push", number), "push")
        taken.append((queue.turn_seconds - before) * 1e3)
    database.dispose()
    return statistics.median(taken)


async def run(scale: float, costs: Costs, fleets: list[Fleet], only: str, rebuild: Urgency) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for waiting in (100, 1_000, 10_000, 20_000):
            print(f"one turn while {waiting} wait: {await turn_seconds(folder, waiting):.2f} ms")
        ordinary = Load("ordinary day", 1.0, int(1500 * scale), int(200 * scale))
        mass = Load(
            "mass rebuild", 2.0, int(1500 * scale), int(200 * scale), rebuild=int(20_000 * scale)
        )
        print(
            "| load | predictions at once | builds at once, each architecture | wait for the"
            " | half | 95 % | 99.9 % | longest queue |\n|---|--:|--:|---|--:|--:|--:|--:|"
        )
        for load in (one for one in (ordinary, mass) if only in one.name):
            for fleet in fleets:
                for row in rows(
                    load.name, fleet, await simulate(load, costs, fleet, folder, rebuild)
                ):
                    print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of all arrivals")
    parser.add_argument("--prediction", type=float, default=4.0, metavar="S")
    parser.add_argument("--answer", type=float, default=3.0, metavar="S")
    parser.add_argument("--build", type=float, default=240.0, metavar="S")
    parser.add_argument("--fleet", action="append", metavar="PREDICTIONS,BUILDS")
    parser.add_argument("--only", choices=["ordinary", "mass"], default="")
    parser.add_argument("--rebuild", choices=["push", "scheduled"], default="scheduled",
                        help="the urgency of the changes of a mass rebuild")  # fmt: skip
    given = parser.parse_args()
    costs = Costs(given.prediction, given.answer, given.build)
    chosen = given.fleet or ["1,4", "2,8", "4,16", "8,64"]
    fleets = [Fleet(*map(int, text.split(","))) for text in chosen]
    asyncio.run(run(given.scale, costs, fleets, given.only, given.rebuild))


if __name__ == "__main__":
    main()
