"""The sections of a report about packages: added with reasons, removed, changed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.image import ImageKey
from bot.model.result import CheckResult, ImageResult, Suggestion
from bot.model.spec import SpecLine
from bot.report.architecture_grouping import Row, architectures
from bot.report.blocks import (
    Block,
    Bullets,
    Detail,
    Graph,
    Paragraph,
    Section,
    section,
    truncated,
)
from bot.report.mermaid import chains_graph
from bot.report.phrase import Phrase, code, listing, plain
from bot.report.reasons import Arrival, arrivals, line_phrase, need_phrase, short_name
from bot.report.sizes import (
    count_span,
    delta_span,
    format_size,
    plural,
    size_span,
)
from bot.report.table_cells import (
    ARROW,
    MORE,
    image_phrase,
    place_of,
    rest_section,
    row_arches,
    table,
    where_phrase,
    workload_name,
)

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
            plain(size_span(arrival.sizes)),
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
    items: list[Phrase] = []
    sets = {added.leaves_with for row in rows for i in row.images for added in i.added}
    for lines in sorted(sets - {()}, key=lambda lines: (len(lines), lines)):
        items.append(_without(lines, rows))
    for suggestion in result.suggestions:
        if suggestion.saves:
            packages = count_span(s.packages for s in suggestion.saves)
            saved = size_span(s.installed_size for s in suggestion.saves)
            items.append(
                (*code(suggestion.replace_with), *plain(" instead of "),
                 *line_phrase(suggestion.spec),
                 *plain(f" keeps out {_nouned(packages)}{_instead(suggestion)}, {saved}, "),
                 *_keys([saving.key for saving in suggestion.saves], rows), *plain("."))
            )  # fmt: skip
    items += _staying(arrivals(image for row in rows for image in row.images))
    linked = [a for a in arrivals(i for row in rows for i in row.images) if a.linked]
    if linked:
        items.append(
            (*listing(truncated([code(a.name) for a in linked], 5, "package", lead="")),
             *plain(" leaves only when the build no longer links what needs it: no line of the spec"
                    " names it." if len(linked) == 1 else
                    " leave only when the build no longer links what needs them: no line of the"
                    " spec names them."))
        )  # fmt: skip
    blocks = [Bullets(truncated(items, detail.lines, "way"))] if items else []
    return section("What would take it out again", blocks)


def _staying(found: Sequence[Arrival]) -> list[Phrase]:
    """The packages that a line brings but that stay without it, and the requirement why."""
    return [
        (*code(arrival.name), *plain(" stays without "), *line_phrase(arrival.spec),
         *plain(": "), *need_phrase(arrival.added.stays_by[-1], _arch(arrival)), *plain(" too."))
        for arrival in found
        if arrival.spec is not None and arrival.added.stays_by
    ]  # fmt: skip


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
            plain(size_span(s for _, s in found)),
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
            code(before) if before == after else (*code(before), *plain(ARROW), *code(after)),
            plain(delta_span(delta for _, delta in found)),
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
            blocks.append(Paragraph((*image_phrase(row.place), *plain(f" ({row_arches(row)})"))))
        blocks.append(Graph(graph))
    if len(drawn) > 3:
        blocks.append(Paragraph(plain(f"{MORE} and {len(drawn) - 3} more graphs")))
    small = len(drawn) == 1 and next(iter(drawn)).count("\n") <= _SMALL_GRAPH
    return section("The chains", blocks, folded=not small)


def _arch(arrival: Arrival) -> str:
    """The architecture of the image whose package an arrival shows."""
    return arrival.images[0].key.arch


def _need(arrival: Arrival) -> Phrase:
    if arrival.need is None:
        return plain(
            "asked for by the workload or its environment"
            if arrival.added.requested
            else "the solver chose it, nothing requires it anew"
        )
    return need_phrase(arrival.need, _arch(arrival))


def _brought(arrival: Arrival, *, with_path: bool) -> Phrase:
    if arrival.spec is not None:
        return (*_short_line(arrival.spec, with_path=with_path), *_beside(arrival, with_path))
    if arrival.linked and arrival.entry is not None:
        if arrival.entry is arrival.need:
            return plain("linked by the build, no line names it")
        return (*plain("linked by the build ("), *code(arrival.entry.capability), *plain(")"))
    return plain("no line can be named")


def _short_line(line: SpecLine, *, with_path: bool) -> Phrase:
    if with_path:
        return line_phrase(line)
    return (*code(line.text), *plain(f" (line {line.line})"))


def _beside(arrival: Arrival, with_path: bool) -> Phrase:
    """The other lines that bring a package: each by itself, or only together with its line."""

    def listed(lines: Sequence[SpecLine]) -> Phrase:
        return listing([_short_line(line, with_path=with_path) for line in lines])

    added = arrival.added
    if added.alternatives:
        return (*plain(", and so does "), *listed(added.alternatives))
    if added.together_with:
        return (*plain(", only together with "), *listed(added.together_with))
    if added.stays_by:
        return (*plain("; it stays without it: "), *need_phrase(added.stays_by[-1], _arch(arrival)))
    return ()


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
    what = _nouned(count_span(counts))
    leaving = {a for row in rows for i in row.images for a in i.added if a.leaves_with == lines}
    if len(lines) > 1 and all({a.spec, *a.alternatives} >= set(lines) for a in leaving):
        which = "Either" if len(lines) == 2 else "Each"
        return (
            *plain(f"{which} of "), *listing([line_phrase(line) for line in lines]),
            *plain(f" keeps {what} in: all of them must go ({size_span(sizes)})."
                   if len(lines) > 2 else
                   f" keeps {what} in: both must go ({size_span(sizes)})."),
        )  # fmt: skip
    together = " together" if len(lines) > 1 else ""
    come = sorted({nevra.name for a in leaving for nevra in a.instead})
    others = () if not come else (
        *plain("; "), *listing(truncated([code(name) for name in come], 5, "package", lead="")),
        *plain(f" {'comes' if len(come) == 1 else 'come'} instead"),
    )  # fmt: skip
    return (
        *plain("Without "), *listing([line_phrase(line) for line in lines]),
        *plain(f"{together}, {what} {'leaves' if what == '1 package' else 'leave'} again: "
               f"{size_span(sizes)}"), *others, *plain("."),
    )  # fmt: skip


def _instead(suggestion: Suggestion) -> str:
    """` (1 comes instead)`; empty where none does."""
    counts = [saving.come for saving in suggestion.saves]
    if not any(counts):
        return ""
    return f" ({count_span(counts)} {'comes' if set(counts) == {1} else 'come'} instead)"


def _nouned(counts: str) -> str:
    return f"{counts} package" if counts == "1" else f"{counts} packages"


def _keys(keys: Sequence[ImageKey], rows: Sequence[Row]) -> Phrase:
    """The number of images, or the one with its architectures."""
    places = {place_of(key) for key in keys}
    if len(places) > 1:
        return plain(f"in {len(places)} images")
    place = next(iter(places))
    checked = next((row.checked for row in rows if row.place == place), ())
    arches = architectures([key.arch for key in keys], checked)
    return (*plain("in "), *workload_name(place[0]), *plain(f" ({arches})"))
