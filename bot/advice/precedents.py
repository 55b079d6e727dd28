"""Precedents: other distributions or newer releases whose package does without a requirement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.closure.pool import Pool
from bot.model.advice import Change, ImageAdvice, KnownState, Plan, Precedent, Swap
from bot.model.capability import names_in
from bot.model.opportunity import Opportunity

_Place = tuple[str, str, str, str]


def with_precedents(
    advices: Iterable[ImageAdvice], pools: Iterable[Pool]
) -> tuple[ImageAdvice, ...]:
    """Return the advices, each change with the other distributions that do without its requirement.

    Those of an image's own repository document do not count, nor those of other architectures.
    `pools` is iterated once, so that no two pools need be open.
    """
    advices = tuple(advices)
    precedents: dict[_Place, list[Precedent]] = {}
    for pool in pools:
        for place, change in _questions(advices, pool):
            precedents.setdefault(place, []).extend(_precedents(change, pool))

    def with_precedent(advice: ImageAdvice, change: Change) -> Change:
        known = precedents.get(_place(advice, change), ())
        ordered = sorted(known, key=lambda one: (one.repository, one.nevra))
        return replace(change, evidence=replace(change.evidence, precedent=tuple(ordered)))

    return tuple(advice.with_changes(with_precedent) for advice in advices)


def _questions(advices: Sequence[ImageAdvice], pool: Pool) -> Iterator[tuple[_Place, Change]]:
    """Yield the changes for which a pool can be a precedent, each once."""
    own = pool.snapshot.document.id
    by_place: dict[_Place, Change] = {}
    for advice in advices:
        if advice.key.arch == pool.arch and advice.key.repository != own:
            for change in _changes(advice):
                by_place[_place(advice, change)] = change
    yield from by_place.items()


def _changes(advice: ImageAdvice) -> Iterator[Change]:
    for plan in advice.plans:
        for change in plan.changes:
            if change.kind in ("order", "weaken", "split"):
                yield change


def _place(advice: ImageAdvice, change: Change) -> _Place:
    key = advice.key
    kind = "" if change.kind in ("order", "weaken", "split") else change.kind
    return key.repository, key.arch, change.package, f"{kind}{change.capability}"


def _precedents(change: Change, pool: Pool) -> Iterator[Precedent]:
    for package in pool.candidates(change.package):
        required = {n for d in package.of_kind("requires") for n in names_in(d.capability)}
        known = package.nevra.name == change.package
        if known and not any(_is(name, change.capability) for name in required):
            yield Precedent(pool.snapshot.document.id, package.nevra)


def needs_precedents(advices: Iterable[ImageAdvice]) -> Collection[str]:
    """Return the architectures of images with a change for which there could be a precedent."""
    return {advice.key.arch for advice in advices if any(True for _ in _changes(advice))}


def _is(name: str, capability: str) -> bool:
    return name == capability or name.startswith(f"{capability}(")


Key = tuple[str, str, str]


def with_states(
    advices: Iterable[ImageAdvice], opportunities: Iterable[Opportunity]
) -> tuple[ImageAdvice, ...]:
    """Return the advices with the state of each edit that is an opportunity.

    Plans with a declined edit are left out, and so is the declined `prefer` edit of a swap.
    """
    known: dict[Key, KnownState] = {
        (one.repository, one.change.package, one.change.capability): KnownState(
            one.id, one.state, one.url, one.saved
        )
        for one in opportunities
    }
    return tuple(_with_state(advice, known) for advice in advices)


def _with_state(advice: ImageAdvice, known: Mapping[Key, KnownState]) -> ImageAdvice:
    repository = advice.key.repository

    def state(change: Change) -> KnownState | None:
        return known.get((repository, change.package, change.capability))

    def declined(change: Change | None) -> bool:
        known = state(change) if change is not None else None
        return known is not None and known.state == "declined"

    def wanted(plan: Plan) -> bool:
        return not any(map(declined, plan.changes))

    def open_(swap: Swap) -> Swap:
        return replace(swap, prefer=None) if declined(swap.prefer) else swap

    advice = replace(advice, plans=tuple(filter(wanted, advice.plans)))
    if advice.smallest is not None:
        swaps = tuple(map(open_, advice.smallest.instead))
        advice = replace(advice, smallest=replace(advice.smallest, instead=swaps))
    return advice.with_changes(lambda _, change: replace(change, opportunity=state(change)))
