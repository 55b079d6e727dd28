"""Who requires which capability, and who satisfies it, within a closure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

import solv

from bot.closure.requests import dependency_id
from bot.model.capability import Node, Rich, is_rich, parse_rich, split_capability
from bot.model.closure import Edge, EdgeKind, Link
from bot.model.nevra import Nevra

_BOTH = 0  # before and after the marker of prerequisites
_KINDS: tuple[tuple[EdgeKind, int], ...] = (
    ("requires", solv.SOLVABLE_REQUIRES),
    ("recommends", solv.SOLVABLE_RECOMMENDS),
    ("supplements", solv.SOLVABLE_SUPPLEMENTS),
)


class _Need(NamedTuple):
    """A dependency of a package: its text, and who provides it (nobody known of a rich one)."""

    text: str
    rich: bool
    providers: tuple[int, ...]


class EdgeFinder:
    """Finds the edges of closures in one pool.

    `providers` gives the packages, of any closure, that provide a dependency by its number.
    """

    def __init__(self, pool: Any, providers: Callable[[int], tuple[int, ...]]) -> None:
        self._pool = pool
        self._providers = providers
        self._needs: dict[tuple[int, int], tuple[_Need, ...]] = {}
        self._plain: dict[str, tuple[int, ...]] = {}
        self._trees: dict[str, Node | None] = {}

    def forget(self, numbers: Collection[int] | None = None) -> None:
        """Reads the dependencies of these packages anew; of all where the pool's provides moved."""
        if numbers is None:
            self._needs.clear()
            self._plain.clear()
        for number in numbers or ():
            for _, key in _KINDS:
                self._needs.pop((number, key), None)

    def edges(self, members: Mapping[int, Nevra], *, weak: bool) -> tuple[Edge, ...]:
        """All edges among `members` (package numbers and their NEVRAs), sorted."""
        nevras, links = self.links(members, weak=weak)
        return tuple(
            Edge(nevras[link.source], link.capability, nevras[link.target], kind)
            for link in links
            for kind in (cast(EdgeKind, link.kind),)
        )

    def links(
        self, members: Mapping[int, Nevra], *, weak: bool
    ) -> tuple[tuple[Nevra, ...], tuple[Link, ...]]:
        """The NEVRAs of `members`, sorted, and all links among them by their places there, sorted.

        With `weak` also those of recommends and supplements; a supplement's link runs from the
        package that it names to the one that has it: that is why it came in.
        """
        # Numbers in the order of NEVRAs compare as they do, and much quicker.
        nevras = tuple(sorted(set(members.values())))
        places = {nevra: place for place, nevra in enumerate(nevras)}
        ranks = {number: places[nevra] for number, nevra in members.items()}
        found: set[Link] = set()
        for kind, key in _KINDS if weak else _KINDS[:1]:
            for number, own in ranks.items():
                for text, rich, providers in self._needs_of(number, key):
                    for each in self._rich(text, members) if rich else providers:
                        other = ranks.get(each, own)
                        if other != own and kind == "supplements":
                            found.add(Link(other, text, own, kind))
                        elif other != own:
                            found.add(Link(own, text, other, kind))
        return nevras, tuple(sorted(found))

    def _needs_of(self, number: int, key: int) -> tuple[_Need, ...]:
        found = self._needs.get((number, key))
        if found is None:
            numbers = self._pool.id2solvable(number).lookup_idarray(key, _BOTH)
            found = tuple(
                _Need(text, rich, () if rich else self._providers(dependency))
                for dependency in dict.fromkeys(numbers)
                if dependency != solv.SOLVABLE_PREREQMARKER
                for text in (self._pool.dep2str(dependency),)
                for rich in (is_rich(text),)
            )
            self._needs[number, key] = found
        return found

    def met(self, capability: str, members: Mapping[int, Nevra]) -> bool:
        """Return whether packages of `members` satisfy a capability; a rich one must ask for
        something.

        `(a if b)` is met by a beside b; without b it asks for nothing and nobody meets it.
        """
        if not is_rich(capability):
            return any(n in members for n in self._providing_plain(capability))
        if capability not in self._trees:
            self._trees[capability] = parse_rich(capability)
        tree = self._trees[capability]
        return tree is not None and self._is_true(tree, members)

    def _providing_plain(self, capability: str) -> tuple[int, ...]:
        found = self._plain.get(capability)
        if found is None:
            number = dependency_id(self._pool, capability)
            found = self._plain[capability] = self._providers(number) if number else ()
        return found

    def _is_true(self, tree: Node, members: Mapping[int, Nevra]) -> bool:
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

    def _rich(self, text: str, members: Mapping[int, Nevra]) -> set[int]:
        if text not in self._trees:
            self._trees[text] = parse_rich(text)
        tree = self._trees[text]
        return self._makes_true(tree, members) if tree is not None else set()

    def _makes_true(self, tree: Node, members: Mapping[int, Nevra]) -> set[int]:
        """The members that make a rich dependency true; none if it asks for nothing."""
        if isinstance(tree, str):
            return self._providing(tree, members)
        left = self._makes_true(tree.left, members)
        right = self._makes_true(tree.right, members)
        if tree.operator in ("if", "unless"):
            return self._conditional(tree, left, right, members)
        if tree.operator == "with":
            return left & right
        return left - right if tree.operator == "without" else left | right

    def _providing(self, capability: str, members: Mapping[int, Nevra]) -> set[int]:
        name, relation, _ = split_capability(capability)
        number = self._pool.str2id(name, False)
        found = {n for n in self._providers(number) if n in members} if number else set()
        if not relation:
            return found
        return {n for n in found if self._has(n, name, capability)}

    def _has(self, number: int, name: str, capability: str) -> bool:
        provided = self._pool.id2solvable(number).lookup_idarray(solv.SOLVABLE_PROVIDES, _BOTH)
        texts = (self._pool.dep2str(dependency) for dependency in provided)
        return any(
            satisfies(text, capability) for text in texts if split_capability(text).name == name
        )

    def _conditional(
        self, tree: Rich, left: set[int], right: set[int], members: Mapping[int, Nevra]
    ) -> set[int]:
        otherwise = (
            self._makes_true(tree.otherwise, members) if tree.otherwise is not None else set()
        )
        if tree.operator == "unless":
            # `(a unless b)` is true with b alone, and with an else both halves count.
            return otherwise | right if right else left
        if right and tree.otherwise is not None:
            return left | right
        return left if right else otherwise


@lru_cache(maxsize=4096)
def satisfies(provided: str, required: str) -> bool:
    """Return whether a plain capability that is provided satisfies a plain one that is required."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    repo = pool.add_repo("scales")
    solvable = repo.add_solvable()
    solvable.name, solvable.evr, solvable.arch = "provider", "0-0", "noarch"
    solvable.add_provides(dependency_id(pool, provided))
    pool.createwhatprovides()
    return bool(pool.whatprovides(dependency_id(pool, required)))
