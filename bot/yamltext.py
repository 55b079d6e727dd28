"""YAML with places: plain values, and the line of each of them.

Scalars of documents remain texts as written (except null), so that a release `3.10` does not become
the number 3.1, a label `no` false or a date an object: fields convert to numbers themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from bot import limits

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TextLoader(_Base):  # type: ignore[misc]  # the C loader is there or not: mypy sees Any
    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own class attribute, not ours to annotate
        first: [(tag, regexp) for tag, regexp in resolvers if tag.endswith((":null", ":merge"))]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }


# `!!int 3` and the like stay text as well; binary and Python tags are refused by the safe loader.
for _tag in ("int", "float", "bool", "timestamp"):
    _TextLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Base.construct_yaml_str)


class YamlError(ValueError):
    """Text that is not YAML; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class YamlText:
    """A parsed document: `data` of dicts, lists, texts and None.

    `repeated` are keys that occur twice in one mapping, each with its second line: YAML keeps the
    last one.
    """

    data: Any
    repeated: tuple[tuple[str, int], ...]
    _node: Any = field(repr=False)

    def line_of(self, place: tuple[str | int, ...]) -> int:
        """Return the line, from 1, of the value at `place`, or of the nearest value around it."""
        node = self._node
        line = node.start_mark.line + 1 if node is not None else 1
        for step in place:
            if isinstance(node, yaml.MappingNode):
                pairs = [(k, v) for k, v in node.value if getattr(k, "value", None) == str(step)]
                if not pairs:
                    return line
                key, node = pairs[-1]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                if not 0 <= step < len(node.value):
                    return line
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                return line
        return line


def parse_yaml(content: bytes, *, most: int = limits.YAML, typed: bool = False) -> YamlText:
    """Return the one YAML document in `content`, of at most `most` bytes.

    With `typed`, scalars become numbers, dates and so on if they look like them. Raises YamlError
    with the line of the error.
    """
    if len(content) > most:
        raise YamlError(f"larger than {most} bytes", 1)
    try:
        _refuse_depth(content)
        loader = _Base(content) if typed else _TextLoader(content)
        try:
            node = loader.get_single_node()
            if _weight(node, {}) > limits.YAML_NODES:
                raise YamlError("its aliases expand to too many values", 1)
            repeated = tuple(_repeated(node, set())) if node is not None else ()
            data = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise YamlError(str(problem).strip(), mark.line + 1 if mark else 1) from error
    return YamlText(data, repeated, node)


def _refuse_depth(content: bytes) -> None:
    """Raise YamlError for nesting that would exhaust the stack of libyaml's composer (in C)."""
    depth = 0
    for event in yaml.parse(content, Loader=_TextLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > limits.YAML_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise YamlError(f"nested deeper than {limits.YAML_DEPTH}", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _weight(node: Any, known: dict[int, int]) -> int:
    """Return the number of values in `node`, each alias counted in full."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0  # being counted: seen again, it contains itself
        parts = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        known[id(node)] = 1 + sum(_weight(part, known) for part in parts)
    elif not known[id(node)]:
        raise YamlError("an alias contains itself", node.start_mark.line + 1)
    return known[id(node)]


def _repeated(node: Any, visited: set[int]) -> list[tuple[str, int]]:
    """Return the keys that a mapping in `node` has twice, each with its second line."""
    if id(node) in visited or isinstance(node, yaml.ScalarNode):
        return []
    visited.add(id(node))
    repeated: list[tuple[str, int]] = []
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name != "<<":
                if name in keys:
                    repeated.append((name, key.start_mark.line + 1))
                keys.add(name)
            repeated += _repeated(value, visited)
    else:
        for value in node.value:
            repeated += _repeated(value, visited)
    return repeated
