"""The sections of a report about images: the effect on each, files, objectives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.model.result import CheckResult, FileChange, ImageResult, ObjectiveResult
from bot.report.architecture_grouping import Row, arch_order, architectures, known_delta, size_delta
from bot.report.blocks import (
    Bullets,
    Detail,
    Section,
    section,
    truncated,
)
from bot.report.objectives import limits_text, metric_phrase, metric_text, was_broken, way_text
from bot.report.phrase import Phrase, code, joined, plain, prose, strong
from bot.report.sizes import (
    count_span,
    format_count_delta,
    format_delta,
    format_percent,
    format_size,
    size_span,
    span,
)
from bot.report.table_cells import ARROW, image_phrase, place_of, rest_section, row_arches, table
from bot.report.unsolvable import Breakage, why_broken

# The images that are named with one cause; more are counted.
_HIT = 3


def broken(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The causes why images can no longer be installed, each once, with its images."""
    lost = [row for row in rows if row.broken]
    why = why_broken(image for row in lost for image in row.images)
    if len(lost) == 1 and len(why) == 1:
        return None  # the headline has it all
    items = [_breakage(breakage, lost) for breakage in why]
    unexplained = [row for row in lost if not (row.first.head.causes or row.first.head.problems)]
    items += [
        (*_lost(row), *plain(": the solver gives no reason")) for row in unexplained
    ]  # fmt: skip
    blocks = [Bullets(truncated(items, detail.lines, "cause"))] if items else []
    title = "Cannot be installed" if any(row.new for row in lost) else "Can no longer be installed"
    return section(title, blocks)


def _breakage(breakage: Breakage, lost: Sequence[Row]) -> Phrase:
    """`nothing provides a, which b requires: sshd on minimal, c9 (all four) (sshd → b)`."""
    hit = {image.key for image in breakage.images}
    rows = [
        Row(tuple(image for image in row.images if image.key in hit), row.checked) for row in lost
    ]
    named = [_lost(row) for row in rows if row.images]
    way = (*plain(" ("), *breakage.way, *plain(")")) if breakage.way else ()
    return (*breakage.phrase, *plain(": "), *joined(truncated(named, _HIT, "image"), "; "), *way)


def _lost(row: Row) -> Phrase:
    return (*image_phrase(row.place, emphasis=True), *plain(f" ({row_arches(row)})"))


def images(rows: Sequence[Row], detail: Detail, *, rest: bool = False) -> Section | None:
    """One row for each image; architectures share it where the effect is the same.

    The first `detail.shown`, or, with `rest`, the others.
    """
    weighed = _weighed(rows)
    lines = [
        (
            image_phrase(row.place, emphasis=True),
            plain(row_arches(row)),
            _packages(row),
            _sizes(row),
            _change(row),
            *((_layers(row),) if weighed else ()),
            plain(_evidence(row.images)),
        )
        for row in rows
    ]
    head = ("Image", "Architectures", *_figures(weighed), "Evidence")
    if rest:
        return rest_section("More images", head, lines, _right(weighed), detail, detail.rows)
    return section("", table(head, lines, _right(weighed), detail.shown, "image"))


def each_architecture(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The exact figures where a row above stands for several architectures."""
    weighed = _weighed(rows)
    lines = []
    for row in rows:
        if len(set(row.deltas)) < 2:
            continue
        for image in row.images:
            one = Row((image,), row.checked)
            lines.append(
                (image_phrase(row.place), plain(image.key.arch), _packages(one), _sizes(one),
                 _change(one), *((_layers(one),) if weighed else ()), plain(image.evidence))
            )  # fmt: skip
    head = ("Image", "Architecture", *_figures(weighed), "Evidence")
    blocks = table(head, lines, _right(weighed), detail.rows, "image")
    return section("Each architecture", blocks, folded=True)


def objectives(result: CheckResult, detail: Detail) -> Section | None:
    """The objectives of the checked images; folded where the change violates none."""
    stands: dict[tuple[object, ...], list[tuple[ImageResult, ObjectiveResult]]] = {}
    for image in result.images:
        place = (image.key.workload, image.key.environment, image.key.repository)
        for o in image.objectives:
            stands.setdefault((not o.worse, place, o.name, o.metric, o.met), []).append((image, o))
    lines = []
    for (_, _, _, metric, _), members in sorted(stands.items(), key=lambda s: str(s[0])):
        members.sort(key=lambda m: arch_order(m[0].key.arch))
        (image, objective), place = members[0], place_of(members[0][0].key)
        checked = [i.key.arch for i in result.images if place_of(i.key) == place]
        way = way_text([o for _, o in members])
        lines.append(
            (
                prose(objective.name),
                (*image_phrase(place),
                 *plain(f" ({architectures([i.key.arch for i, _ in members], checked)})")),
                metric_phrase(str(metric)),
                plain(f"{_values(members, lambda o: o.before)}{ARROW}"
                      f"{_values(members, lambda o: o.value)}"),
                plain(limits_text(objective.metric, objective.limit, objective.target,
                                objective.target_by)),
                (*_state(objective), *plain(f"; {way}" if way else "")),
            )
        )  # fmt: skip
    violated = any(o.worse for image in result.images for o in image.objectives)
    head = ("Objective", "Image", "Metric", "Before and after", "Limit, target", "State")
    return section(
        "Objectives", table(head, lines, {3, 4}, detail.rows, "objective"), folded=not violated
    )


def _evidence(images: Sequence[ImageResult]) -> str:
    """`predicted`; `rebuilt (x86_64), transferred (others)`."""
    kinds: dict[str, list[str]] = {}
    for image in images:
        kinds.setdefault(image.evidence, []).append(image.key.arch)
    if len(kinds) == 1:
        return next(iter(kinds))
    *first, last = kinds.items()
    parts = [f"{kind} ({', '.join(arches)})" for kind, arches in first]
    return ", ".join(
        [*parts, f"{last[0]} (others)" if len(last[1]) > 1 else f"{last[0]} ({last[1][0]})"]
    )


def moved_files(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The files that move most bytes; the first architecture of a row speaks for the others."""
    lines = []
    for row in rows:
        image = next((image for image in row.images if image.files), None)
        if image is None:
            continue
        for file in image.files:
            lines.append(
                (code(file.path), code(file.package), plain(_file_size(file)),
                 plain(format_delta(file.delta)),
                 (*image_phrase(row.place), *plain(f" ({image.key.arch})")))
            )  # fmt: skip
    head = ("File", "Package", "Size", "Change", "Image")
    blocks = table(head, lines, {2, 3}, detail.rows, "file")
    return section("Largest files that move", blocks, folded=True)


def _file_size(file: FileChange) -> str:
    """`new, 31 MB`, `gone, was 31 MB`, `30 MB → 31 MB`."""
    if file.before is None:
        return f"new, {format_size(file.after)}"
    if file.after is None:
        return f"gone, was {format_size(file.before)}"
    return f"{format_size(file.before)}{ARROW}{format_size(file.after)}"


def _weighed(rows: Sequence[Row]) -> bool:
    """Return whether any layer was composed."""
    return any(side.layer for row in rows for i in row.images for side in (i.base, i.head))


def _figures(weighed: bool) -> tuple[str, ...]:
    figures = ("Packages", "Installed size", "Change")
    return (*figures, "To pull (gzip)") if weighed else figures


def _right(weighed: bool) -> set[int]:
    return {2, 3, 4, 5} if weighed else {2, 3, 4}


def _layers(row: Row) -> Phrase:
    """The bytes that a registry transfers, before and after; empty where it was not composed."""
    sides = [
        size_span(side.layer.gzip for side in chosen if side.layer is not None)
        for chosen in ([i.base for i in row.images], [i.head for i in row.images])
        if all(side.layer is not None for side in chosen)
    ]
    return plain(ARROW.join(sides) if len(sides) == 2 else "")


def _packages(row: Row) -> Phrase:
    if row.new and row.broken:
        return plain("")
    if not row.comparable:
        there = [image.base if row.broken else image.head for image in row.images]
        return plain(count_span(side.packages for side in there))
    before_text = count_span(image.base.packages for image in row.images)
    after_text = count_span(image.head.packages for image in row.images)
    deltas = sorted({(i.head.packages or 0) - (i.base.packages or 0) for i in row.images})
    if deltas == [0]:
        return plain(before_text)
    change = span(format_count_delta(delta) for delta in deltas)
    return plain(f"{before_text}{ARROW}{after_text} ({change})")


def _sizes(row: Row) -> Phrase:
    if row.broken:
        return plain("cannot be installed")
    if row.repaired or row.new:
        sizes = [(i.head.installed_size, i.head.known_size) for i in row.images]
        return plain(_side_size(sizes))
    before = _side_size([(i.base.installed_size, i.base.known_size) for i in row.images])
    after = _side_size([(i.head.installed_size, i.head.known_size) for i in row.images])
    return plain(before if before == after else f"{before}{ARROW}{after}")


def _side_size(sizes: Sequence[tuple[int | None, int | None]]) -> str:
    if all(size is not None for size, _ in sizes):
        return size_span(size for size, _ in sizes)
    return f"{size_span(known for _, known in sizes)} known"


def _change(row: Row) -> Phrase:
    if row.new:
        return strong("new")
    if row.broken:
        return strong("broken")
    if row.repaired:
        return strong("works again")
    ordered = sorted(row.images, key=known_delta)
    complete = all(size_delta(image) is not None for image in ordered)
    text = span(format_delta(known_delta(image)) for image in ordered)
    if not complete:
        return (*strong(text), *plain(" known"))
    percents = [
        100 * known_delta(image) / image.base.installed_size
        for image in ordered
        if image.base.installed_size
    ]
    if not percents or max(map(abs, percents)) < 1:
        return strong(text)
    shown = sorted(percents)[len(percents) // 2]
    about = "about " if max(percents) - min(percents) >= 1 else ""
    return (*strong(text), *plain(f" ({about}{format_percent(shown)})"))


def _values(
    members: Sequence[tuple[ImageResult, ObjectiveResult]],
    which: Callable[[ObjectiveResult], int | None],
) -> str:
    values = [(which(o), o.metric) for _, o in members]
    if any(value is None for value, _ in values):
        return "not known"
    if members[0][1].metric == "packages":
        return count_span(value for value, _ in values)
    ordered = sorted(values, key=lambda v: v[0] or 0)
    return span(metric_text(metric, value) for value, metric in ordered)


def _state(objective: ObjectiveResult) -> Phrase:
    if objective.met is None:
        state = plain("not measured")
    elif objective.met:
        state = plain("met")
    elif objective.worse:
        state = strong("further from it" if was_broken(objective) else "broken by this change")
    else:
        state = plain("broken before, no worse" if was_broken(objective) else "broken")
    return (*state, *plain(": "), *prose(objective.reason)) if objective.reason else state
