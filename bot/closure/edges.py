"""The edges of a closure (who requires which capability, and who satisfies it), and removals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

import solv

from bot.closure.requests import dependency_id
from bot.model.capability import Node, Rich, is_rich, parse_rich, split_capability
from bot.model.closure import Closure, Edge, EdgeKind
from bot.model.nevra import Nevra

_BOTH = 0  # before and after the prereq marker
_KINDS: tuple[tuple[EdgeKind, int], ...] = (
    ("requires", solv.SOLVABLE_REQUIRES),
    ("recommends", solv.SOLVABLE_RECOMMENDS),
)


# A requirement of a package: its capability, and its kind.
Stated = tuple[str, EdgeKind]
# The requirements of one package, sorted, by who satisfies them.
Links = Mapping[int, tuple[Stated, ...]]


class _Needs(NamedTuple):
    """The dependencies of a package in any closure: plain ones by provider, rich ones as texts."""

    plain: tuple[tuple[int, tuple[Stated, ...]], ...]
    rich: tuple[Stated, ...]


class EdgeFinder:
    """Finds the edges of closures in one pool.

    `providers` returns the packages, of any closure, that provide a dependency, by its libsolv id.
    """

    def __init__(self, pool: Any, providers: Callable[[int], tuple[int, ...]]) -> None:
        self._pool = pool
        self._providers = providers
        self._needs: dict[tuple[int, bool], _Needs] = {}
        self._plain: dict[str, tuple[int, ...]] = {}
        self._trees: dict[str, Node | None] = {}

    def forget(self, numbers: Collection[int] | None = None) -> None:
        """Drop the cached dependencies of these packages; of all, after the provides changed."""
        if numbers is None:
            self._needs.clear()
            self._plain.clear()
        for number in numbers or ():
            self._needs.pop((number, False), None)
            self._needs.pop((number, True), None)

    def edges(self, members: Mapping[int, Nevra], *, weak: bool) -> tuple[Edge, ...]:
        """Return all edges among `members` (package numbers and their NEVRAs), sorted."""
        nevras, links = self.links(members, weak=weak)
        # Indexes into the sorted NEVRAs have the same order, and compare much faster.
        rows = sorted(
            (source, capability, target, kind)
            for source, targets in enumerate(links)
            for target, stated in targets.items()
            for capability, kind in stated
        )
        return tuple(
            Edge(nevras[source], capability, nevras[target], kind)
            for source, capability, target, kind in rows
        )

    def links(
        self, members: Mapping[int, Nevra], *, weak: bool
    ) -> tuple[tuple[Nevra, ...], Sequence[Links]]:
        """Return the sorted NEVRAs of `members`, and the requirements of each that others satisfy.

        Requirements are by the index of the package that satisfies them. With `weak` recommends and
        supplements are included; a supplement leads from the package that it names to the one that
        has it, as that is why it was installed.
        """
        # A closure's packages are already in this order.
        nevras = tuple(sorted(dict.fromkeys(members.values())))
        places = {nevra: place for place, nevra in enumerate(nevras)}
        ranks = {number: places[nevra] for number, nevra in members.items()}
        links: list[dict[int, tuple[Stated, ...]]] = [{} for _ in nevras]
        for number, own in ranks.items():
            needs = self._needs_of(number, weak)
            targets = links[own]
            for provider, stated in needs.plain:
                satisfier = ranks.get(provider, own)
                if satisfier != own:
                    targets[satisfier] = _together(targets.get(satisfier), stated)
            for capability, kind in needs.rich:
                for provider in self._rich(capability, members):
                    if (satisfier := ranks[provider]) != own:
                        targets[satisfier] = _together(
                            targets.get(satisfier), ((capability, kind),)
                        )
        if weak:
            self._supplement(ranks, members, links)
        return nevras, links

    def _supplement(
        self,
        ranks: Mapping[int, int],
        members: Mapping[int, Nevra],
        links: Sequence[dict[int, tuple[Stated, ...]]],
    ) -> None:
        for number, own in ranks.items():
            for text, providers in self._dependencies(number, solv.SOLVABLE_SUPPLEMENTS):
                named = self._rich(text, members) if providers is None else providers
                for source in {ranks.get(provider, own) for provider in named} - {own}:
                    stated: Stated = (text, "supplements")
                    links[source][own] = _together(links[source].get(own), (stated,))

    def _needs_of(self, number: int, weak: bool) -> _Needs:
        needs = self._needs.get((number, weak))
        if needs is None:
            plain: dict[int, set[Stated]] = {}
            rich: dict[Stated, None] = {}
            for kind, key in _KINDS if weak else _KINDS[:1]:
                for text, providers in self._dependencies(number, key):
                    if providers is None:
                        rich[text, kind] = None
                    for provider in providers or ():
                        plain.setdefault(provider, set()).add((text, kind))
            sorted_ = tuple((provider, tuple(sorted(stated))) for provider, stated in plain.items())
            needs = self._needs[number, weak] = _Needs(sorted_, tuple(rich))
        return needs

    def _dependencies(self, number: int, key: int) -> Iterable[tuple[str, tuple[int, ...] | None]]:
        """Yield the texts of a package's dependencies with their providers, None for rich ones."""
        numbers = self._pool.id2solvable(number).lookup_idarray(key, _BOTH)
        for dependency in dict.fromkeys(numbers):
            if dependency != solv.SOLVABLE_PREREQMARKER:
                text = self._pool.dep2str(dependency)
                yield text, None if is_rich(text) else self._providers(dependency)

    def met(self, capability: str, members: Collection[int]) -> bool:
        """Return whether packages of `members` satisfy a capability.

        A rich one must require something: `(a if b)` is met by a beside b; without b it requires
        nothing and counts as not met.
        """
        if not is_rich(capability):
            return any(n in members for n in self._providing_plain(capability))
        if capability not in self._trees:
            self._trees[capability] = parse_rich(capability)
        tree = self._trees[capability]
        return tree is not None and self._is_true(tree, members)

    def _providing_plain(self, capability: str) -> tuple[int, ...]:
        providers = self._plain.get(capability)
        if providers is None:
            number = dependency_id(self._pool, capability)
            providers = self._plain[capability] = self._providers(number) if number else ()
        return providers

    def _is_true(self, tree: Node, members: Collection[int]) -> bool:
        if isinstance(tree, str) or tree.operator in ("with", "without"):
            return bool(self._makes_true(tree, members))
        left, right = self._is_true(tree.left, members), self._is_true(tree.right, members)
        if tree.operator == "and":
            return left and right
        if tree.operator == "or":
            return left or right
        if right == (tree.operator == "if"):
            return left
        return tree.otherwise is not None and self._is_true(tree.otherwise, members)

    def _rich(self, text: str, members: Collection[int]) -> set[int]:
        if text not in self._trees:
            self._trees[text] = parse_rich(text)
        tree = self._trees[text]
        return self._makes_true(tree, members) if tree is not None else set()

    def _makes_true(self, tree: Node, members: Collection[int]) -> set[int]:
        """Return the members that make a rich dependency true; none if it requires nothing."""
        if isinstance(tree, str):
            return self._providing(tree, members)
        left = self._makes_true(tree.left, members)
        right = self._makes_true(tree.right, members)
        if tree.operator in ("if", "unless"):
            return self._conditional(tree, left, right, members)
        if tree.operator == "with":
            return left & right
        return left - right if tree.operator == "without" else left | right

    def _providing(self, capability: str, members: Collection[int]) -> set[int]:
        name, relation, _ = split_capability(capability)
        number = self._pool.str2id(name, False)
        providing = {n for n in self._providers(number) if n in members} if number else set()
        if not relation:
            return providing
        return {n for n in providing if self._has(n, name, capability)}

    def _has(self, number: int, name: str, capability: str) -> bool:
        provided = self._pool.id2solvable(number).lookup_idarray(solv.SOLVABLE_PROVIDES, _BOTH)
        texts = (self._pool.dep2str(dependency) for dependency in provided)
        return any(
            satisfies(text, capability) for text in texts if split_capability(text).name == name
        )

    def _conditional(
        self, tree: Rich, left: set[int], right: set[int], members: Collection[int]
    ) -> set[int]:
        otherwise = (
            self._makes_true(tree.otherwise, members) if tree.otherwise is not None else set()
        )
        if tree.operator == "unless":
            # `(a unless b)` is true with b alone; with `else` both parts count.
            return otherwise | right if right else left
        if right and tree.otherwise is not None:
            return left | right
        return left if right else otherwise


def _together(before: tuple[Stated, ...] | None, stated: tuple[Stated, ...]) -> tuple[Stated, ...]:
    return stated if before is None else tuple(sorted({*before, *stated}))


@lru_cache(maxsize=4096)
def satisfies(provided: str, required: str) -> bool:
    """Return whether a provided capability satisfies a required one; both are plain."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    repo = pool.add_repo("scales")
    solvable = repo.add_solvable()
    solvable.name, solvable.evr, solvable.arch = "provider", "0-0", "noarch"
    solvable.add_provides(dependency_id(pool, provided))
    pool.createwhatprovides()
    return bool(pool.whatprovides(dependency_id(pool, required)))


def without_packages(closure: Closure, removes: Sequence[str], swaps: Sequence[str]) -> Closure:
    """Return a closure without the packages that match globs of names, and without edges.

    With those of `removes` go the packages that have a requirement met by nothing else,
    transitively, as in dnf's `remove`; unneeded dependencies stay. `closure` must have its edges
    for that.
    """
    if not (removes or swaps) or closure.status != "ok":
        return closure
    names = {package.nevra for package in closure.packages}
    removed = {nevra for nevra in names if _is_like(nevra, removes)}
    needs = _needs(closure)
    while broken := {n for n in names - removed for met in needs[n].values() if met <= removed}:
        removed |= broken
    removed |= {nevra for nevra in names if _is_like(nevra, swaps)}
    remaining = tuple(package for package in closure.packages if package.nevra not in removed)
    return replace(
        closure,
        packages=remaining,
        requested=closure.requested - removed,
        edges=(),
        beneath=frozenset(),
    )


def _is_like(nevra: Nevra, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(nevra.name, glob) for glob in globs)


def _needs(closure: Closure) -> Mapping[Nevra, Mapping[str, set[Nevra]]]:
    """Return the packages that meet each requirement of each package."""
    needs: defaultdict[Nevra, defaultdict[str, set[Nevra]]] = defaultdict(lambda: defaultdict(set))
    for edge in closure.edges:
        if edge.kind == "requires":
            needs[edge.source][edge.capability].add(edge.target)
    return needs
