"""Inspection of the runs in an engine's database: states, steps and the lengths of queues. Works
inside a process of the engine or outside, and while none runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from dbos import DBOS, DBOSClient
from pydantic import ValidationError

from bot.engine.build_places import build_id, check_of_build
from bot.engine.database import refuse_newer, workflow_columns
from bot.engine.job import CheckJob
from bot.engine.results import older_job
from bot.engine.takeover import CHECKS, STRANGERS, WAITS, engine_client
from bot.engine.values import Outcome
from bot.errors import SurroundingsError, UsageError
from bot.model.result_json import Json
from bot.store import FILE
from bot.store.records import StepRecord
from bot.store.store import utc_text

RunState = Literal["waiting", "running", "done", "failed", "stopped"]
_STATES: Mapping[str, RunState] = {
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "stopped",
}
# Suffixes of the ids of a check's further workflows.
_ENDS = ("-wait", "-final", "-withdraw")
# A run goes through its workflows in this order.
_PARTS = ("check", "wait", "build", "gather", "finish", "withdraw", "publish", "reply", "queued")


# DBOS's query methods: a client's, outside of the engine, or DBOS's own inside.
RunsClient = DBOSClient | type[DBOS]


@dataclass(frozen=True, slots=True)
class RunPart:
    """One workflow of a run. Times are RFC 3339; `executor` is the process that has or had it."""

    id: str
    kind: str
    state: RunState
    queue: str | None
    executor: str | None
    created: str
    ended: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run: its subject, workflows and steps."""

    id: str
    state: RunState
    forge: str
    repository: str
    number: int
    head: str
    delivery: str
    created: str
    parts: tuple[RunPart, ...]
    steps: tuple[StepRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildLog:
    """A build of a run; `log` is its log's path on the machine that built it, or its address."""

    side: str
    spec: str
    arch: str
    outcome: str
    seconds: float | None
    log: str | None


@dataclass(frozen=True, slots=True)
class QueueState:
    """The number of runs that wait in a queue, and the seconds that the oldest has waited."""

    waiting: int = 0
    seconds: float = 0.0


@contextmanager
def open_runs(database: Path | str) -> Iterator[DBOSClient]:
    """A client for reading an engine's database, a file or a Postgres URL.

    UsageError if there is none, or if a newer release has changed it.
    """
    if isinstance(database, Path) and not database.is_file():
        raise UsageError(
            f"There is no engine's database {database}.",
            "Name a server's settings with --settings, or its data directory with --data.",
        )
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    refuse_newer(url)
    client = engine_client(url)
    try:
        yield client
    finally:
        client.destroy()


def run_of(workflow: str) -> str:
    """The id of the run that a workflow belongs to."""
    for end in _ENDS:
        if workflow.endswith(end):
            return workflow.removesuffix(end)
    return check_of_build(workflow)


def newest_runs(client: RunsClient, limit: int) -> list[Run]:
    """The newest runs, without their steps."""
    # A run has up to four workflows, and one more for each architecture if it is built for several.
    workflows = client.list_workflows(limit=limit * 4, sort_desc=True, load_output=False)
    return _group_runs(workflows)[:limit]


def run_with_steps(client: RunsClient, run_id: str) -> Run | None:
    """A run with its steps; null if the engine does not have it (any more)."""
    ids = [run_id, *(run_id + end for end in _ENDS)]
    workflows = [
        *client.list_workflows(workflow_ids=ids, load_output=False),
        *client.list_workflows(workflow_id_prefix=build_id(run_id), load_output=False),
    ]
    run = next(iter(_group_runs(workflows)), None)
    if run is None:
        return None
    steps = [step for part in run.parts for step in _steps(client, part)]
    numbered = (replace(step, number=number) for number, step in enumerate(steps, 1))
    return replace(run, steps=tuple(numbered))


def _group_runs(workflows: Iterable[Any]) -> list[Run]:
    """The runs of workflows, newest first."""
    by_run: dict[str, list[Any]] = {}
    for workflow in workflows:
        by_run.setdefault(run_of(workflow.workflow_id), []).append(workflow)
    runs = [_run(id_, group) for id_, group in by_run.items()]
    return sorted(runs, key=lambda run: run.created, reverse=True)


def _run(id_: str, workflows: list[Any]) -> Run:
    workflows = sorted(workflows, key=lambda workflow: (_order(workflow.name), workflow.created_at))
    arguments = (arg for workflow in workflows if workflow.input for arg in workflow.input["args"])
    job = next(filter(None, map(_job, arguments)), None)
    parts = tuple(_part(workflow) for workflow in workflows)
    subject = job or CheckJob(id_, "", "", 0, "", "", "", "")
    return Run(
        id_,
        _state(parts),
        subject.forge,
        subject.repository,
        subject.number,
        subject.head_sha,
        subject.delivery,
        min(part.created for part in parts),
        parts,
    )


def _job(argument: object) -> CheckJob | None:
    """The job that a workflow's argument is, or has, where an older release wrote it."""
    if isinstance(argument, Mapping):
        with suppress(ValidationError):
            return older_job(argument)
    return argument if isinstance(argument, CheckJob) else None


def _order(name: str) -> int:
    return _PARTS.index(name) if name in _PARTS else len(_PARTS)


def _state(parts: tuple[RunPart, ...]) -> RunState:
    """The state of a run: that of its unfinished workflow, else of its last one."""
    unfinished: tuple[RunState, ...] = ("running", "waiting")
    for state in unfinished:
        if any(part.state == state for part in parts):
            return state
    if any(part.state == "stopped" for part in parts if part.kind != "withdraw"):
        return "stopped"
    return parts[-1].state


def _part(workflow: Any) -> RunPart:
    ended = workflow.completed_at
    begun = workflow.dequeued_at or workflow.created_at
    seconds = None if ended is None else round(max(0, ended - begun) / 1000, 3)
    state = _STATES.get(str(workflow.status), "failed")
    return RunPart(
        workflow.workflow_id,
        workflow.name,
        state,
        workflow.queue_name,
        workflow.executor_id if state != "waiting" else None,
        _time(workflow.created_at),
        None if ended is None else _time(ended),
        seconds,
    )


def _steps(client: RunsClient, part: RunPart) -> Iterator[StepRecord]:
    """The steps of a workflow; consecutive tries of a step are joined."""
    steps = (
        step for step in client.list_workflow_steps(part.id) if isinstance(step["output"], Outcome)
    )
    for name, tries in groupby(steps, key=lambda step: str(step["function_name"])):
        yield from _steps_of_name(part.kind, name, list(tries))


def _steps_of_name(part: str, name: str, tries: list[Any]) -> Iterator[StepRecord]:
    """The steps among consecutive tries of one name: a step ends with a try that was final."""
    begun = 0
    for index, step in enumerate(tries):
        last = index + 1 == len(tries)
        if not last and step["output"].kind in ("again", "away", "died"):
            continue
        first, outcome = tries[begun], step["output"]
        started = first["started_at_epoch_ms"] or step["completed_at_epoch_ms"] or 0
        ended = step["completed_at_epoch_ms"] or started
        yield StepRecord(
            0,
            part,
            name,
            _time(started),
            round(max(0, ended - started) / 1000, 3),
            index + 1 - begun,
            outcome.kind,
            "" if outcome.ok else outcome.sentence,
        )
        begun = index + 1


def _time(milliseconds: float) -> str:
    return utc_text(datetime.fromtimestamp(milliseconds / 1000, UTC))


def build_logs(data: Path, run: str) -> tuple[BuildLog, ...]:
    """The builds of a check in the store of the directory `data`; none if it has no result.

    SurroundingsError if the store cannot be read.
    """
    file = data / FILE
    if not file.is_file():
        return ()
    query = (
        "select value ->> 'side', value ->> 'spec', value ->> 'arch', value ->> 'outcome',"
        " value ->> 'seconds', value ->> 'log' from checks"
        " join results on results.id = checks.result_id, json_each(results.body, '$.builds')"
        " where checks.id = ?"
    )
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
            return tuple(BuildLog(*row) for row in store.execute(query, [run]))
    except sqlite3.Error as error:
        raise SurroundingsError(
            f"The store {file} cannot be read: {error}.",
            "Where an older release wrote it, start the server once.",
        ) from error


def run_to_json(run: Run, logs: tuple[BuildLog, ...] = ()) -> Json:
    """A run in the form that `minimize runs --format json` prints."""
    return {**asdict(run), "builds": [asdict(log) for log in logs]}


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """The queues by name, the number of workflows by state, the living processes' names."""

    queues: Mapping[str, QueueState]
    states: Mapping[str, int]
    processes: tuple[str, ...]


def engine_figures(database: sa.Engine, living: Callable[[], Collection[str]]) -> EngineFigures:
    """The figures of an engine's database; `living` gives the processes that have a lease."""
    return EngineFigures(queue_states(database), run_states(database), tuple(sorted(living())))


def queue_states(database: sa.Engine, now: float | None = None) -> dict[str, QueueState]:
    """The length and age of each queue; `now` is seconds since 1970."""
    columns = workflow_columns(database)
    query = (
        sa.select(columns.queue_name, sa.func.count(), sa.func.min(columns.created_at))
        .where(columns.status == "ENQUEUED")
        .group_by(columns.queue_name)
    )
    moment = time.time() if now is None else now
    states = dict.fromkeys((CHECKS, STRANGERS, WAITS), QueueState())
    with database.connect() as connection:
        for name, waiting, oldest in connection.execute(query):
            states[name or CHECKS] = QueueState(waiting, max(0.0, moment - oldest / 1000))
    return states


def run_states(database: sa.Engine) -> dict[str, int]:
    """The number of workflows in each state."""
    columns = workflow_columns(database)
    query = sa.select(columns.status, sa.func.count()).group_by(columns.status)
    counts: dict[str, int] = dict.fromkeys(_STATES.values(), 0)
    with database.connect() as connection:
        for status, count in connection.execute(query):
            counts[_STATES.get(status, "failed")] += int(count)
    return counts
