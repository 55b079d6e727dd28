"""`minimize serve`, `worker`, `requeue`, `runs`, `backup`, `restore`, `webhook send` and `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Places, formats, placed
from bot.cli.output import console, echo, print_json
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.engine.backup import ServerData
    from bot.engine.inspection import BuildLog, Run
    from bot.settings.values import Settings
    from bot.telemetry.logs import LogFormat

_SETTINGS = click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="The server's settings (config/bot.yaml is an example with every field).",
)


OWN_SETTINGS = click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The server's settings, which name its data; a backup has them too.",
)


_LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Instead of log.format of the settings; json: one object a line.",
)


def _read(file: Path, places: Places, log_format: LogFormat | None = None) -> Settings:
    """Return the settings of a file; options of the command line override them."""
    from bot.outbound.authorities import trust_also
    from bot.settings.operation import LogSettings

    settings = places.settings(file)
    trust_also(settings.ca_file)
    if log_format is None:
        return settings
    return settings.model_copy(update={"log": LogSettings(format=log_format)})


@click.command()
@_SETTINGS
@_LOG_FORMAT
@placed
def serve(settings: Path, log_format: LogFormat | None, places: Places) -> int:
    """The bot: takes webhooks, runs checks, shows pages, until it is stopped."""
    from bot.web.serve import serve_bot

    return serve_bot(_read(settings, places, log_format))


@click.command()
@_SETTINGS
@click.option(
    "--arch",
    "arches",
    multiple=True,
    metavar="A",
    help="An architecture that it builds for, may be repeated; default: the settings', else this"
    " machine's. One of another machine is emulated, where the settings allow it.",
)
@_LOG_FORMAT
@placed
def worker(
    settings: Path, arches: tuple[str, ...], log_format: LogFormat | None, places: Places
) -> int:
    """One more worker on the server's engine database: runs checks, serves its metrics alone."""
    from bot.web.serve import run_worker

    server_settings = _read(settings, places, log_format)
    return run_worker(server_settings.building_for(arches) if arches else server_settings)


@click.command()
@click.argument("worker_id", metavar="WORKER")
@_SETTINGS
@placed
def requeue(worker_id: str, settings: Path, places: Places) -> int:
    """Gives the runs of WORKER, which never came back, to the others."""
    from bot.engine.takeover import requeue_runs

    count = requeue_runs(_read(settings, places), worker_id)
    echo(f"{count} runs of {worker_id} are queued again.")
    return 0


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@OWN_SETTINGS
@placed
def backup(directory: Path, settings: Path | None, places: Places) -> int:
    """Writes a server's data, as of one moment, into the new directory DIR; it may run."""
    from bot.engine.backup import make_backup

    manifest = make_backup(server_data(settings, places), directory, settings)
    echo(f"Backed up to {directory}: {', '.join(sorted(manifest.files))}.")
    return 0


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, exists=True))
@OWN_SETTINGS
@placed
def restore(directory: Path, settings: Path | None, places: Places) -> int:
    """Puts the backup DIR in the place of a server's data, which must not be there."""
    from bot.engine.backup import restore_backup

    data = server_data(settings, places)
    manifest = restore_backup(directory, data)
    echo(f"{data.directory} has the data of {manifest.made}.")
    return 0


def server_data(settings: Path | None, places: Places) -> ServerData:
    """Return the places of a server's data, by its settings, else by --data alone."""
    from bot.engine.backup import ENGINE, ServerData

    if settings is None:
        return ServerData(places.data, places.data / ENGINE)
    server_settings = _read(settings, places)
    return ServerData(server_settings.data, server_settings.engine_database())


@click.group()
def webhook() -> None:
    """Webhook deliveries."""


@webhook.command("send")
@click.option("--url", required=True, help="Where to, such as http://localhost:8080/webhook/github")
@click.option("--secret", required=True, help="The webhook secret that signs it.")
@click.option("--event", required=True, help="The event's name, such as pull_request.")
@click.option(
    "--payload",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="A file with the JSON body.",
)
@click.option("--forge", default="github", show_default=True, help="Its type in the settings.")
@placed
def send(url: str, secret: str, event: str, payload: Path, forge: str, places: Places) -> int:
    """Sends a signed fake delivery, as the forge would."""
    from bot.forge.sender import send_webhook

    del places  # accepted as by every command, not used
    return send_webhook(url, secret, event, payload, forge)


@click.command()
@click.option(
    "--forge", type=click.Choice(["github", "gitlab", "forgejo", "pagure"]), default="github"
)
@click.option(
    "--workers",
    is_flag=True,
    help="Instead: two workers on a Postgres, of which one builds for another architecture.",
)
@click.option("--keep", is_flag=True, help="Leave everything running for a browser, until Ctrl-C.")
@click.option("--rebuild", is_flag=True, help="Build again, also what the cache has.")
@placed
def demo(forge: str, workers: bool, keep: bool, rebuild: bool, places: Places) -> int:
    """The whole of it on this machine alone: a small distribution, a forge, a pull request."""
    try:
        from bot.demo.run.demo import DemoOptions, run_demo
    except ModuleNotFoundError as error:
        raise _demo_error(error) from error
    if workers and (keep or rebuild or forge != "github"):
        raise UsageError("--workers goes with no other option.")
    return run_demo(DemoOptions(forge, workers, keep, rebuild, places.cache))


def _demo_error(error: ModuleNotFoundError) -> UsageError:
    """Return the error for a person: the demo, or a package that it needs, is not installed.

    Raises `error` where another module is missing.
    """
    missing = error.name or ""
    if missing == "bot.demo":
        return UsageError(
            "The demo does not come with the installed package.",
            "Clone the repository of minimize and run ./deploy/demo there.",
        )
    if missing.partition(".")[0] == "debian":
        return UsageError(
            "The demo needs python-debian, which is not installed.",
            "Run ./deploy/demo, which installs it, or pip install -e '.[demo]' in the checkout.",
        )
    raise error


_MOST = 50


@click.command()
@click.argument("run_id", metavar="[ID]", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), show_default=str(_MOST))
@OWN_SETTINGS
@formats("text", "json")
@placed
def runs(
    run_id: str | None, limit: int | None, settings: Path | None, form: str, places: Places
) -> int:
    """A server's newest runs; with ID the steps of one, their durations, tries and logs."""
    from bot.engine.inspection import newest_runs, open_runs, run_with_steps

    if run_id is not None and limit is not None:
        raise UsageError("--limit is of the list of runs, and ID names one.", "Leave one out.")
    data = server_data(settings, places)
    with open_runs(data.engine) as client:
        if run_id is None:
            _print_runs(newest_runs(client, limit or _MOST), form)
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


def _print_runs(newest: list[Run], form: str) -> None:
    from bot.engine.inspection import run_to_json

    if form == "json":
        print_json({"runs": [run_to_json(run) for run in newest]})
        return
    from rich.table import Table

    table = Table("Run", "About", "State", "Created", "Process")
    for run in newest:
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
