"""The advice on a pull request's images as sentences: an image's architectures together."""

from __future__ import annotations

from collections.abc import Sequence

from bot.chat.parser import say
from bot.model.advice import Change, ImageAdvice, Plan, Smallest
from bot.report.phrase import Phrase, code, joined, listing
from bot.report.sizes import size_span
from bot.report.template import sentences


def advice_of(advices: Sequence[ImageAdvice]) -> Phrase:
    """The advice for one image, its architectures in `advices`, as sentences.

    Swaps with packages of another source are left out, and so is what they make possible: whoever
    asks in a pull request wants what serves the same purpose.
    """
    found = [a for a in advices if a.now is not None and a.smallest is not None]
    now = size_span(a.now.installed_size for a in found if a.now is not None)
    smallest = [a.smallest for a in found if a.smallest is not None]
    parts = [_smallest(now, smallest)]
    for plans in zip(*(a.plans for a in found), strict=True):
        parts.append(_plan(plans))
    return sentences(*parts)


def _smallest(now: str, smallest: Sequence[Smallest]) -> Phrase:
    swaps = [swap for one in smallest for swap in one.instead]
    names = tuple(dict.fromkeys(name for one in smallest for name in one.request))
    unproved = "" if all(one.proved for one in smallest) else _bound(smallest)
    if any(swap.class_ == "other" for swap in swaps):
        return say.today(size=now)
    if not names:
        return say.no_smaller(size=now, bound=unproved)
    size = size_span(one.installed_size for one in smallest)
    return say.smallest(now=now, size=size, names=listing(map(code, names)), bound=unproved)


def _plan(plans: Sequence[Plan]) -> Phrase:
    first = plans[0]
    names = tuple(dict.fromkeys(name for plan in plans for name in plan.request))
    return say.plan(
        edits=first.edits,
        size=size_span(plan.installed_size for plan in plans),
        changes=joined(map(_change, first.changes), "; "),
        names=listing(map(code, names)),
        bound="" if all(plan.proved for plan in plans) else _bound(plans),
    )


def _bound(found: Sequence[Smallest] | Sequence[Plan]) -> str:
    return size_span(one.bound for one in found)


def _change(change: Change) -> Phrase:
    if change.kind == "request":
        return say.edit_request(package=change.package, to=change.to)
    if change.kind == "prefer":
        return say.edit_prefer(package=change.package, to=change.to, capability=change.capability)
    if change.kind == "split":
        return say.edit_split(
            package=change.package, files=len(change.files), capability=change.capability
        )
    perhaps = change.kind in ("order", "weaken") and change.written is None
    edit = say.edit_perhaps if perhaps else say.edit
    return edit(package=change.package, to=change.to, capability=change.capability)
