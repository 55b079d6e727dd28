"""`minimize doctor`: the isolation that this machine gives strangers' code, and what it builds."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bot.cli.options import Places, common, formats
from bot.cli.output import print_json
from bot.report.phrase import visible

if TYPE_CHECKING:
    from bot.sandbox.isolation import Isolation, Part
    from bot.settings.values import Settings

_STRANGERS = {
    "run": "Strangers' code is run here, with all of the above.",
    "refused": "Strangers' code is not run here.",
    "run without a memory limit": "Strangers' code is run here without a memory limit, as the"
    " settings say.",
}


_LONGEST = 1000  # characters of a program's message or a path


@click.command()
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The server's settings: its cache is looked at, and its builder.",
)
@formats("text", "json")
@common
def doctor(settings: Path | None, form: str, places: Places) -> int:
    """Says what isolation this machine gives strangers' code, which architectures it builds for,
    what is missing, and what helps.

    Run it as the user that the server runs as, in its container or unit. Exit code 1 where
    something is missing; of other architectures only where the settings say to build for them.
    """
    from bot.sandbox.isolation import inspect_isolation

    served = None if settings is None else places.settings(settings)
    isolation = inspect_isolation(
        places.cache if served is None else served.cache,
        memory_limit_required=served is None or served.sandbox.memory_limit_required,
    )
    if served is not None and (part := _builder(served)) is not None:
        isolation = replace(isolation, parts=(*isolation.parts, part))
    architectures = _architectures(served)
    if form == "json":
        print_json(
            _to_json(isolation)
            | {"architectures": [asdict(architecture) for architecture in architectures]}
        )
    else:
        _print(isolation)
        _print_architectures(architectures)
    lacking = any(
        architecture.wanted and architecture.builds is None for architecture in architectures
    )
    return 1 if isolation.missing or lacking else 0


@dataclass(frozen=True, slots=True)
class _Architecture:
    """An architecture: how this machine builds for it, or None and `detail` says why not.

    `wanted` is true if the settings name it.
    """

    arch: str
    builds: Literal["native", "emulated"] | None
    wanted: bool
    detail: str
    remedy: str = ""


def _architectures(settings: Settings | None) -> list[_Architecture]:
    """Return this machine's architecture, the common ones, and those of the settings."""
    from bot.model.architecture import DEFAULT_ARCHITECTURES
    from bot.sandbox.emulation import known_architectures, native_architecture

    native = native_architecture()
    required = () if settings is None else settings.engine.architectures or (native,)
    allowed = () if settings is None else settings.build.emulated
    names = dict.fromkeys((native, *DEFAULT_ARCHITECTURES, *required, *allowed))
    supported = (native, *known_architectures())
    return [
        _architecture(arch, arch in required, arch in allowed)
        for arch in names
        if arch in supported
    ]


def _architecture(arch: str, wanted: bool, allowed: bool) -> _Architecture:
    from bot.sandbox.emulation import native_architecture, why_not_run

    if arch == native_architecture():
        return _Architecture(arch, "native", wanted, "this machine's own")
    if (reason := why_not_run(arch)) is not None:
        return _Architecture(arch, None, wanted, reason.what.rstrip("."), reason.hint)
    if allowed:
        return _Architecture(arch, "emulated", wanted, "qemu-user, and the settings allow it")
    remedy = f"`build: {{emulated: [{arch}]}}`"
    return _Architecture(
        arch, None, wanted, "qemu-user is installed; the settings do not allow it", remedy
    )


def _builder(settings: Settings) -> Part | None:
    """Return the part that is missing if mock builds; None if it does not."""
    from bot.sandbox.isolation import Part

    if not settings.build.enabled or settings.build.builder != "mock":
        return None
    return Part(
        "builds",
        False,
        "mock isolates builds in its own way, without limits on system calls, memory and disk",
        "Set `build: {builder: rpmbuild}` in the settings.",
    )


def _to_json(isolation: Isolation) -> dict[str, object]:
    return {
        "user": "root" if os.geteuid() == 0 else str(os.geteuid()),
        "kernel": platform.release(),
        "strangers": isolation.strangers,
        "isolation": [asdict(part) for part in isolation.parts],
    }


def _print(isolation: Isolation) -> None:
    width = max(len(part.name) for part in isolation.parts)
    remedies = {""}
    for part in isolation.parts:
        mark = (
            click.style("ok     ", fg="green") if part.given else click.style("missing", fg="red")
        )
        click.echo(f"{mark}  {part.name:{width}}  {visible(part.detail, _LONGEST)}")
        if part.remedy not in remedies:
            remedies.add(part.remedy)
            click.echo(f"{'':{width + 11}}{visible(part.remedy, _LONGEST)}")
    click.echo(_STRANGERS[isolation.strangers])


def _print_architectures(architectures: list[_Architecture]) -> None:
    click.echo("Builds:")
    for architecture in architectures:
        how = architecture.builds or "none"
        mark = click.style(
            f"{how:8}",
            fg="green" if architecture.builds else "red" if architecture.wanted else None,
        )
        click.echo(
            f"{mark} {visible(architecture.arch):8}  {visible(architecture.detail, _LONGEST)}"
        )
        if architecture.remedy and architecture.wanted:
            click.echo(f"{'':19}{visible(architecture.remedy, _LONGEST)}")
