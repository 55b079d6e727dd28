"""Opportunities over time: the edits that advice finds today, and those that have landed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from bot.advice.advise import Wish, advise
from bot.advice.edits import edited_name
from bot.advice.headers import HeaderFacts
from bot.advice.maintainers import Maintainers
from bot.advice.precedents import with_precedents
from bot.advice.requests import Job
from bot.advice.spec_lines import with_places
from bot.check.objectives import needs_of
from bot.check.pools import Pools
from bot.closure.packages import totals
from bot.closure.pool import Pool
from bot.distro.documents import Configuration
from bot.distro.images import image_keys, image_request
from bot.errors import SurroundingsError
from bot.model.advice import Change, ImageAdvice
from bot.model.image import ImageKey, ImageRequest
from bot.model.opportunity import Opportunity, OpportunityImage, suggestion_of
from bot.model.package import Dependency, Overlay, Package
from bot.store.opportunities import Opportunities, Place
from bot.store.store import now

# To be raised when the same inputs may give another advice.
_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a run: newly advised images, landed edits, and sentences on failures."""

    advised: int = 0
    landed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def settle_opportunities(
    configuration: Configuration,
    opportunities: Opportunities,
    pools: Pools,
    wish: Wish,
    maintainers: Sequence[Maintainers] = (),
) -> Settlement:
    """Find the edits that make images smaller, and settle those that landed or were declined.

    An image whose metadata, request and needs are those of its last advice is not advised again,
    unless the lists of maintainers changed.
    """
    problems: dict[str, None] = {}
    open_pools: dict[tuple[str, str], Pool] = {}
    keys = image_keys(configuration)
    for repository, arch in sorted({(key.repository, key.arch) for key in keys}):
        try:
            document = configuration.repositories[repository]
            open_pools[repository, arch] = pools.get(document, arch)
        except SurroundingsError as error:
            problems[f"{repository} {arch}: no opportunities: {error}"] = None
    landed = _land(configuration, opportunities, open_pools)
    headers = HeaderFacts(pools.cache)
    inputs_before = opportunities.inputs()
    advised = 0
    for place, jobs in _images(configuration, keys, open_pools):
        inputs = _inputs(jobs, wish, maintainers)
        if inputs_before.get(place) != inputs:
            advices = with_precedents(advise(jobs, wish, headers), open_pools.values())
            advices = with_places(advices, maintainers, None)
            opportunities.record(place, inputs, _edits(place, advices))
            advised += 1
    opportunities.settle_declined()
    return Settlement(advised, landed, tuple(problems))


def _images(
    configuration: Configuration,
    keys: Iterable[ImageKey],
    pools: Mapping[tuple[str, str], Pool],
) -> Iterator[tuple[Place, Sequence[Job]]]:
    """Yield each image with its jobs, one for each available architecture."""

    def place_of(key: ImageKey) -> Place:
        return Place(key.repository, key.workload, key.environment)

    ordered = sorted(keys, key=lambda k: (k.repository, k.workload, k.environment, k.arch))
    for place, own_keys in groupby(ordered, place_of):
        jobs = [
            Job(
                pools[key.repository, key.arch],
                image_request(configuration, key),
                needs=needs_of(configuration.objectives.values(), key),
                test=configuration.workloads[key.workload].test,
            )
            for key in own_keys
            if (key.repository, key.arch) in pools
        ]
        if jobs:
            yield place, jobs


def _inputs(jobs: Iterable[Job], wish: Wish, maintainers: Sequence[Maintainers]) -> str:
    facts = [
        (job.pool.snapshot.id, asdict(job.request), job.needs, job.test, asdict(wish))
        for job in jobs
    ]
    people = [(sorted(list_.exact.items()), list(list_.patterns)) for list_ in maintainers]
    # Kept as before if nobody is named.
    inputs = [_FORMAT, facts, people] if people else [_FORMAT, facts]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def _edits(place: Place, advices: Sequence[ImageAdvice]) -> list[tuple[Change, OpportunityImage]]:
    """Return the edits of an image's plans and swaps, with their savings on all architectures."""
    arches = tuple(advice.key.arch for advice in advices if advice.status == "ok")
    edits: dict[tuple[str, str], Change] = {}
    for advice in advices:
        swaps = advice.smallest.instead if advice.smallest is not None else ()
        for swap in swaps:
            if swap.prefer is not None:
                key = swap.prefer.package, swap.prefer.capability
                saves = edits[key].saves if key in edits else 0
                edits[key] = replace(swap.prefer, saves=saves + swap.prefer.saves)
    for advice in advices:
        # A plan is for all architectures: the advice for each has the same one.
        for change in (change for plan in advice.plans for change in plan.changes):
            edits.setdefault((change.package, change.capability), change)
    return [
        (change, OpportunityImage(place.workload, place.environment, arches, change.saves))
        for change in edits.values()
        if change.saves > 0
    ]


def _land(
    configuration: Configuration,
    opportunities: Opportunities,
    pools: Mapping[tuple[str, str], Pool],
) -> tuple[str, ...]:
    """Record the edits that are in the published packages now, with the sizes of their images.

    For an edit that was merged before, they replace the sizes that the check measured.
    """
    landed = []
    for edit in opportunities.all():
        own_pools = [
            pool for (repository, _), pool in pools.items() if repository == edit.repository
        ]
        if not own_pools or (edit.state == "landed" and edit.published):
            continue
        if _has_landed(edit, own_pools, configuration):
            opportunities.land(
                replace(
                    edit, changed=edit.changed if edit.state == "landed" else now(), published=True
                ),
                [_measured(edit, image, configuration, pools) for image in edit.images],
            )
            landed.append(f"{edit.repository}: {edit.edit}")
        elif edit.state == "landed":
            opportunities.wait_for(edit, _versions(edit, own_pools))
    return tuple(landed)


def _versions(edit: Opportunity, pools: Sequence[Pool]) -> str:
    """Return the published versions of an edit's source, as one text."""
    source = edit.change.source
    nevras = {str(p.nevra) for pool in pools for p in pool.newest_published(source)}
    return " ".join(sorted(nevras)) or "none"


def _has_landed(edit: Opportunity, pools: Sequence[Pool], configuration: Configuration) -> bool:
    """Return whether an edit is in the newest packages everywhere, or in the documents."""
    change = edit.change
    if change.kind == "request":
        places = (Place(edit.repository, i.workload, i.environment) for i in edit.images)
        requests = [request for p in places for request in _requests(configuration, p)]
        return bool(requests) and not any(change.package in r.requests for r in requests)
    packages = [
        package
        for pool in pools
        for package in pool.newest_published(change.source)
        if package.nevra.name == change.package
    ]
    if change.kind == "prefer":
        suggestion = suggestion_of(change)
        return bool(packages) and all(_suggests(package, suggestion) for package in packages)
    return bool(packages) and not any(_requires(p, change.capability) for p in packages)


def _requires(package: Package, capability: str) -> bool:
    name = edited_name(capability)
    return any(edited_name(d.capability) == name for d in package.of_kind("requires"))


def _suggests(package: Package, name: str) -> bool:
    return any(d.capability.split(" ")[0] == name for d in package.of_kind("suggests"))


def _requests(configuration: Configuration, place: Place) -> list[ImageRequest]:
    """Return the requests of an image; none where no document describes it any more."""
    if place.workload not in configuration.workloads:
        return []
    keys = image_keys(
        configuration, workloads=[place.workload], repositories=[place.repository], arches=[]
    )
    return [image_request(configuration, k) for k in keys if k.environment == place.environment]


def _measured(
    edit: Opportunity,
    image: OpportunityImage,
    configuration: Configuration,
    pools: Mapping[tuple[str, str], Pool],
) -> OpportunityImage:
    """Return an image with its sizes without and with an edit; None where one cannot be solved.

    An image that no document describes any more has the same size without the edit.
    """
    before = after = 0
    for request in _requests(
        configuration, Place(edit.repository, image.workload, image.environment)
    ):
        pool = pools.get((edit.repository, request.key.arch))
        size_with = _size(pool, request, _overlay(edit.change, pool, request, undone=False))
        size_without = _size(pool, *_undone(edit.change, pool, request))
        if size_with is None or size_without is None:
            return replace(image, before=None, after=None)
        before, after = before + size_without, after + size_with
    return replace(image, before=before, after=after)


def _undone(
    change: Change, pool: Pool | None, request: ImageRequest
) -> tuple[ImageRequest, Overlay | None]:
    """Return the request and the packages as they were before an edit."""
    if change.kind == "request":
        names = (change.package if name == change.to else name for name in request.requests)
        return replace(request, requests=tuple(dict.fromkeys(names))), None
    return request, _overlay(change, pool, request, undone=True)


def _overlay(
    change: Change, pool: Pool | None, request: ImageRequest, *, undone: bool
) -> Overlay | None:
    """Return the newest packages of an edit's source, with the edit or as before it."""
    if pool is None or change.kind == "request":
        return None
    packages = pool.newest_published(change.source)
    if undone:
        packages = tuple(
            _before(p, change) if p.nevra.name == change.package else p for p in packages
        )
    return Overlay(request.key.arch, frozenset((change.source,)), tuple(packages), "predicted")


def _before(package: Package, change: Change) -> Package:
    if change.kind == "prefer":
        suggestion = suggestion_of(change)
        dependencies = tuple(
            d
            for d in package.dependencies
            if not (d.kind == "suggests" and d.capability.split(" ")[0] == suggestion)
        )
        return replace(package, dependencies=dependencies)
    need = Dependency("requires", change.capability)
    return replace(package, dependencies=(*package.dependencies, need))


def _size(pool: Pool | None, request: ImageRequest, overlay: Overlay | None) -> int | None:
    if pool is None:
        return None
    closure = pool.solve(request, overlay, settled=lambda _: True)
    return totals(closure).installed_size if closure.status == "ok" else None
