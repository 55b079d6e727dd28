"""`minimize doctor`: the isolation that this machine gives strangers' code."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Places, common, formats, print_json

if TYPE_CHECKING:
    from bot.sandbox.isolation import Isolation, Part
    from bot.settings.values import Settings

_STRANGERS = {
    "run": "Strangers' code is run here, with all of this.",
    "refused": "Strangers' code is not run here.",
    "run without a memory limit": "Strangers' code is run here without a limit of its memory: the"
    " settings say so.",
}


@click.command()
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The server's settings: its cache is looked at, and its builder.",
)
@formats("text", "json")
@common
def doctor(settings: Path | None, form: str, places: Places) -> int:
    """Says what isolation this machine gives strangers' code, what is missing, and what helps.

    Run it as the user that the server runs as, in its container or unit. Exit code 1 where
    something is missing.
    """
    from bot.sandbox.isolation import inspect_isolation

    served = None if settings is None else _read(settings, places)
    found = inspect_isolation(
        places.cache if served is None else served.cache,
        memory_limit_required=served is None or served.sandbox.memory_limit_required,
    )
    if served is not None and (part := _builder(served)) is not None:
        found = replace(found, parts=(*found.parts, part))
    if form == "json":
        print_json(_to_json(found))
    else:
        _print(found)
    return 1 if found.missing else 0


def _read(file: Path, places: Places) -> Settings:
    from bot.settings.values import load_settings

    chosen = {name: places.chosen(name) for name in ("config", "data", "cache")}
    return load_settings(file, **chosen)


def _builder(settings: Settings) -> Part | None:
    """The part that is missing where mock builds; null where it does not."""
    from bot.sandbox.isolation import Part

    if not settings.build.enabled or settings.build.builder != "mock":
        return None
    return Part(
        "builds",
        False,
        "mock isolates them in its own way: with the machine's system calls, memory and disk",
        "Let the settings say `build: {builder: rpmbuild}`.",
    )


def _to_json(found: Isolation) -> dict[str, object]:
    return {
        "user": "root" if os.geteuid() == 0 else str(os.geteuid()),
        "kernel": platform.release(),
        "strangers": found.strangers,
        "isolation": [asdict(part) for part in found.parts],
    }


def _print(found: Isolation) -> None:
    width = max(len(part.name) for part in found.parts)
    for part in found.parts:
        mark = (
            click.style("ok     ", fg="green") if part.given else click.style("missing", fg="red")
        )
        click.echo(f"{mark}  {part.name:{width}}  {part.detail}")
        if part.remedy:
            click.echo(f"{'':{width + 11}}{part.remedy}")
    click.echo(_STRANGERS[found.strangers])
