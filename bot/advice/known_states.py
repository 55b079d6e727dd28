"""The states of an advice's edits that are opportunities: proposed, landed or declined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bot.model.advice import Change, ImageAdvice, KnownState, Plan, Swap
from bot.model.opportunity import Opportunity

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
        found = state(change) if change is not None else None
        return found is not None and found.state == "declined"

    def wanted(plan: Plan) -> bool:
        return not any(map(declined, plan.changes))

    def open_(swap: Swap) -> Swap:
        return replace(swap, prefer=None) if declined(swap.prefer) else swap

    advice = replace(advice, plans=tuple(filter(wanted, advice.plans)))
    if advice.smallest is not None:
        swaps = tuple(map(open_, advice.smallest.instead))
        advice = replace(advice, smallest=replace(advice.smallest, instead=swaps))
    return advice.with_changes(lambda _, change: replace(change, opportunity=state(change)))
