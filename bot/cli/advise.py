"""`minimize advise`: the smallest image for a request, and the best edits."""

from __future__ import annotations

from contextlib import closing
from importlib.util import find_spec
from itertools import groupby
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Choice, Places, formats, image_choice, on_documents, pools_and_requests
from bot.cli.output import print_json, print_text
from bot.errors import SurroundingsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bot.advice.spec_lines import SettingOf
    from bot.check.repository_file import RepositoryFile
    from bot.closure.pool import Pool
    from bot.distro.documents import Configuration
    from bot.model.advice import ImageAdvice, Metric
    from bot.model.image import ImageKey
    from bot.model.opportunity import Opportunity


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
    help="Computing time for each image; results that are not proved by then are marked.",
)
@click.option(
    "--metric",
    type=click.Choice(["installed", "download", "nodocs"]),
    default="installed",
    show_default=True,
    help="The size to minimize; nodocs: without documentation, by headers.",
)
@click.option(
    "--fleet",
    "with_fleet",
    is_flag=True,
    help="Also the fewest distinct packages that serve all images together.",
)
@click.option(
    "--unused",
    is_flag=True,
    help="Also the hand-written requirements of today's packages without a trace of use.",
)
@click.option(
    "--git",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="A checkout with spec files: edits name their lines, and CODEOWNERS' maintainers; what"
    " the objectives of its .minimize.yaml keep stays.",
)
@click.option(
    "--maintainers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Who maintains which source: YAML or JSON, also Fedora's, or CODEOWNERS.",
)
@click.option(
    "--precedent",
    "fetch_others",
    is_flag=True,
    help="Fetch the other repository documents' metadata too, to see which do without an edit's"
    " requirement; without it those that the cache has are looked at.",
)
@image_choice(workload_argument=True)
@formats("text", "json")
@on_documents
def advise(
    edits: int,
    seconds: float,
    metric: Metric,
    with_fleet: bool,
    unused: bool,
    git: Path | None,
    maintainers: Path | None,
    fetch_others: bool,
    choice: Choice,
    form: str,
    places: Places,
) -> int:
    """The smallest image for the same request, and the best edits of the distribution."""
    _refuse_idle(edits, seconds, fetch_others=fetch_others)
    _need_optimiser()
    from bot.advice.advise import Wish
    from bot.advice.advise import advise as advise_image
    from bot.advice.fleet import FleetModel
    from bot.advice.headers import HeaderFacts
    from bot.advice.maintainers import maintainers_in, maintainers_of, read_maintainers
    from bot.advice.many import advise_many, overall_of
    from bot.advice.precedents import with_precedents, with_states
    from bot.advice.requests import Job
    from bot.advice.spec_lines import SpecLines, with_places
    from bot.advice.unused import unused_requirements
    from bot.check.objectives import needs_of
    from bot.check.processes import in_processes
    from bot.distro.cache import Cache
    from bot.model.advice import Advice

    wish = Wish(edits, seconds, metric)
    configuration = places.configuration(named=bool(choice.repositories))
    file = _repository_file(git)
    objectives = (*configuration.objectives.values(), *file.objectives)
    pairs = pools_and_requests(choice.keys(configuration), configuration, places)
    jobs = [
        Job(
            pool,
            request,
            needs=needs_of(objectives, request.key),
            test=configuration.workloads[request.key.workload].test,
        )
        for pool, request in pairs
    ]
    needs_headers = edits or metric == "nodocs" or unused
    cache = Cache(places.cache)
    headers = HeaderFacts(cache) if needs_headers else None
    model = FleetModel(metric) if with_fleet else None
    if model is None:
        answers = advise_many(jobs, wish, cache, in_processes)
    else:
        answers = []
        for _, images in groupby(jobs, lambda job: job.image):
            answers += advise_image(images, wish, headers, model)
    pools = {(j.request.key.repository, j.request.key.arch): j.pool for j in jobs}
    ordered = sorted(answers, key=lambda image: image.key)
    lists = [read_maintainers(maintainers)] if maintainers is not None else []
    lines = None
    if git is not None:
        lists += [maintainers_of(file.maintainers), maintainers_in(git)]
        lines = SpecLines(git, _settings(configuration, pools, places))
    others = _others(ordered, pools, configuration, places, fetch=fetch_others)
    advices = with_places(with_precedents(ordered, others), lists, lines)
    advices = with_states(advices, _opportunities(places))
    overall = overall_of(advices, jobs, wish, cache)
    advice = Advice(
        metric,
        advices,
        overall.edits,
        model.fleet(max(seconds, _SECONDS_OF_FLEET)) if model is not None else None,
        overall.together,
        overall.by_source,
        overall.by_maintainer,
        unused_requirements(jobs, headers, lists) if unused and headers is not None else None,
    )
    from bot.report.advice import advice_text, advice_to_json

    if form == "json":
        print_json(advice_to_json(advice))
    else:
        print_text(advice_text(advice))
    return 3 if any(image.status == "unsolvable" for image in answers) else 0


def _opportunities(places: Places) -> Sequence[Opportunity]:
    """Return the opportunities that `track` and the server have stored on this machine."""
    from bot.store import FILE

    if not (places.data / FILE).is_file():
        return ()
    from bot.store.opportunities import Opportunities
    from bot.store.store import open_store

    with closing(open_store(places.data)) as store:
        return Opportunities(store).all()


def _repository_file(checkout: Path | None) -> RepositoryFile:
    """Return the .minimize.yaml of a checkout; an empty one without a checkout or a file."""
    from bot.check.repository_file import read_repository_file
    from bot.model.result import REPOSITORY_FILE

    own = None if checkout is None else checkout / REPOSITORY_FILE
    return read_repository_file(own.read_bytes() if own is not None and own.is_file() else None)


def _others(
    advices: Sequence[ImageAdvice],
    open_pools: Mapping[tuple[str, str], Pool],
    configuration: Configuration,
    places: Places,
    *,
    fetch: bool,
) -> Iterator[Pool]:
    """Yield the pools of all repository documents on the architectures of advices with edits.

    Unless `fetch`, pools that are not open are made only from the cache.
    """
    from bot.advice.precedents import needs_precedents
    from bot.check.pools import Pools
    from bot.distro.cache import Cache

    for arch in sorted(needs_precedents(advices)):
        for name, document in sorted(configuration.repositories.items()):
            if (name, arch) in open_pools:
                yield open_pools[name, arch]
            elif arch in document.architectures:
                pools = places.pools() if fetch else Pools(Cache(places.cache), offline=True)
                try:
                    pool = pools.get(document, arch)
                except SurroundingsError:
                    continue  # not cached or not available: no precedent
                yield pool


def _settings(
    configuration: Configuration, pools: Mapping[tuple[str, str], Pool], places: Places
) -> SettingOf:
    """Return the setting in which spec files are evaluated for an image; each is made once."""
    from bot.distro.cache import Cache
    from bot.spec.setting import SpecSetting, setting_of

    settings: dict[tuple[str, str], SpecSetting] = {}

    def setting(key: ImageKey) -> SpecSetting:
        place = key.repository, key.arch
        if place not in settings:
            document = configuration.repositories[key.repository]
            settings[place] = setting_of(document, {key.arch: pools[place]}, Cache(places.cache))
        return settings[place]

    return setting


def _refuse_idle(edits: int, seconds: float, *, fetch_others: bool) -> None:
    """Raise UsageError for options that would do nothing."""
    if isnan(seconds):
        raise UsageError("--seconds is a number of seconds.")
    if fetch_others and not edits:
        raise UsageError("--precedent is of edits, and --edits 0 plans none.", "Leave one out.")


def _need_optimiser() -> None:
    """Raise SurroundingsError if the optimiser is missing: it has no wheels for some machines."""
    if find_spec("pysat") is None:
        raise SurroundingsError(
            "The optimiser, python-sat, is not installed.",
            "It has no wheel for this machine's architecture. With a C++ compiler:"
            " pip install python-sat",
        )
