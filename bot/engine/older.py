"""Runs that a release before typed steps left in the engine: they begin again, from their jobs.

Their values are plain objects (WORKFLOW_VERSION 1), and their order of steps was another. What a
run of it had concluded is read; one that had not is run from its beginning under the same id, which
leads to the same comment and status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from dbos import DBOS
from pydantic import TypeAdapter

from bot.engine.job import CheckJob, Line, Reply
from bot.engine.results import Results
from bot.engine.values import Progress
from bot.model.result import check_from_json

OlderValue = Mapping[str, Any]
_JOB = TypeAdapter(CheckJob)
_PROGRESS = TypeAdapter(Progress)
# The workflows of a check, which begins again as a whole, and the ends of their ids.
_PARTS = {"check": "", "wait": "-wait", "finish": "-final"}


def older_job(value: OlderValue) -> CheckJob:
    """The job in an older run's first argument."""
    return _JOB.validate_python(value.get("job", value))


def older_arguments(
    name: str, args: tuple[Any, ...], results: Results
) -> tuple[CheckJob, tuple[Any, ...]]:
    """The job and the other arguments of an older run of the workflow `name`, in today's form."""
    job = older_job(args[0])
    if name == "reply":
        given = {key: value for key, value in args[0].items() if key != "job"}
        lines = tuple(Line(line["text"], line["said"]) for line in given["lines"])
        return job, (Reply(**{**given, "lines": lines}),)
    if name == "publish":
        stored = results.add(job.id, check_from_json(args[1]["result"]))
        return job, (stored, "verdict" in args[1])
    return job, args[1:]


def older_progress(value: OlderValue, check: str, results: Results) -> Progress:
    """The progress of an older run; its result is stored."""
    result = value.get("result")
    stored = None if result is None else results.add(check, check_from_json(result)).id
    known = {key: one for key, one in value.items() if one is not None}
    if "comment" in known:
        known["comment"] = (known["comment"]["id"], known["comment"]["url"])
    return _PROGRESS.validate_python({**known, "result": stored})


class OlderRun(NamedTuple):
    """A run to begin again as `run` of the workflow `name`; `parts` are the ids that it had."""

    name: str
    run: str
    job: CheckJob
    args: tuple[Any, ...]
    parts: tuple[str, ...]


async def older_runs(executor: str, results: Results) -> list[OlderRun]:
    """The unfinished older runs that nobody runs, each once.

    A run that another living process has claimed is none of them.
    """
    unfinished = await DBOS.list_workflows_async(
        status=["PENDING", "ENQUEUED", "DELAYED"], load_output=False
    )
    found: dict[str, OlderRun] = {}
    for one in unfinished:
        args = one.input["args"] if one.input else ()
        ours = one.status != "PENDING" or one.executor_id == executor
        if not ours or not args or not isinstance(args[0], Mapping):
            continue
        if one.name in _PARTS:
            job = older_job(args[0])
            parts = (job.id, *(job.id + part for part in _PARTS.values()))
            found[job.id] = OlderRun("check", job.id, job, (), parts)
        else:
            job, others = await asyncio.to_thread(older_arguments, one.name, args, results)
            run = one.workflow_id
            found[run] = OlderRun(one.name, run, job, others, (run,))
    return list(found.values())
