"""The closures of a check on one architecture: what images share is made and solved once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from bot.check.evidence import Sides
from bot.check.generated import Generated, generated_requirements, overlay_without_generated
from bot.check.stated_lines import overlay_with, overlay_without
from bot.closure.added import AddedChains
from bot.closure.pool import Pool
from bot.model.closure import Closure, Edge, GeneratedRequirement
from bot.model.image import ImageRequest
from bot.model.nevra import Nevra
from bot.model.package import Overlay
from bot.model.spec import SpecLine

# Overlays of single lines that are taken in together; of more lines each when it is needed.
_MOST_LINES = 16

Chains = Mapping[Nevra, tuple[tuple[Edge, ...], ...]]
_Content = tuple[object, ...]


class Solver:
    """Solves images on both sides of a change, and with some of its lines alone.

    Closures have no edges: of all that a check finds only the chains need them. Overlays are the
    same object for the same lines, since taking one into the pool is most of a solve's time;
    images with the same requests are solved once. `base_pool` is base's, where the change edits the
    repository document too.
    """

    def __init__(
        self,
        pool: Pool,
        sides: Sides,
        requests: Iterable[ImageRequest],
        base_pool: Pool | None = None,
    ) -> None:
        self.pool = pool
        self._base_pool = base_pool
        self.sides = sides
        self._solved: dict[tuple[_Content, int], Closure] = {}
        self._chains: dict[tuple[_Content, _Content, int], Chains] = {}
        self._added = AddedChains(pool, base_pool)
        self._with: dict[SpecLine, Overlay] = {}
        self._without: dict[frozenset[SpecLine], Overlay] = {}
        self._built_without: dict[tuple[frozenset[SpecLine], Generated], Overlay] = {}
        pool.hold((sides.base, sides.head), tuple(requests))

    def solve(self, request: ImageRequest, overlay: Overlay) -> Closure:
        """The closure of an image with an overlay of this solver, without its edges."""
        content = _content(request), id(overlay)
        known = self._solved.get(content)
        if known is None:
            known = self.pool.solve(request, overlay, settled=lambda _: True)
            self._solved[content] = known
        return replace(known, key=request.key)

    def solve_base(self, request: ImageRequest) -> Closure:
        """The closure of an image as base has it, without its edges."""
        if self._base_pool is None:
            return self.solve(request, self.sides.base)
        return self._base_pool.solve(request, self.sides.base, settled=lambda _: True)

    def chains(
        self,
        before: tuple[ImageRequest, Closure],
        after: tuple[ImageRequest, Closure],
        overlay: Overlay,
    ) -> Chains:
        """The chains to what `after`, solved with an overlay of this solver, has more than base."""
        found = (*before, self.sides.base), (*after, overlay)
        content = _content(before[0]), _content(after[0]), id(overlay)
        if content not in self._chains:
            self._chains[content] = self._added.find(*found)
        return self._chains[content]

    def without(self, lines: frozenset[SpecLine]) -> Overlay:
        """Head's overlay without these lines of the change."""
        if not self._without:
            all_lines = frozenset(line.origin for line in self.sides.lines)
            single = [frozenset({line}) for line in sorted(all_lines)[:_MOST_LINES]]
            self.pool.hold(
                [self._made_without(each) for each in dict.fromkeys((*single, all_lines))]
            )
        return self._made_without(lines)

    def _made_without(self, lines: frozenset[SpecLine]) -> Overlay:
        if lines not in self._without:
            made = overlay_without(self.sides.head, self.sides.lines, lines)
            base = self.sides.base
            # Where the lines are all that changed, it is base, whose closures are known.
            same = (made.packages, made.sources) == (base.packages, base.sources)
            self._without[lines] = base if same else made
        return self._without[lines]

    @cached_property
    def generated(self) -> tuple[GeneratedRequirement, ...]:
        """The requirements of head's packages that only a build finds."""
        return generated_requirements(self.pool, self.sides)

    def without_generated(self, lines: frozenset[SpecLine], generated: Generated) -> Overlay:
        """Head's overlay without these lines, and without these findings of its build."""
        key = lines, generated
        if key not in self._built_without:
            left = self.without(lines) if lines else self.sides.head
            self._built_without[key] = overlay_without_generated(left, generated)
        return self._built_without[key]

    def only(self, line: SpecLine) -> Overlay:
        """Base's overlay with one line of the change more."""
        if line not in self._with:
            self._with[line] = overlay_with(self.sides.base, self.sides.lines, line)
        return self._with[line]


def _content(request: ImageRequest) -> _Content:
    return (
        request.requests,
        request.groups,
        request.weak,
        request.placeholders,
        request.excludes,
        request.removes,
        request.swaps,
        request.installed,
        request.beneath and _content(request.beneath),
    )
