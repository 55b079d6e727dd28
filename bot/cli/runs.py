"""`minimize runs`: a server's runs and their steps, whether the server works or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Places, formats, placed
from bot.cli.output import console, print_json
from bot.cli.server import OWN_SETTINGS, server_data
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.engine.backup import ServerData
    from bot.engine.inspection import BuildLog, Run

_MOST = 50


@click.command()
@click.argument("run_id", metavar="[ID]", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=_MOST, show_default=True)
@OWN_SETTINGS
@formats("text", "json")
@placed
def runs(run_id: str | None, limit: int, settings: Path | None, form: str, places: Places) -> int:
    """A server's newest runs; with ID the steps of one, their durations, tries and logs."""
    from bot.engine.inspection import newest_runs, open_runs, run_with_steps

    data = server_data(settings, places)
    with open_runs(data.engine) as client:
        if run_id is None:
            _print_runs(newest_runs(client, limit), form)
            return 0
        run = run_with_steps(client, run_id)
    if run is None:
        raise UsageError(
            f"The engine has no run {run_id} (any more).", "minimize runs lists those it has."
        )
    _print_run(run, _logs(data, run_id), form)
    return 0


def _logs(data: ServerData, run: str) -> tuple[BuildLog, ...]:
    from bot.engine.inspection import build_logs

    return build_logs(data.directory, run)


def _print_runs(found: list[Run], form: str) -> None:
    from bot.engine.inspection import run_to_json

    if form == "json":
        print_json({"runs": [run_to_json(run) for run in found]})
        return
    from rich.table import Table

    table = Table("Run", "About", "State", "Created", "Process")
    for run in found:
        executor = next((p.executor for p in reversed(run.parts) if p.executor), None)
        table.add_row(run.id, _about(run), run.state, run.created[:19], executor or "")
    console().print(table)


def _print_run(run: Run, logs: tuple[BuildLog, ...], form: str) -> None:
    from bot.engine.inspection import run_to_json

    if form == "json":
        print_json({"run": run_to_json(run, logs)})
        return
    from rich.markup import escape
    from rich.table import Table

    screen = console()
    screen.print(escape(f"{run.id}: {_about(run)}, {run.state}, created {run.created[:19]} UTC"))
    screen.print(escape(f"delivery {run.delivery or 'unknown'}, head {run.head or 'unknown'}"))
    table = Table("Step", "Of", "Started", "Seconds", "Tries", "Outcome", "Problem")
    for step in run.steps:
        table.add_row(
            step.name, step.part, step.started[11:19], f"{step.seconds:.3f}", str(step.tries),
            step.outcome, escape(step.problem),
        )  # fmt: skip
    screen.print(table)
    for log in logs:
        seconds = "" if log.seconds is None else f" in {log.seconds:.1f} s"
        line = (
            f"{log.side} of {log.spec} on {log.arch}: {log.outcome}{seconds}, {log.log or 'no log'}"
        )
        screen.print(escape(line), soft_wrap=True)


def _about(run: Run) -> str:
    return f"{run.forge} {run.repository}#{run.number}" if run.repository else "unknown"
