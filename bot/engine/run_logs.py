"""A run as JSON, and the logs of its builds as the server's store has them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.engine.inspection import Run


@dataclass(frozen=True, slots=True)
class BuildLog:
    """A build of a run; `log` is the path of its log on the machine that built."""

    side: str
    spec: str
    arch: str
    outcome: str
    seconds: float | None
    log: str | None


def build_logs(data: Path, run: str) -> tuple[BuildLog, ...]:
    """The builds of a check in the store of the directory `data`; none where it has no result."""
    file = data / "minimize.sqlite"
    if not file.is_file():
        return ()
    query = (
        "select value ->> 'side', value ->> 'spec', value ->> 'arch', value ->> 'outcome',"
        " value ->> 'seconds', value ->> 'log' from checks"
        " join results on results.id = checks.result_id, json_each(results.body, '$.builds')"
        " where checks.id = ?"
    )
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
        return tuple(BuildLog(*row) for row in store.execute(query, [run]))


def run_to_json(run: Run, logs: tuple[BuildLog, ...] = ()) -> dict[str, Any]:
    """A run in the form that `minimize runs --format json` prints."""
    return {**asdict(run), "builds": [asdict(log) for log in logs]}
