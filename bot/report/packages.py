"""The sections of a report about packages: added with reasons, removed, changed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.image import ImageKey
from bot.model.result import CheckResult, ImageResult, Suggestion
from bot.model.spec import SpecLine
from bot.report.blocks import (
    Block,
    Detail,
    Graph,
    Paragraph,
    Section,
    bullets,
    rest_section,
    section,
    table,
    truncated_listing,
)
from bot.report.grouping import (
    Row,
    architectures,
    place_of,
    row_phrase,
    where_phrase,
)
from bot.report.phrase import Phrase, code, figure, listing
from bot.report.reasons import Arrival, arrivals, chains_graph, need_phrase, short_name
from bot.report.sizes import count_span, delta_span, format_size, plural, size_span
from bot.report.template import feeds_phrase, line_phrase, say, workload_name

# The most lines of Mermaid of a graph that is not folded.
_SMALL_GRAPH = 30


def came_in(
    rows: Sequence[Row], result: CheckResult, detail: Detail, *, rest: bool = False
) -> Section | None:
    """The added packages, each with its size, requirement and spec line.

    The largest `detail.shown`, or, with `rest`, the others.
    """
    found = arrivals(image for row in rows for image in row.images)
    if not found:
        return None
    in_all = {image.key for row in rows for image in row.images if not row.broken}
    somewhere = any({i.key for i in arrival.images} != in_all for arrival in found)
    with_path = len(result.specs) > 1
    lines = []
    for arrival in found:
        cells = [
            code(arrival.name + (f".{arrival.arch}" if arrival.arch else "")),
            figure(size_span(arrival.sizes)),
            _need(arrival),
            _brought(arrival, with_path=with_path),
        ]
        if somewhere:
            cells.append(where_phrase(arrival.images, in_all))
        lines.append(tuple(cells))
    head = ["Package", "Size", "Needed because", "Brought by", *(["Where"] if somewhere else [])]
    if rest:
        return rest_section("More packages that come in", head, lines, {1}, detail, detail.arrivals)
    others = found[detail.shown :]
    tail = f" ({format_size(sum(arrival.largest for arrival in others))})" if others else ""
    return section("What comes in", table(head, lines, {1}, detail.shown, "package", tail))


def way_out(rows: Sequence[Row], result: CheckResult, detail: Detail) -> Section | None:
    """The measured ways to remove the added packages: lines to drop or to weaken."""
    sets = {added.leaves_with for row in rows for i in row.images for added in i.added}
    ordered = sorted(sets - {()}, key=lambda lines: (len(lines), lines))
    items = [_without(lines, rows) for lines in ordered]
    items += [_weaker(one, rows) for one in result.suggestions if one.saves]
    found = arrivals(image for row in rows for image in row.images)
    items += [
        say.stays(
            package=arrival.name,
            line=arrival.spec,
            need=need_phrase(arrival.added.stays_by[-1], _arch(arrival)),
        )
        for arrival in found
        if arrival.spec is not None and arrival.added.stays_by
    ]
    linked = [code(arrival.name) for arrival in found if arrival.linked]
    if linked:
        packages = truncated_listing(linked, 5, "package")
        items.append(say.leaves_when_unlinked(packages=packages, count=len(linked)))
    return section("What would take it out again", bullets(items, detail.lines, "way"))


def _weaker(suggestion: Suggestion, rows: Sequence[Row]) -> Phrase:
    """The measured effect of a weaker line."""
    come = [saving.come for saving in suggestion.saves]
    return say.instead_of_line(
        replacement=suggestion.replace_with,
        line=suggestion.spec,
        packages=_nouned(count_span(saving.packages for saving in suggestion.saves)),
        counts=count_span(come) if any(come) else "",
        come=1 if set(come) == {1} else 2,
        size=size_span(saving.installed_size for saving in suggestion.saves),
        images=_keys([saving.key for saving in suggestion.saves], rows),
    )


def left(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The removed packages."""
    gone: dict[str, list[tuple[ImageResult, int | None]]] = {}
    for row in rows:
        for image in row.images:
            for package in image.removed:
                text = short_name(package.nevra, image.key.arch)
                gone.setdefault(text, []).append((image, package.installed_size))
    in_all = {image.key for row in rows for image in row.images}
    lines = [
        (
            code(text),
            figure(size_span(s for _, s in found)),
            where_phrase([i for i, _ in found], in_all),
        )
        for text, found in sorted(gone.items(), key=lambda g: (-max(s or 0 for _, s in g[1]), g[0]))
    ]
    blocks = table(("Package", "Size", "Where"), lines, {1}, detail.arrivals, "package")
    return section(f"What leaves ({plural(len(gone), 'package')})", blocks, folded=True)


def changed_packages(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The packages on both sides whose version, size or dependencies differ."""
    if not detail.changed:
        return None
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
            figure(delta_span(delta for _, delta in found)),
            where_phrase([image for image, _ in found], in_all),
        )
        for (text, before, after), found in sorted(
            moved.items(), key=lambda m: (-max(abs(d or 0) for _, d in m[1]), m[0])
        )
    ]
    head = ("Package", "Version", "Change", "Where")
    return section(
        f"Changed packages ({len(moved)})",
        table(head, lines, {2}, detail.changed, "package"),
        folded=True,
    )


def chains(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The chains drawn as graphs, one for each different set of added packages."""
    if not detail.graph_nodes:
        return None
    drawn: dict[str, Row] = {}
    for row in rows:
        graph = chains_graph(row.images[:1], detail.graph_nodes)
        if graph:
            drawn.setdefault(graph, row)
    blocks: list[Block] = []
    for graph, row in list(drawn.items())[:3]:
        if len(drawn) > 1:
            blocks.append(Paragraph(row_phrase(row)))
        blocks.append(Graph(graph))
    if len(drawn) > 3:
        blocks.append(Paragraph(say.more_graphs(graphs=len(drawn) - 3)))
    small = len(drawn) == 1 and next(iter(drawn)).count("\n") <= _SMALL_GRAPH
    return section("The chains", blocks, folded=not small)


def _arch(arrival: Arrival) -> str:
    """The architecture of the image whose package an arrival shows."""
    return arrival.images[0].key.arch


def _need(arrival: Arrival) -> Phrase:
    if arrival.need is not None:
        return need_phrase(arrival.need, _arch(arrival))
    return say.requested() if arrival.added.requested else say.chosen_anew()


def _brought(arrival: Arrival, *, with_path: bool) -> Phrase:
    """The line behind a package, and others that bring it: by themselves or only together."""

    def short(line: SpecLine) -> Phrase:
        if with_path:
            return line_phrase(line)
        return say.short_line(text=line.text, line=line.line, feeds=feeds_phrase(line))

    added = arrival.added
    if arrival.spec is not None:
        line = short(arrival.spec)
        alternatives = listing(map(short, added.alternatives))
        together = () if alternatives else listing(map(short, added.together_with))
        if added.stays_by and not (alternatives or together):
            return say.brought_stays(
                line=line, need=need_phrase(added.stays_by[-1], _arch(arrival))
            )
        return say.brought(line=line, alternatives=alternatives, others=together)
    if arrival.linked and arrival.entry is not None:
        if arrival.entry is arrival.need:
            return say.linked_no_line()
        return say.linked(library=arrival.entry.capability)
    return say.no_line()


def _without(lines: tuple[SpecLine, ...], rows: Sequence[Row]) -> Phrase:
    """The measured count and size of the packages that leave when `lines` go together."""
    counts, sizes = [], []
    for row in rows:
        for image in row.images:
            gone = [a for a in image.added if a.leaves_with and set(a.leaves_with) <= set(lines)]
            if gone:
                known = [a.package.installed_size for a in gone]
                counts.append(len(gone))
                sizes.append(None if None in known else sum(size or 0 for size in known))
    packages, size = _nouned(count_span(counts)), size_span(sizes)
    listed = listing([line_phrase(line) for line in lines])
    leaving = {a for row in rows for i in row.images for a in i.added if a.leaves_with == lines}
    if len(lines) > 1 and all({a.spec, *a.alternatives} >= set(lines) for a in leaving):
        keeps = say.either_keeps if len(lines) == 2 else say.each_keeps
        return keeps(lines=listed, packages=packages, size=size)
    come = [code(name) for name in sorted({nevra.name for a in leaving for nevra in a.instead})]
    return say.without_lines(
        lines=listed,
        together=" together" if len(lines) > 1 else "",
        packages=packages,
        leave="leaves" if packages == "1 package" else "leave",
        size=size,
        others=truncated_listing(come, 5, "package"),
        come=len(come),
    )


def _nouned(counts: str) -> str:
    return f"{counts} package" if counts == "1" else f"{counts} packages"


def _keys(keys: Sequence[ImageKey], rows: Sequence[Row]) -> Phrase:
    """The number of images, or the one with its architectures."""
    places = {place_of(key) for key in keys}
    if len(places) > 1:
        return say.in_images(images=len(places))
    place = next(iter(places))
    checked = next((row.checked for row in rows if row.place == place), ())
    arches = architectures([key.arch for key in keys], checked)
    return say.in_image(workload=workload_name(place[0]), arches=arches)
