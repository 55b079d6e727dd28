"""`minimize closure`, `why`, `what-if`, `impact`: images' packages, and the reasons."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Choice, Places, formats, image_choice, on_documents
from bot.cli.output import console, echo, note, print_json, print_text
from bot.errors import UsageError
from bot.model.closure import Closure

if TYPE_CHECKING:
    from bot.closure.pool import Pool
    from bot.model.closure import Impact
    from bot.model.image import ImageRequest


@click.command()
@image_choice(workload_argument=True)
@formats("text", "json")
@on_documents
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

        print_text(closures_text(closures))
    return 3 if any(c.status == "unsolvable" for c in closures) else 0


def _with_nodocs(closures: list[Closure], places: Places) -> Sequence[Closure]:
    """Fill in the sizes without documentation; import nothing if no package file is local."""
    locations = [p.location for c in closures for p in c.packages if p.location is not None]
    if not any(_may_be_there(location.url) for location in locations):
        return closures
    from bot.distro.cache import Cache
    from bot.image.measure import with_nodocs

    return with_nodocs(closures, Cache(places.cache))


def _may_be_there(url: str) -> bool:
    """Return False for a file that does not exist: a repository of metadata only."""
    if not url.startswith("file://"):
        return True
    from urllib.parse import unquote

    return Path(unquote(url.removeprefix("file://"))).exists()


@click.command()
@click.argument("package")
@image_choice(workload_argument=False, required=False)
@formats("text", "json")
@on_documents
def why(package: str, choice: Choice, form: str, places: Places) -> int:
    """Why PACKAGE is in an image: every root, the shortest chain from each, what takes it out.

    Without --workload all images are looked at, and those that have the package shown.
    """
    from bot.closure.why import why as explain
    from bot.report.answers import unsolvable_text

    answers, unsolvable = [], False
    names = _Names(package)
    for pool, request in choice.images(places):
        solution = pool.solve(request)
        names.add(pool, solution)
        if solution.status == "unsolvable":
            unsolvable = True
            echo(unsolvable_text(solution), err=True)
        answers.append(explain(pool, request, solution, package))
    if form == "json":
        from bot.report.jsonform import why_to_json

        print_json(why_to_json(answers))
    else:
        from bot.report.answers import print_why

        with_package = [answer for answer in answers if answer.nevra is not None]
        # Most of all images do not have the package.
        print_why(package, answers if choice.workloads else with_package or answers, console())
    if not any(answer.nevra for answer in answers):
        names.suggest()
    return 3 if unsolvable else 0


@click.command("what-if")
@click.argument("action", type=click.Choice(["drop", "forbid"]), metavar="drop|forbid")
@click.argument("capability", metavar="CAPABILITY|PACKAGE")
@click.option("--from", "from_package", metavar="PACKAGE", help="Only this package's requirement.")
@image_choice(workload_argument=False)
@formats("text", "json")
@on_documents
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
    from bot.closure.why import forbid
    from bot.closure.why import what_if as solve_without

    if action == "forbid" and from_package is not None:
        raise UsageError("--from is for `drop`: `forbid` finds the requirers itself.")
    answers = []
    required, holder = _Names(capability), _Names(from_package or "")
    for pool, request in choice.images(places):
        answers.append(
            forbid(pool, request, capability)
            if action == "forbid"
            else solve_without(pool, request, capability, from_package=from_package)
        )
        if answers[-1].problems:
            for names in (required, holder):
                names.add(pool, pool.solve(request))
    if form == "json":
        from bot.report.jsonform import what_if_to_json

        print_json(what_if_to_json(answers))
    else:
        from bot.report.answers import print_what_if

        print_what_if(answers, console())
    if all(answer.problems for answer in answers):
        if from_package is not None:
            holder.suggest()
        required.suggest()
    return 3 if any(a.status == "unsolvable" for a in answers) else 0


class _Names:
    """The names that the images know, for suggestions where none has the given name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pools: dict[Pool, None] = {}
        self._in_images: set[str] = set()

    def add(self, pool: Pool, closure: Closure) -> None:
        """Add the packages of an image and the names that they require."""
        self._pools[pool] = None
        self._in_images.update(package.nevra.name for package in closure.packages)
        self._in_images.update(edge.capability for edge in closure.edges)

    def suggest(self) -> None:
        """Print similar names in the images, as a note.

        UsageError where no repository has the name either: it was misspelled.
        """
        from bot.closure.names import is_known, near_names, package_names

        if self.name in self._in_images:
            return
        near = near_names(self.name, self._in_images)
        if any(is_known(pool, self.name) for pool in self._pools):
            if near:
                note(f"Did you mean {_or(near)}?")
            return
        for pool in self._pools:
            near = near or near_names(self.name, package_names(pool))
        raise UsageError(
            f"No package of the repositories is called `{self.name}` or provides it.",
            f"Did you mean {_or(near)}?" if near else "",
        )


def _or(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


@click.command()
@click.argument("action", type=click.Choice(["drop"]), metavar="drop")
@click.argument("name", metavar="PACKAGE-OR-CAPABILITY")
@image_choice(workload_argument=False, required=False)
@formats("text", "json")
@on_documents
def impact(action: str, name: str, choice: Choice, form: str, places: Places) -> int:
    """List the images and packages that break if a package or capability is dropped.

    Images also where they change; packages of the whole repositories that cannot be installed then,
    and can be now.
    """
    assert action == "drop"  # the only action; click refuses others
    requests: dict[Pool, list[ImageRequest]] = {}
    for pool, request in choice.images(places):
        requests.setdefault(pool, []).append(request)
    result = _impact_of(requests, name)
    from bot.report.answers import impact_text
    from bot.report.jsonform import impact_to_json

    if form == "json":
        print_json(impact_to_json(result))
    else:
        print_text(impact_text(result))
    return 0


def _impact_of(requests: dict[Pool, list[ImageRequest]], name: str) -> Impact:
    """Return the impact in all pools; UsageError where none of them has it."""
    from bot.closure.impact import broken_without, dropped, image_impacts
    from bot.model.closure import Broken, ImageImpact, Impact

    images: list[ImageImpact] = []
    broken: list[Broken] = []
    error_of_name: UsageError | None = None
    is_provided = False
    for pool, image_requests in requests.items():
        try:
            dropped_packages = dropped(pool, name)
        except UsageError as error:
            error_of_name = (
                error_of_name or error
            )  # another repository or architecture may have the name
            continue
        is_provided = True
        images += image_impacts(pool, image_requests, dropped_packages)
        broken += broken_without(pool, dropped_packages)
    if error_of_name is not None and not is_provided:
        raise error_of_name
    return Impact(tuple(sorted(images, key=lambda image: image.key)), tuple(sorted(broken)))
