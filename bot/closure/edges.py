"""Who requires which capability, and who satisfies it, within a closure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import solv

from bot.closure.requests import dependency_id
from bot.model.capability import Node, Rich, is_rich, parse_rich, split_capability
from bot.model.closure import Edge, EdgeKind
from bot.model.nevra import Nevra

_Row = tuple[int, str, int, EdgeKind]
_BOTH = 0  # before and after the marker of prerequisites


class EdgeFinder:
    """Finds the edges of closures in one pool.

    `providers` gives the packages, of any closure, that provide a dependency by its number.
    """

    def __init__(self, pool: Any, providers: Callable[[int], tuple[int, ...]]) -> None:
        self._pool = pool
        self._providers = providers
        self._texts: dict[int, tuple[str, bool]] = {}
        self._trees: dict[str, Node | None] = {}

    def edges(self, members: Mapping[int, Nevra], *, weak: bool) -> tuple[Edge, ...]:
        """All edges among `members` (package numbers and their NEVRAs), sorted.

        With `weak` also those of recommends and supplements; a supplement's edge runs from the
        package that it names to the one that has it: that is why it came in.
        """
        # Numbers in the order of NEVRAs compare as they do, and much quicker.
        nevras = sorted(set(members.values()))
        places = {nevra: place for place, nevra in enumerate(nevras)}
        ranks = {number: places[nevra] for number, nevra in members.items()}
        found: set[_Row] = set()
        for number, rank in ranks.items():
            solvable = self._pool.id2solvable(number)
            for target, text in self._satisfied(solvable, solv.SOLVABLE_REQUIRES, members):
                found.add((rank, text, ranks[target], "requires"))
            if not weak:
                continue
            for target, text in self._satisfied(solvable, solv.SOLVABLE_RECOMMENDS, members):
                found.add((rank, text, ranks[target], "recommends"))
            for source, text in self._satisfied(solvable, solv.SOLVABLE_SUPPLEMENTS, members):
                found.add((ranks[source], text, rank, "supplements"))
        return tuple(
            Edge(nevras[source], text, nevras[target], kind)
            for source, text, target, kind in sorted(found)
            if source != target
        )

    def met(self, capability: str, members: Mapping[int, Nevra]) -> bool:
        """Return whether packages of `members` satisfy a capability; a rich one must ask for
        something.

        `(a if b)` is met by a beside b; without b it asks for nothing and nobody meets it.
        """
        if not is_rich(capability):
            number = dependency_id(self._pool, capability)
            return any(n in members for n in self._providers(number)) if number else False
        if capability not in self._trees:
            self._trees[capability] = parse_rich(capability)
        tree = self._trees[capability]
        return tree is not None and self._is_true(tree, members)

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

    def _satisfied(
        self, solvable: Any, key: int, members: Mapping[int, Nevra]
    ) -> Iterable[tuple[int, str]]:
        for dependency in solvable.lookup_idarray(key, _BOTH):
            if dependency == solv.SOLVABLE_PREREQMARKER:
                continue
            known = self._texts.get(dependency)
            if known is None:
                text = self._pool.dep2str(dependency)
                known = self._texts[dependency] = text, is_rich(text)
            text, rich = known
            if rich:
                for target in sorted(self._rich(text, members)):
                    yield target, text
            else:
                for target in self._providers(dependency):
                    if target in members:
                        yield target, text

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
