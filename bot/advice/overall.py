"""Edits over all images: the savings of each, and the best few together.

An edit in the plans of one image is tried in every other that has the requirement, by solving: the
savings stated are those that dnf would make. The best few together are found one after another,
each the one that saves most beside those before. The upper bound for such a set is the sum of each
image's own best plan with as many edits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bot.advice.edits import capability_name
from bot.advice.requests import UNSWAPPED, Addition, Job
from bot.model.advice import (
    Change,
    EditKind,
    ImageAdvice,
    Metric,
    Overall,
    OverallEdit,
    OverallTotal,
    Standing,
    TogetherEdits,
)
from bot.model.closure import Closure, Requirement

MANY_IMAGES, MOST_WIDE = 200, 20
_MOST_NEXT = 12  # edits that are tried beside those chosen already
_TRIED: tuple[EditKind, ...] = ("order", "weaken")
_STANDINGS: Mapping[Standing, int] = {"supported": 0, "possible": 1, "contradicted": 2}
Line = tuple[EditKind, str, str, str]
"""An edit: kind, package, source and capability."""
NamesOf = Callable[[OverallEdit], Iterable[str]]


def overall(
    advices: Iterable[ImageAdvice], jobs: Iterable[Job], metric: Metric, most: int
) -> Overall:
    """Return the edits of all plans and swaps with what each saves alone in all images.

    They are sorted by evidence (supported, possible, contradicted), then by bytes. `jobs` are those
    of the images; `most` is the largest number of edits that are chosen together.
    """
    advised = [advice for advice in advices if advice.smallest is not None]
    by_key = {job.request.key: job for job in jobs}
    changes: dict[Line, Change] = {}
    for advice in advised:
        for change in changes_of(advice):
            known = changes.setdefault(_line(change), change)
            if _STANDINGS[change.standing] > _STANDINGS[known.standing]:
                changes[_line(change)] = change  # a contradiction in one image is enough
    alone = len({(a.key.workload, a.key.environment, a.key.repository) for a in advised}) < 2
    images = [
        _Image(advice, by_key.get(advice.key) if metric != "nodocs" and not alone else None, metric)
        for advice in advised
    ]
    # With many images, only the edits that save most by the plans are tried in images without such
    # a plan.
    planned = sorted(changes.values(), key=lambda c: -sum(image.known(c) for image in images))
    wide = MOST_WIDE if len(images) > MANY_IMAGES else len(planned)
    edits = [_edit(change, images, wide=n < wide) for n, change in enumerate(planned)]
    ordered = tuple(
        sorted(
            # Edits that save only beside others are in the plans that have both.
            (edit for edit in edits if edit.saves > 0),
            key=lambda e: (_STANDINGS[e.standing], -e.saves, e.package, e.capability, e.kind),
        )
    )
    return Overall(
        ordered,
        tuple(_together(ordered, images, most)),
        _totals(ordered, lambda edit: (edit.source,)),
        _totals(ordered, lambda edit: edit.maintainers),
    )


def changes_of(advice: ImageAdvice) -> Iterator[Change]:
    """The changes of an image's plans and swaps."""
    for plan in advice.plans:
        yield from plan.changes
    if advice.smallest is not None:
        yield from (s.prefer for s in advice.smallest.instead if s.prefer is not None)


def _line(change: Change) -> Line:
    return change.kind, change.package, change.source, change.capability


def _edit(change: Change, images: Sequence[_Image], *, wide: bool) -> OverallEdit:
    savings = (image.saved(change) if wide else image.known(change) for image in images)
    saved = [saves for saves in savings if saves > 0]
    return OverallEdit(
        *_line(change), len(saved), sum(saved), change.maintainers, change.standing,
        change.opportunity,
    )  # fmt: skip


class _Image:
    """An image with its own smallest form, and the savings of edits in it."""

    def __init__(self, advice: ImageAdvice, job: Job | None, metric: Metric) -> None:
        self._job = job
        self._metric = metric
        self.advice = advice
        arches = max((len(plan.arches) for plan in advice.plans), default=1)
        # A plan's savings are those of all architectures together.
        self._known: dict[Line, int] = {}
        for change in changes_of(advice):
            share = 1 if change.kind == "prefer" else arches
            self._known[_line(change)] = change.saves // share
        self._tried: dict[frozenset[tuple[str, str]], int] = {}

    def known(self, change: Change) -> int:
        """Return the bytes that an edit saves alone by the image's own plans, else 0."""
        return self._known.get(_line(change), 0)

    def saved(self, change: Change) -> int:
        """Return the bytes that an edit saves alone."""
        line = _line(change)
        if line not in self._known:
            own = {(change.package, change.capability)} if change.kind in _TRIED else set()
            self._known[line] = self.together(own) if self._has(own) else 0
        return self._known[line]

    def together(self, edits: Iterable[tuple[str, str]]) -> int:
        """Return the bytes that orders and weakenings, by package and capability, save together."""
        own = self._has(edits)
        if not own or self._before is None:
            return 0
        if own not in self._tried:
            drop = [needed for edit in sorted(own) for needed in self._requirements[edit]]
            after = self._closure(drop)
            saved = _size(self._before, self._metric) - _size(after, self._metric)
            self._tried[own] = saved if after.status == "ok" else 0
        return self._tried[own]

    def _has(self, edits: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        return frozenset(edit for edit in edits if edit in self._requirements)

    @cached_property
    def _before(self) -> Closure | None:
        return self._closure([]) if self._job is not None else None

    @cached_property
    def _requirements(self) -> Mapping[tuple[str, str], Sequence[Requirement]]:
        """The requirements of the image's packages by package and capability name."""
        requirements: dict[tuple[str, str], list[Requirement]] = {}
        for package in self._before.packages if self._before is not None else ():
            for dependency in package.of_kind("requires"):
                name = capability_name(dependency.capability)
                if name is not None:
                    edit = package.nevra.name, name
                    needed = Requirement(package.nevra, dependency.capability)
                    requirements.setdefault(edit, []).append(needed)
        return requirements

    def _closure(self, drop: Sequence[Requirement]) -> Closure:
        assert self._job is not None
        smallest = self.advice.smallest
        addition = (
            Addition(smallest.request, smallest.excludes) if smallest is not None else UNSWAPPED
        )
        return replace(self._job, drop=drop).closure(addition)


def _size(closure: Closure, metric: Metric) -> int:
    sizes = (
        p.download_size if metric == "download" else p.installed_size for p in closure.packages
    )
    return sum(size or 0 for size in sizes)


@dataclass(frozen=True, slots=True)
class _Chosen:
    edits: tuple[OverallEdit, ...]
    saves: int


def _together(
    edits: Sequence[OverallEdit], images: Sequence[_Image], most: int
) -> Iterator[TogetherEdits]:
    """Yield the best one edit, the best two, ... found one after another, while more save more."""
    left = [edit for edit in edits if edit.kind in _TRIED and edit.saves > 0]
    chosen = _Chosen((), 0)
    for count in range(1, most + 1):
        tried = [_beside(chosen.edits, edit, images) for edit in left[:_MOST_NEXT]]
        best = max(tried, key=lambda one: one.saves, default=chosen)
        if best.saves <= chosen.saves:
            return
        chosen = best
        left = [edit for edit in left if edit not in chosen.edits]
        bound = max(sum(_most_saved(image.advice, count) for image in images), chosen.saves)
        yield TogetherEdits(count, chosen.edits, chosen.saves, bound, chosen.saves >= bound)


def _beside(edits: tuple[OverallEdit, ...], more: OverallEdit, images: Iterable[_Image]) -> _Chosen:
    wanted = (*edits, more)
    if len(wanted) == 1:
        return _Chosen(wanted, more.saves)
    names = [(edit.package, edit.capability) for edit in wanted]
    return _Chosen(wanted, sum(image.together(names) for image in images))


def _most_saved(advice: ImageAdvice, edits: int) -> int:
    """Return an upper bound of the bytes that so many edits save beyond the smallest image."""
    if advice.smallest is None or advice.smallest.installed_size is None or not advice.plans:
        return 0
    bounds = (plan.bound for plan in advice.plans if plan.edits <= edits)
    return max(0, advice.smallest.installed_size - min(bounds, default=advice.smallest.bound))


def _totals(edits: Iterable[OverallEdit], names: NamesOf) -> tuple[OverallTotal, ...]:
    """Return the sums of what the edits of each name save alone, largest first."""
    edits_of: dict[str, list[OverallEdit]] = {}
    for edit in edits:
        for name in names(edit):
            edits_of.setdefault(name, []).append(edit)
    totals = [
        OverallTotal(name, len(own), max(e.images for e in own), sum(e.saves for e in own))
        for name, own in edits_of.items()
    ]
    return tuple(sorted(totals, key=lambda total: (-total.saves, total.name)))
