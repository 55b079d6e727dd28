"""Capabilities as text: `name`, `name >= 1:2-3`, and rich dependencies such as `(a if b)`.

The syntax is rpm's (docs/manual/dependencies.md and boolean_dependencies.md in rpm's sources).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import solv

RELATIONS = {
    "<": solv.REL_LT,
    "<=": solv.REL_LT | solv.REL_EQ,
    "=": solv.REL_EQ,
    "==": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ,
    ">": solv.REL_GT,
}
_OPERATORS = ("and", "or", "if", "unless", "with", "without")


@dataclass(frozen=True, slots=True)
class Rich:
    """`left` `operator` `right`; `otherwise` is what follows `else` after `if` and `unless`."""

    operator: str
    left: Node
    right: Node
    otherwise: Node | None = None


Node = str | Rich


def is_rich(capability: str) -> bool:
    """Return whether the capability is a rich dependency."""
    return capability.startswith("(")


def split_capability(capability: str) -> tuple[str, str | None, str | None]:
    """Name, relation and version of a plain capability; the last two null where there are none."""
    parts = capability.split()
    if len(parts) == 3 and parts[1] in RELATIONS:
        return parts[0], parts[1], parts[2]
    return capability, None, None


def names_in(capability: str) -> frozenset[str]:
    """The names that a capability speaks of: one, or for a rich dependency all of them."""
    if not is_rich(capability):
        return frozenset((split_capability(capability)[0],))
    tree = parse_rich(capability)
    if tree is None:
        return frozenset((capability,))
    return frozenset(split_capability(leaf)[0] for leaf in leaves(tree))


def leaves(tree: Node) -> Iterator[str]:
    """The plain capabilities of a parsed rich dependency, from left to right."""
    if isinstance(tree, str):
        yield tree
        return
    yield from leaves(tree.left)
    yield from leaves(tree.right)
    if tree.otherwise is not None:
        yield from leaves(tree.otherwise)


def parse_rich(capability: str) -> Node | None:
    """The tree of a rich dependency, null where it cannot be parsed.

    `(a or b or c)` nests to the right, as rpm reads it.
    """
    try:
        tree, rest = _group(_tokens(capability))
    except (IndexError, ValueError):
        return None
    return tree if not rest else None


def _tokens(text: str) -> list[str]:
    """Words; brackets that group are words of their own, those inside a name are not."""
    tokens: list[str] = []
    for word in text.split():
        start = 0
        while start < len(word) and word[start] == "(":
            tokens.append("(")
            start += 1
        body = word[start:]
        closing = 0
        # A name may end in `()(64bit)`: only brackets beyond the balanced ones close a group.
        while body.endswith(")") and body.count(")") > body.count("("):
            body = body[:-1]
            closing += 1
        if body:
            tokens.append(body)
        tokens.extend(")" * closing)
    return tokens


def _group(tokens: list[str]) -> tuple[Node, list[str]]:
    if tokens[0] != "(":
        return _plain(tokens)
    left, rest = _group(tokens[1:])
    if rest[0] == ")":
        return left, rest[1:]
    operator, rest = rest[0], rest[1:]
    if operator not in _OPERATORS:
        raise ValueError(operator)
    if operator in ("if", "unless"):
        right, rest = _group(rest)
        otherwise: Node | None = None
        if rest[0] == "else":
            otherwise, rest = _group(rest[1:])
        if rest[0] != ")":
            raise ValueError(rest[0])
        return Rich(operator, left, right, otherwise), rest[1:]
    operands = [left]
    while True:
        operand, rest = _group(rest)
        operands.append(operand)
        if rest[0] == ")":
            break
        if rest[0] != operator:
            raise ValueError(rest[0])
        rest = rest[1:]
    tree = operands.pop()
    while operands:
        tree = Rich(operator, operands.pop(), tree)
    return tree, rest[1:]


def _plain(tokens: list[str]) -> tuple[str, list[str]]:
    if tokens[0] in (")", *_OPERATORS, "else"):
        raise ValueError(tokens[0])
    if len(tokens) > 2 and tokens[1] in RELATIONS:
        return " ".join(tokens[:3]), tokens[3:]
    return tokens[0], tokens[1:]
