"""The folded parts of a report about packages: added ones with their reasons, removed and changed
ones, and the graph of chains."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.result import CheckResult, ImageResult
from bot.model.spec import SpecLine
from bot.report.blocks import Block, Detail, Graph, Paragraph, Section, section, table
from bot.report.brought import place_phrase, unrequired
from bot.report.grouping import Row, lead_rows, row_phrase, where_phrase
from bot.report.phrase import Phrase, code, figure, listing
from bot.report.reasons import Arrival, arrivals, chains_graph, need_phrase, short_name
from bot.report.sizes import delta_span, size_span
from bot.report.template import feeds_phrase, say

_GRAPHS = 3


def packages(rows: Sequence[Row], result: CheckResult, detail: Detail) -> Section | None:
    """Return all packages that come, leave or change, with exact figures."""
    added, removed, changed = (
        _came_in(rows, result, detail),
        _left(rows, detail),
        _changed_packages(rows, detail),
    )
    counts = ((added, "in"), (removed, "out"), (changed, "changed"))
    title = ", ".join(f"{len(lines)} {word}" for (lines, _), word in counts if lines)
    blocks = [block for _, part in (added, removed, changed) for block in part]
    return section(f"Packages ({title})", blocks, folded=True)


_Lines = tuple[Sequence[tuple[Phrase, ...]], list[Block]]


def _came_in(rows: Sequence[Row], result: CheckResult, detail: Detail) -> _Lines:
    """Return the added packages with size, requirement and spec line, the largest first."""
    listed = arrivals(image for row in rows for image in row.images)
    in_all = {image.key for row in rows for image in row.images if not row.broken}
    somewhere = any({i.key for i in arrival.images} != in_all for arrival in listed)
    lines = [
        (
            code(arrival.name + (f".{arrival.arch}" if arrival.arch else "")),
            figure(size_span(arrival.sizes)),
            _need(arrival),
            _brought(arrival, with_path=len(result.specs) + len(result.requests) > 1),
            *((where_phrase(arrival.images, in_all),) if somewhere else ()),
        )
        for arrival in listed
    ]
    head = ("Comes in", "Size", "Needed because", "Brought by", *(["Where"] if somewhere else []))
    return lines, table(head, lines, {1}, detail.arrivals, "package")


def _left(rows: Sequence[Row], detail: Detail) -> _Lines:
    removed: dict[str, list[tuple[ImageResult, int | None]]] = {}
    for row in rows:
        for image in row.images:
            for package in image.removed:
                text = short_name(package.nevra, image.key.arch)
                removed.setdefault(text, []).append((image, package.installed_size))
    in_all = {image.key for row in rows for image in row.images}
    lines = [
        (
            code(text),
            figure(size_span(s for _, s in occurrences)),
            where_phrase([i for i, _ in occurrences], in_all),
        )
        for text, occurrences in sorted(
            removed.items(), key=lambda g: (-max(s or 0 for _, s in g[1]), g[0])
        )
    ]
    return lines, table(("Leaves", "Size", "Where"), lines, {1}, detail.arrivals, "package")


def _changed_packages(rows: Sequence[Row], detail: Detail) -> _Lines:
    """Return the packages on both sides whose version, size or dependencies differ."""
    if not detail.changed:
        return (), []
    moved: dict[tuple[str, str, str], list[tuple[ImageResult, int | None]]] = {}
    for row in rows:
        for image in row.images:
            for c in image.changed_packages:
                key = (short_name(c.after, image.key.arch), c.before.evr, c.after.evr)
                moved.setdefault(key, []).append((image, c.delta))
    in_all = {image.key for row in rows for image in row.images}
    lines = [
        (
            code(text),
            code(before) if before == after else say.versions(before=before, after=after),
            figure(delta_span(delta for _, delta in occurrences)),
            where_phrase([image for image, _ in occurrences], in_all),
        )
        for (text, before, after), occurrences in sorted(
            moved.items(), key=lambda m: (-max(abs(d or 0) for _, d in m[1]), m[0])
        )
    ]
    head = ("Changes", "Version", "Change", "Where")
    return lines, table(head, lines, {2}, detail.changed, "package")


def graph(rows: Sequence[Row], detail: Detail) -> Section | None:
    """Return the chains as graphs, one for each different set of added packages."""
    if not detail.graph_nodes:
        return None
    graphs: dict[str, Row] = {}
    for row in lead_rows(rows):
        source = chains_graph([row.lead], detail.graph_nodes)
        if source:
            graphs.setdefault(source, row)
    blocks: list[Block] = []
    for source, row in list(graphs.items())[:_GRAPHS]:
        if len(graphs) > 1:
            blocks.append(Paragraph(row_phrase(row)))
        blocks.append(Graph(source))
    if len(graphs) > _GRAPHS:
        blocks.append(Paragraph(say.more_graphs(graphs=len(graphs) - _GRAPHS)))
    return section("Graph of what requires what", blocks, folded=True)


def _need(arrival: Arrival) -> Phrase:
    if arrival.need is not None:
        return need_phrase(arrival.need, arrival.images[0].key.arch)
    return unrequired(arrival.images[0], arrival.added)


def _brought(arrival: Arrival, *, with_path: bool) -> Phrase:
    """Return the line behind a package, and others that bring it in: alone or only together."""

    def short(line: SpecLine) -> Phrase:
        if with_path:
            return place_phrase(line)
        return say.short_line(text=line.text, line=line.line, feeds=feeds_phrase(line))

    added = arrival.added
    if added.spec is not None:
        line = short(added.spec)
        alternatives = listing(map(short, added.alternatives))
        together = () if alternatives else listing(map(short, added.together_with))
        if added.stays_by and not (alternatives or together):
            need = need_phrase(added.stays_by[-1], arrival.images[0].key.arch)
            return say.brought_stays(line=line, need=need)
        return say.brought(line=line, alternatives=alternatives, others=together)
    requirement = added.generated
    if requirement is None:
        return say.no_line_named()
    line = short(requirement.build_requires) if requirement.build_requires is not None else ()
    return say.found_by_build(capability=requirement.capability, line=line)
