"""Finds the lines of a change that bring each added package or make a head unsolvable.

That a line brings a package is proved by solving again without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from types import MappingProxyType

from bot.check.stated_lines import AddedDependency, Stated
from bot.closure.why import difference
from bot.model.closure import Closure, Edge
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.result import Added, ImageResult
from bot.model.spec import SpecLine
from bot.model.suggestion import Saving, Suggestion

# A solve takes some milliseconds. After this many for one image, a set from which no line can be
# left out is taken instead of the smallest one.
MOST_SOLVES = 200

_PLAIN_REQUIRES = re.compile(r"^\s*Requires\s*:(?P<rest>.+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Explained:
    """An image whose added packages have their lines, and what each line alone would save.

    `savings` has no line that also states what the base has: weakening it would change that as
    well. `solved` are the closures of head without sets of lines, as far as they were solved.
    """

    image: ImageResult
    savings: Mapping[SpecLine, Saving]
    solved: Mapping[frozenset[SpecLine], Closure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Solving:
    """The functions by which `explain` solves one image again.

    `without(lines)` is head without those lines of the change, `only(line)` is base with that line
    alone. `ways(lines)` are the chains to the packages that head without those lines still adds, by
    name and architecture. `requested` are lines that add requests to the image, `roots` those of
    them that request a package of head, by package.
    """

    without: Callable[[frozenset[SpecLine]], Closure]
    only: Callable[[SpecLine], Closure]
    ways: Callable[[frozenset[SpecLine]], Mapping[tuple[str, str], tuple[Edge, ...]]]
    requested: tuple[SpecLine, ...] = ()
    roots: Mapping[Nevra, tuple[SpecLine, ...]] = field(default_factory=dict)


def explain(
    image: ImageResult, head: Closure, changes: tuple[AddedDependency, ...], solving: Solving
) -> Explained:
    """Name for each added package the line that brings it and the lines that must go together.

    A line is named if the package leaves with it, alone or with others; or if it alone would bring
    the package, which then stays by another chain that is named too.
    """
    lines = tuple(sorted({*(c.origin for c in changes), *solving.requested}))
    if not image.added or not lines or head.status != "ok":
        return Explained(image, {})
    names = {a.package.nevra.name_arch for a in image.added}
    search = _Search(lines, names, solving.without)
    leaves = search.smallest_sets()
    stated = Stated(changes, solving.roots)
    added = tuple(
        _with_set(a, stated, together, search, head)
        if (together := leaves.get(a.package.nevra.name_arch))
        else _staying(a, stated, frozenset(lines), solving)
        for a in image.added
    )
    mixed = {c.origin for c in changes if not c.whole_line}
    savings = {
        line: saving
        for line, closure in search.alone.items()
        if closure.status == "ok" and line not in mixed
        for saving in (saving_of(image.key, head, closure),)
        if saving.packages > saving.come
    }
    return Explained(replace(image, added=added), savings, search.solved)


def saving_of(key: ImageKey, head: Closure, without: Closure) -> Saving:
    """The saving of an image if `head` becomes `without`."""
    before = {p.nevra.name_arch for p in head.packages}
    after = {p.nevra.name_arch for p in without.packages}
    return Saving(key, len(before - after), difference(head, without).saved, len(after - before))


def _with_set(
    added: Added, stated: Stated, together: tuple[SpecLine, ...], search: _Search, head: Closure
) -> Added:
    """An added package that leaves without the lines `together`: which of them bring it."""
    name = added.package.nevra.name_arch
    lines = stated.lines_of(added.chains, added.package.nevra)
    if len(together) == 1:
        # Of several lines that each take it out, the nearest one explains most.
        near = (line for line in lines if search.takes_out(line, name))
        together = (next(near, together[0]),)
    enough = [line for line in together if search.brings(line, name)]
    on_chain = [line for line in lines if line in together]
    spec = next(iter([*on_chain, *enough, *together]))
    return replace(
        added,
        spec=spec,
        leaves_with=together,
        alternatives=tuple(line for line in enough if line != spec) if spec in enough else (),
        together_with=() if spec in enough else search.needed_with(spec, name),
        instead=search.coming_without(together, head),
    )


def _staying(added: Added, stated: Stated, lines: frozenset[SpecLine], solving: Solving) -> Added:
    """An added package that stays without any lines: the line that would bring it, and the chain by
    which it stays."""
    nevra = added.package.nevra
    for line in stated.lines_of(added.chains, nevra):
        if _has(solving.only(line), nevra.name_arch):
            way = solving.ways(lines).get(nevra.name_arch, ())
            return replace(added, spec=line, stays_by=way)
    return added


def _has(closure: Closure, name: tuple[str, str]) -> bool:
    return any(p.nevra.name_arch == name for p in closure.packages)


class _Search:
    """Search for the smallest sets of lines without which each of `names` leaves."""

    def __init__(
        self,
        lines: tuple[SpecLine, ...],
        names: set[tuple[str, str]],
        solve_without: Callable[[frozenset[SpecLine]], Closure],
    ) -> None:
        self._lines = lines
        self._names = names
        self._solve = solve_without
        self.solved: dict[frozenset[SpecLine], Closure] = {}
        self._members: dict[frozenset[SpecLine], set[tuple[str, str]]] = {}
        self._coming: dict[frozenset[SpecLine], tuple[Nevra, ...]] = {}
        self.alone: dict[SpecLine, Closure] = {}

    def smallest_sets(self) -> dict[tuple[str, str], tuple[SpecLine, ...]]:
        smallest: dict[tuple[str, str], tuple[SpecLine, ...]] = {}
        for line in self._lines:
            self.alone[line] = self._without(frozenset((line,)))
        open_names = self._left_by(frozenset(self._lines))
        for size in range(1, len(self._lines) + 1):
            for line_set in combinations(self._lines, size):
                if not open_names or len(self.solved) > MOST_SOLVES:
                    break
                for name in sorted(open_names & self._left_by(frozenset(line_set))):
                    smallest[name] = line_set
                    open_names.discard(name)
        for name in sorted(open_names):
            smallest[name] = self._shrunk(name)
        return smallest

    def brings(self, line: SpecLine, name: tuple[str, str]) -> bool:
        """Return whether this line of the change brings the package even without all the others."""
        return self._is_there(frozenset(self._lines) - {line}, name)

    def takes_out(self, line: SpecLine, name: tuple[str, str]) -> bool:
        """Return whether the package leaves without this line alone."""
        names = self._names_without(frozenset({line}))
        return self.alone[line].status == "ok" and name not in names

    def coming_without(self, lines: Iterable[SpecLine], head: Closure) -> tuple[Nevra, ...]:
        """The packages that are there without these lines of the change and are not in `head`."""
        line_set = frozenset(lines)
        if line_set not in self._coming:
            self._coming[line_set] = self._coming_without(line_set, head)
        return self._coming[line_set]

    def _coming_without(self, lines: frozenset[SpecLine], head: Closure) -> tuple[Nevra, ...]:
        head_names = {p.nevra.name_arch for p in head.packages}
        packages = self._without(lines).packages
        return tuple(p.nevra for p in packages if p.nevra.name_arch not in head_names)

    def needed_with(self, line: SpecLine, name: tuple[str, str]) -> tuple[SpecLine, ...]:
        """The smallest set of other lines that, with `line`, bring the package."""
        others = [another for another in self._lines if another != line]
        for candidate in tuple(others):
            fewer = [line_ for line_ in others if line_ != candidate]
            if self._is_there(frozenset(self._lines) - {line, *fewer}, name):
                others = fewer
        return tuple(others)

    def _is_there(self, without: frozenset[SpecLine], name: tuple[str, str]) -> bool:
        # Without no line it is head, where the package is.
        return not without or name in self._names_without(without)

    def _shrunk(self, name: tuple[str, str]) -> tuple[SpecLine, ...]:
        """A set from which no single line can be left out; used when there are too many sets to
        try."""
        remaining = list(self._lines)
        for line in self._lines:
            fewer = frozenset(remaining) - {line}
            if fewer and name in self._left_by(fewer):
                remaining.remove(line)
        return tuple(remaining)

    def _without(self, lines: frozenset[SpecLine]) -> Closure:
        if lines not in self.solved:
            self.solved[lines] = self._solve(lines)
        return self.solved[lines]

    def _left_by(self, lines: frozenset[SpecLine]) -> set[tuple[str, str]]:
        closure = self._without(lines)
        if closure.status != "ok":
            return set()
        return self._names - self._names_without(lines)

    def _names_without(self, lines: frozenset[SpecLine]) -> set[tuple[str, str]]:
        if lines not in self._members:
            packages = self._without(lines).packages
            self._members[lines] = {p.nevra.name_arch for p in packages}
        return self._members[lines]


def suggestions(
    savings: Iterable[Mapping[SpecLine, Saving]],
    edits: Mapping[SpecLine, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[Suggestion, ...]:
    """Plain `Requires` lines of the change that could be weak, and what each saves by image.

    Only lines that say `Requires:` themselves: a qualified one is needed by a scriptlet, and a line
    made by a macro cannot be rewritten here. `savings` must not have images that install weak
    dependencies, which save nothing. `edits` are the names of the edits of each line.
    """
    by_line: dict[SpecLine, list[Saving]] = {}
    for of_image in savings:
        for line, saving in of_image.items():
            by_line.setdefault(line, []).append(saving)
    result = []
    for line, saves in sorted(by_line.items()):
        match = _PLAIN_REQUIRES.match(line.text)
        if match:
            weaker = f"Recommends: {match['rest'].strip()}"
            by_key = tuple(sorted(saves, key=lambda saving: saving.key))
            result.append(Suggestion(line, weaker, by_key, edits.get(line, ())))
    return tuple(result)
