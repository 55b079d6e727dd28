"""`minimize closure`, `why` and `what-if`: one image's packages, and the reasons for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from bot.cli.options import (
    Choice,
    Places,
    common,
    console,
    formats,
    image_choice,
    print_json,
)
from bot.errors import UsageError
from bot.model.closure import Closure


@click.command()
@image_choice(workload_argument=True)
@formats("text", "json")
@common
def closure(choice: Choice, form: str, places: Places) -> int:
    """The packages of each image, their sizes, and who requires which capability of whom."""
    closures = [pool.solve(request) for pool, request in choice.images(places)]
    if form == "json":
        from bot.report.jsonform import closures_to_json

        print_json(closures_to_json(_with_nodocs(closures, places)))
    elif sys.stdout.isatty():
        from bot.report.answers import print_closures

        print_closures(closures, console())
    else:
        from bot.report.answers import closures_text

        sys.stdout.write(closures_text(closures))
    return 3 if any(c.status == "unsolvable" for c in closures) else 0


def _with_nodocs(closures: list[Closure], places: Places) -> Sequence[Closure]:
    """Fills the sizes without documentation; imports nothing where no package file is there."""
    located = [p.location for c in closures for p in c.packages if p.location is not None]
    if not any(_may_be_there(location.url) for location in located):
        return closures
    from bot.distro.cache import Cache
    from bot.image.measure import with_nodocs

    return with_nodocs(closures, Cache(places.cache))


def _may_be_there(url: str) -> bool:
    """False for a file that is not there: a repository of metadata alone."""
    if not url.startswith("file://"):
        return True
    from urllib.parse import unquote

    return Path(unquote(url.removeprefix("file://"))).exists()


@click.command()
@click.argument("package")
@image_choice(workload_argument=False, required=False)
@formats("text", "json")
@common
def why(package: str, choice: Choice, form: str, places: Places) -> int:
    """Why PACKAGE is in an image: every root, the shortest chain from each, what takes it out.

    Without --workload all images are looked at, and those that have the package shown.
    """
    from bot.closure.why import why as explain
    from bot.report.answers import unsolvable_text

    answers, unsolvable = [], False
    for pool, request in choice.images(places):
        solved = pool.solve(request)
        if solved.status == "unsolvable":
            unsolvable = True
            click.echo(unsolvable_text(solved), err=True)
        answers.append(explain(pool, request, solved, package))
    if form == "json":
        from bot.report.jsonform import why_to_json

        print_json(why_to_json(answers))
    else:
        from bot.report.answers import print_why

        there = [answer for answer in answers if answer.nevra is not None]
        # Of all images most have nothing to tell.
        print_why(answers if choice.workloads or not there else there, console())
    return 3 if unsolvable else 0


@click.command("what-if")
@click.argument("action", type=click.Choice(["drop", "forbid"]), metavar="drop|forbid")
@click.argument("capability", metavar="CAPABILITY|PACKAGE")
@click.option("--from", "from_package", metavar="PACKAGE", help="Only this package's requirement.")
@image_choice(workload_argument=False)
@formats("text", "json")
@common
def what_if(
    action: str,
    capability: str,
    from_package: str | None,
    choice: Choice,
    form: str,
    places: Places,
) -> int:
    """List the packages that would leave if CAPABILITY were no longer required.

    `forbid` is of a PACKAGE: what would leave without it, and which requirements stand in the way.
    """
    from bot.closure.blame import forbid
    from bot.closure.why import what_if as solve_without

    if action == "forbid" and from_package is not None:
        raise UsageError("--from is for `drop`: `forbid` finds the requirers itself.")
    answers = [
        forbid(pool, request, capability)
        if action == "forbid"
        else solve_without(pool, request, capability, from_package=from_package)
        for pool, request in choice.images(places)
    ]
    if form == "json":
        from bot.report.jsonform import what_if_to_json

        print_json(what_if_to_json(answers))
    else:
        from bot.report.answers import print_what_if

        print_what_if(answers, console())
    return 3 if any(a.status == "unsolvable" for a in answers) else 0
