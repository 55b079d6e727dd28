"""The images of one architecture, on both sides of a change: solved, compared, explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from bot.check.affected import closure_pair, holds
from bot.check.compare import Thresholds, compare
from bot.check.evidence import Sides
from bot.check.lines import explain, overlay_without, with_cause_lines
from bot.check.objectives import evaluate_objectives
from bot.check.replaced import with_reason
from bot.closure import Pool
from bot.distro import Configuration, ObjectiveDocument, image_request, self_request
from bot.model import (
    Closure,
    ClosurePair,
    ImageKey,
    ImageRequest,
    ImageResult,
    Saving,
    SpecLine,
)

SELF = "@self"


@dataclass(frozen=True, slots=True)
class Found:
    """One affected image: its result, both closures, and what each line of the change costs.

    `request` is head's, as it was solved.
    """

    result: ImageResult
    request: ImageRequest
    pair: ClosurePair
    savings: Mapping[SpecLine, Saving]
    holds_source: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What applies to every image of a check; `today` says which targets are due."""

    configuration: Configuration
    thresholds: Thresholds
    objectives: tuple[ObjectiveDocument, ...]
    today: date


def affected_images(
    pool: Pool, keys: tuple[ImageKey, ...], sides: Sides, rules: Rules
) -> tuple[Found, ...]:
    """The images among `keys` (all of the pool's architecture) that the change touches."""
    found = []
    for key in keys:
        request = image_request(rules.configuration, key)
        pair = closure_pair(pool, request, sides.base, sides.head)
        if pair is not None:
            found.append(_found(pool, request, pair, sides, rules))
    return tuple(found)


def self_images(
    pool: Pool, keys: tuple[ImageKey, ...], sides: Sides, rules: Rules
) -> tuple[Found, ...]:
    """The images `@self`: each environment of `keys` plus each main package of the change.

    A package that base does not have is compared with the environment alone.
    """
    names = sides.main_packages
    before = {p.nevra.name for p in sides.base.packages}
    found = []
    for key in keys:
        for name in names:
            workload = SELF if len(names) == 1 else f"{SELF}:{name}"
            where = (rules.configuration, key.environment, key.repository, key.arch)
            request = self_request(*where, [name], workload=workload)
            base_names = [name] if name in before else []
            base_request = self_request(*where, base_names, workload=workload)
            pair = ClosurePair(
                pool.solve(base_request, sides.base),
                pool.solve(request, sides.head),
                sides.head.evidence,
            )
            found.append(_found(pool, request, pair, sides, rules))
    return tuple(found)


def _found(
    pool: Pool, request: ImageRequest, pair: ClosurePair, sides: Sides, rules: Rules
) -> Found:
    def solve_without(lines: frozenset[SpecLine]) -> Closure:
        return pool.solve(request, overlay_without(sides.head, sides.lines, lines))

    pair = with_reason(pool, request, pair, sides.base)
    image = compare(pair, rules.thresholds)
    image = replace(image, head=with_cause_lines(image.head, sides.lines))
    explained = explain(image, pair.head, sides.lines, solve_without)
    image = explained.image
    held = evaluate_objectives(rules.objectives, image, pair, rules.today)
    image = replace(image, objectives=held)
    sources = sides.base.sources | sides.head.sources
    return Found(
        image,
        request,
        pair,
        # Where weak dependencies are installed, a weaker line saves nothing.
        {} if request.weak else explained.savings,
        # An image that nothing can install holds nothing; that it is here means it asks for it.
        holds(pair.base, sources) or holds(pair.head, sources) or pair.base.status != "ok",
    )
