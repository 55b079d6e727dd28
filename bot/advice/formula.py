"""Dependencies as boolean clauses over the installed packages.

A clause is a set of literals of which one must be true. A literal is a package's number, or its
negative: that the package is not installed. Rich dependencies are read as libsolv reads them
(pool_normalize_complex_dep in its cplxdeps.c): `(a if b)` is a or not b, `(a if b else c)` is (a or
not b) and (b or c), `(a unless b)` is a and not b, `(a unless b else c)` is (a and not b) or (c and
b).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

from bot.model.capability import Node, Rich

Clause = frozenset[int]
Formula = frozenset[Clause]
Providers = Callable[[str], Iterable[int]]
"""The packages that may be installed and provide a plain capability."""

TRUE: Formula = frozenset()
FALSE: Formula = frozenset({frozenset()})


def one_of(packages: Iterable[int]) -> Formula:
    """One of these packages is installed."""
    return frozenset({frozenset(packages)})


def none_of(packages: Iterable[int]) -> Formula:
    """None of these packages is installed."""
    return frozenset(frozenset({-number}) for number in packages)


def met(tree: Node, providers: Providers) -> Formula:
    """The clauses that hold where a rich dependency is met."""
    return _clauses(tree, True, providers)


def unmet(tree: Node, providers: Providers) -> Formula:
    """The clauses that hold where a rich dependency is not met."""
    return _clauses(tree, False, providers)


def _clauses(tree: Node, holds: bool, providers: Providers) -> Formula:
    if isinstance(tree, str) or tree.operator in ("with", "without"):
        providing = _providing(tree, providers)
        return one_of(providing) if holds else none_of(providing)
    both, parts = _logic(tree)
    first, second = (_clauses(part, sign == holds, providers) for part, sign in parts)
    return first | second if both == holds else _either(first, second)


def _logic(tree: Rich) -> tuple[bool, tuple[tuple[Node, bool], tuple[Node, bool]]]:
    """Return whether both parts must hold (or one is enough), and each part with its sign."""
    left, right, otherwise = tree.left, tree.right, tree.otherwise
    conditional = tree.operator in ("if", "unless")
    if conditional and otherwise is not None:
        alone = Rich(tree.operator, left, right)
        operator = "or" if tree.operator == "if" else "and"
        return tree.operator == "if", ((alone, True), (Rich(operator, right, otherwise), True))
    return tree.operator in ("and", "unless"), ((left, True), (right, not conditional))


def _providing(tree: Node, providers: Providers) -> set[int]:
    """Return the packages that each satisfy the whole tree, as `with` and `without` need."""
    if isinstance(tree, str):
        return set(providers(tree))
    left, right = _providing(tree.left, providers), _providing(tree.right, providers)
    if tree.operator in ("with", "and"):
        return left & right
    return left - right if tree.operator == "without" else left | right


def _either(first: Formula, second: Formula) -> Formula:
    """Return the clauses of `first or second`, without those that follow from the rest."""
    if not first or not second:
        return TRUE
    joined = {a | b for a, b in product(first, second)}
    sound = {clause for clause in joined if not any(-literal in clause for literal in clause)}
    return frozenset(clause for clause in sound if not any(other < clause for other in sound))
