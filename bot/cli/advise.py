"""`minimize advise`: the smallest image for a request, and the best edits."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from itertools import groupby
from typing import TYPE_CHECKING

import click

from bot.cli.options import (
    Choice,
    Places,
    common,
    formats,
    image_choice,
    pools_and_requests,
    print_json,
)
from bot.errors import SurroundingsError

if TYPE_CHECKING:
    from bot.distro.documents import Configuration
    from bot.model.advice import ImageAdvice, Metric
    from bot.model.image import ImageKey


# All images together are one larger problem.
_SECONDS_OF_FLEET = 60.0


@click.command()
@click.option(
    "--edits",
    type=click.IntRange(0, 10),
    default=1,
    show_default=True,
    help="Plans of up to so many edits; 0: none.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help="Of computing for each image; what is not proved by then says so.",
)
@click.option(
    "--metric",
    type=click.Choice(["installed", "download", "nodocs"]),
    default="installed",
    show_default=True,
    help="The size that is made small; nodocs: without documentation, by headers.",
)
@click.option(
    "--fleet",
    "with_fleet",
    is_flag=True,
    help="Also the fewest distinct packages that serve all images together.",
)
@image_choice(workload_argument=True)
@formats("text", "json")
@common
def advise(
    edits: int,
    seconds: float,
    metric: Metric,
    with_fleet: bool,
    choice: Choice,
    form: str,
    places: Places,
) -> int:
    """The smallest image for the same request, and the best edits of the distribution."""
    _need_optimiser()
    from bot.advice.advise import Wish, overall
    from bot.advice.advise import advise as advise_image
    from bot.advice.evidence import with_precedents
    from bot.advice.fleet import FleetModel
    from bot.advice.headers import HeaderFacts
    from bot.advice.requests import Job
    from bot.distro.cache import Cache
    from bot.model.advice import Advice

    wish = Wish(edits, seconds, metric)
    configuration = places.configuration(named=bool(choice.repositories))
    opened = pools_and_requests(choice.keys(configuration), configuration, places)
    jobs = [
        Job(pool, request, needs=needs_of(configuration, request.key)) for pool, request in opened
    ]
    headers = HeaderFacts(Cache(places.cache)) if edits or metric == "nodocs" else None
    model = FleetModel(metric) if with_fleet else None
    found: list[ImageAdvice] = []
    for _, images in groupby(jobs, lambda job: job.image):
        found += advise_image(images, wish, headers, model)
    pools = {(j.request.key.repository, j.request.key.arch): j.pool for j in jobs}
    advices = with_precedents(sorted(found, key=lambda image: image.key), pools)
    fleet = model.fleet(max(seconds, _SECONDS_OF_FLEET)) if model is not None else None
    advice = Advice(metric, advices, overall(advices), fleet)
    from bot.report.advice import advice_text, advice_to_json

    if form == "json":
        print_json(advice_to_json(advice))
    else:
        sys.stdout.write(advice_text(advice))
    return 3 if any(image.status == "unsolvable" for image in found) else 0


def needs_of(configuration: Configuration, key: ImageKey) -> tuple[str, ...]:
    """The programs and capabilities that the objectives of an image need, or keep."""
    found = (
        (*o.needs, *o.keep)
        for o in configuration.objectives.values()
        if o.workload == key.workload
        and o.environment in (None, key.environment)
        and o.repository in (None, key.repository)
        and (not o.architectures or key.arch in o.architectures)
    )
    return tuple(dict.fromkeys(text for texts in found for text in texts))


def _need_optimiser() -> None:
    """SurroundingsError where there is no optimiser: it has no wheels for every machine."""
    if find_spec("pysat") is None:
        raise SurroundingsError(
            "The optimiser, python-sat, is not installed.",
            "It has no wheel for this machine's architecture. With a C++ compiler:"
            " pip install python-sat",
        )
