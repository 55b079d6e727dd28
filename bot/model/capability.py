"""Capabilities as text: `name`, `name >= 1:2-3`, and rich dependencies such as `(a if b)`.

The syntax is rpm's (docs/manual/dependencies.md and boolean_dependencies.md in rpm's sources). A
namespace, as in `perl(strict)` or `libz.so.1()(64bit)`, is a part of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from bot.limits import CAPABILITY, RICH_DEPTH, RICH_WORDS

# Every way to write a relation, and how rpm prints it (ReqComparisons in rpm's lib/rpmds.c).
RELATIONS = {
    "<": "<",
    "<=": "<=",
    "=<": "<=",
    "=": "=",
    "==": "=",
    ">=": ">=",
    "=>": ">=",
    ">": ">",
}
_OPERATORS = ("and", "or", "if", "unless", "with", "without")
_WORD = re.compile(r"[^\s,]+")
_VERSION = re.compile(r"\s+([<>=]+)\s+([^\s,]+)")


class Capability(NamedTuple):
    """A plain capability; relation and version are empty where it has none."""

    name: str
    relation: str = ""
    version: str = ""


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


def split_capability(capability: str) -> Capability:
    """Return the parts of a plain capability; a rich dependency is returned as a name."""
    parts = capability.split()
    if len(parts) == 3 and parts[1] in RELATIONS and not is_rich(capability):
        return Capability(*parts)
    return Capability(capability)


def names_in(capability: str) -> frozenset[str]:
    """Return the names in a capability: one, or all of a rich dependency."""
    if not is_rich(capability):
        return frozenset((split_capability(capability).name,))
    tree = parse_rich(capability)
    if tree is None:
        return frozenset((capability,))
    return frozenset(split_capability(leaf).name for leaf in leaves(tree))


def leaves(tree: Node) -> Iterator[str]:
    """Yield the plain capabilities of a parsed rich dependency, from left to right."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, str):
            yield node
        else:
            todo += [part for part in (node.otherwise, node.right, node.left) if part is not None]


def parse_rich(capability: str) -> Node | None:
    """Return the tree of a rich dependency, None if it is malformed or exceeds a limit.

    `(a or b or c)` nests to the right, as in rpm.
    """
    if len(capability) > CAPABILITY:
        return None
    tokens = _tokens(capability)
    depths = accumulate({"(": 1, ")": -1}.get(token, 0) for token in tokens)
    if len(tokens) > RICH_WORDS or max(depths, default=0) > RICH_DEPTH:
        return None
    try:
        tree, rest = _group(tokens)
    except (IndexError, ValueError):
        return None
    return tree if not rest else None


def capabilities_in(text: str) -> list[str]:
    """Return the capabilities in the value of a dependency tag, in rpm's notation."""
    capabilities: list[str] = []
    position = 0
    while (match := _WORD.search(text, position)) is not None:
        if is_rich(match.group()):
            end = _closing(text, match.start())
            capabilities.append(" ".join(text[match.start() : end].split()))
            position = end
            continue
        position = match.end()
        version = _VERSION.match(text, position)
        if version is None or version[1] not in RELATIONS:
            capabilities.append(match.group())
            continue
        capabilities.append(f"{match.group()} {RELATIONS[version[1]]} {version[2]}")
        position = version.end()
    return capabilities


def _closing(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return len(text)


def _tokens(text: str) -> list[str]:
    """Return words; grouping brackets are words of their own, those inside a name are not."""
    tokens: list[str] = []
    for word in text.split():
        body = word.lstrip("(")
        tokens.extend("(" * (len(word) - len(body)))
        # A name may end in `()(64bit)`: only brackets beyond the balanced ones close a group.
        at_end = len(body) - len(body.rstrip(")"))
        closing = max(0, min(at_end, body.count(")") - body.count("(")))
        body = body[: len(body) - closing]
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
