"""`minimize impact`: the images and packages that something dropped concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot.cli.options import Choice, Places, common, formats, image_choice
from bot.cli.output import print_json, print_text
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.closure.pool import Pool
    from bot.model.image import ImageRequest
    from bot.model.impact import Impact


@click.command()
@click.argument("action", type=click.Choice(["drop"]), metavar="drop")
@click.argument("name", metavar="PACKAGE-OR-CAPABILITY")
@image_choice(workload_argument=False, required=False)
@formats("text", "json")
@common
def impact(action: str, name: str, choice: Choice, form: str, places: Places) -> int:
    """List the images and packages that break if a package or capability is dropped.

    Images also where they change; packages of the whole repositories that cannot be installed then,
    and can be now.
    """
    assert action == "drop"  # the only one there is; click refuses others
    requests: dict[Pool, list[ImageRequest]] = {}
    for pool, request in choice.images(places):
        requests.setdefault(pool, []).append(request)
    found = _found(requests, name)
    from bot.report.impact import impact_text, impact_to_json

    if form == "json":
        print_json(impact_to_json(found))
    else:
        print_text(impact_text(found))
    return 0


def _found(requests: dict[Pool, list[ImageRequest]], name: str) -> Impact:
    """The impact in all pools; UsageError where none of them has it."""
    from bot.closure.impact import broken_without, dropped, image_impacts
    from bot.model.impact import Broken, ImageImpact, Impact

    images: list[ImageImpact] = []
    broken: list[Broken] = []
    unknown: UsageError | None = None
    known = False
    for pool, wanted in requests.items():
        try:
            what = dropped(pool, name)
        except UsageError as error:
            unknown = unknown or error  # another repository or architecture may have it
            continue
        known = True
        images += image_impacts(pool, wanted, what)
        broken += broken_without(pool, what)
    if unknown is not None and not known:
        raise unknown
    return Impact(tuple(sorted(images, key=lambda image: image.key)), tuple(sorted(broken)))
