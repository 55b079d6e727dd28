"""Graphs of packages and their requirements, in columns: each package to the right of those that
require it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bot.model.closure import Edge
from bot.model.nevra import Nevra, parse_nevra
from bot.web.addresses import package_url
from bot.web.charts.svg import AUTO, add, drawing, group, svg, width

if TYPE_CHECKING:
    from bot.web.responses.image_packages import ImagePackage

DRAWN = 60
MOST = 300
_ROW, _BOX, _GAP = 30, 22, 70  # pixels: a row, the box in it, between two columns
_SWEEPS = 4
Needs = Mapping[tuple[str, str], Sequence[str]]


def closure_graph(packages: Iterable[ImagePackage], wanted: str, most: int = DRAWN) -> str:
    """The packages that lead to those named `wanted`, as SVG.

    Draws the nearest `most` of them; without `wanted` the requested packages and their
    requirements. A line states the number of packages left out.
    """
    by_nevra = {str(package.nevra): package for package in packages}
    near = _nearest(by_nevra, wanted)
    drawn = dict.fromkeys(near[: max(most, 1)])
    needs: dict[tuple[str, str], list[str]] = {}
    for nevra in drawn:
        for need in by_nevra[nevra].required_by:
            source = str(need.nevra)
            if source in drawn and source != nevra:
                needs.setdefault((source, nevra), []).append(need.capability)
    classes = {
        nevra: " requested" * by_nevra[nevra].requested
        + " wanted" * (by_nevra[nevra].name == wanted)
        for nevra in drawn
    }
    return _draw(classes, needs, len(near))


def drawn_of(packages: Iterable[ImagePackage], wanted: str, most: int = DRAWN) -> tuple[int, int]:
    """The number of packages that `closure_graph` draws, and of all that it could draw."""
    near = _nearest({str(package.nevra): package for package in packages}, wanted)
    return min(len(near), max(most, 1)), len(near)


def chains_graph(chains: Iterable[Iterable[Edge]], wanted: Iterable[Nevra]) -> str:
    """Chains (of one image or of several) merged into one graph by the packages' names.

    The packages of the NEVRAs `wanted` are marked.
    """
    edges = [(e.source.name, e.target.name, e.capability) for c in chains for e in c]
    marked = {nevra.name for nevra in wanted}
    every = list(dict.fromkeys(name for edge in edges for name in edge[:2]))
    classes = {name: " wanted" if name in marked else "" for name in every[:DRAWN]}
    needs: dict[tuple[str, str], dict[str, None]] = {}
    for source, target, need in edges:
        if source in classes and target in classes and source != target:
            needs.setdefault((source, target), {})[need] = None
    return _draw(
        classes, {edge: list(capabilities) for edge, capabilities in needs.items()}, len(every)
    )


def _nearest(by_nevra: Mapping[str, ImagePackage], wanted: str) -> list[str]:
    """The packages that lead to `wanted`, or that the requested ones require, nearest first."""
    near: dict[str, list[str]] = {nevra: [] for nevra in by_nevra}
    for nevra, package in by_nevra.items():
        for need in package.required_by:
            source = str(need.nevra)
            if wanted:
                near[nevra].append(source)
            elif source in near:
                near[source].append(nevra)
    level = [n for n, p in by_nevra.items() if (p.name == wanted if wanted else p.requested)]
    nearest = dict.fromkeys(level)
    while level:
        level = list(
            dict.fromkeys(m for n in level for m in near[n] if m in by_nevra and m not in nearest)
        )
        nearest |= dict.fromkeys(level)
    return list(nearest)


def _draw(classes: Mapping[str, str], needs: Needs, of: int) -> str:
    columns = _columns(list(classes), needs)
    sizes = [max(width(_name(node)) for node in column) + 20 for column in columns]
    rows = max(map(len, columns), default=0)
    below = 24 if len(classes) < of else 0
    across = max(sum(sizes) + _GAP * (len(columns) - 1) + 8, 300)
    root = drawing(AUTO, rows * _ROW + 12 + below, across)
    lines = add(root, "g")
    places: dict[str, tuple[float, float, float]] = {}
    left = 4.0
    for column, size in zip(columns, sizes, strict=True):
        first = 6 + (rows - len(column)) * _ROW / 2
        for number, node in enumerate(column):
            middle = first + number * _ROW + _ROW / 2
            places[node] = left, middle, size
            link = group(root, node, package_url(_name(node)))
            add(link, "rect", x=left, y=middle - _BOX / 2, width=size, height=_BOX, rx=5,
                class_=f"node{classes[node]}")  # fmt: skip
            add(link, "text", _name(node), x=left + size / 2, y=middle + 4, class_="middle")
        left += size + _GAP
    for (source, target), capabilities in needs.items():
        (a, y, size), (b, z, _) = places[source], places[target]
        start, turn = a + size, min(_GAP / 2, 40)
        line = group(lines, f"{_name(source)} requires {', '.join(capabilities)}")
        add(line, "path", class_="need", d=f"M{start:.1f} {y:.1f}C{start + turn:.1f} {y:.1f} "
            f"{b - turn:.1f} {z:.1f} {b - 5:.1f} {z:.1f}")  # fmt: skip
        add(line, "path", class_="tip", d=f"M{b:.1f} {z:.1f}l-7 -3.5v7z")
    if below:
        text = f"The nearest {len(classes)} of {of} packages are drawn."
        add(root, "text", text, class_="middle", x=across / 2, y=rows * _ROW + 24)
    return svg(root)


def _columns(nodes: Sequence[str], needs: Needs) -> list[list[str]]:
    """The nodes in columns, each to the right of those that require it, except in cycles, and in an
    order with few crossing lines."""
    after: dict[str, list[str]] = {node: [] for node in nodes}
    before: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in needs:
        after[source].append(target)
        before[target].append(source)
    order = _topological(nodes, after, before)
    place = {node: number for number, node in enumerate(order)}
    depth = dict.fromkeys(order, 0)
    for node in order:
        for target in after[node]:
            if place[target] > place[node]:
                depth[target] = max(depth[target], depth[node] + 1)
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        columns[depth[node]].append(node)
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else after
        rows = {
            node: row - len(column) / 2 for column in columns for row, node in enumerate(column)
        }
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            column.sort(key=lambda node: _mean([rows[n] for n in near[node]], rows[node]))
            rows |= {node: row - len(column) / 2 for row, node in enumerate(column)}
    return columns


def _topological(
    nodes: Sequence[str], after: Mapping[str, list[str]], before: Mapping[str, list[str]]
) -> list[str]:
    """The nodes in topological order, requiring ones first, except in cycles."""
    finished: dict[str, None] = {}
    visited: set[str] = set()
    for start in sorted(nodes, key=lambda node: bool(before[node])):
        way = [(start, iter(after[start]))] if start not in visited else []
        visited.add(start)
        while way:
            node, following = way[-1]
            target = next((n for n in following if n not in visited), None)
            if target is None:
                finished[node] = None
                way.pop()
            else:
                visited.add(target)
                way.append((target, iter(after[target])))
    return list(finished)[::-1]


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _name(nevra: str) -> str:
    """The name in a NEVRA; a plain name unchanged."""
    return parse_nevra(nevra).name if ":" in nevra else nevra
