"""The sections of a report about images: the effect on each, files, objectives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.model.amount import Amount, number
from bot.model.result import CheckResult, FileChange, ImageResult, ObjectiveResult
from bot.report.blocks import Detail, Section, bullets, rest_section, section, table, truncated
from bot.report.causes import Breakage, why_broken
from bot.report.grouping import (
    Row,
    arch_order,
    architectures,
    image_on,
    place_of,
    row_arches,
    row_phrase,
)
from bot.report.objectives import (
    limits_phrase,
    metric_phrase,
    metric_text,
    was_broken,
    way_to_target,
)
from bot.report.phrase import Phrase, code, figure, joined, plain, prose
from bot.report.sizes import (
    count_span,
    format_count_delta,
    format_delta,
    format_percent,
    size_span,
    span,
)
from bot.report.template import Template, image_phrase, say

# The images that are named with one cause; more are counted.
_HIT = 3


def broken(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The causes why images can no longer be installed, each once, with its images."""
    lost = [row for row in rows if row.broken]
    why = why_broken(image for row in lost for image in row.images)
    if len(lost) == 1 and len(why) == 1:
        return None  # the headline has it all
    items = [_breakage(breakage, lost) for breakage in why]
    items += [
        say.no_reason(image=row_phrase(row, emphasis=True))
        for row in lost
        if not (row.first.head.causes or row.first.head.problems)
    ]
    title = "Cannot be installed" if any(row.new for row in lost) else "Can no longer be installed"
    return section(title, bullets(items, detail.lines, "cause"))


def _breakage(breakage: Breakage, lost: Sequence[Row]) -> Phrase:
    """`nothing provides a, which b requires: sshd on minimal, c9 (all four) (sshd → b)`."""
    hit = {image.key for image in breakage.images}
    rows = [
        Row(tuple(image for image in row.images if image.key in hit), row.checked) for row in lost
    ]
    hits = [row_phrase(row, emphasis=True) for row in rows if row.images]
    hits_text = joined(truncated(hits, _HIT, "image"), "; ")
    return say.breakage(cause=breakage.phrase, images=hits_text, chain=breakage.way)


def repository(result: CheckResult, detail: Detail) -> Section | None:
    """The packages of the repositories that what the change drops makes uninstallable."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for one in result.broken:
        arches = places.setdefault((one.repository, str(one.nevra), one.capability), [])
        arches.append(one.arch)
    items = [
        say.broken_package(
            package=nevra, capability=capability, repository=repository, arches=", ".join(arches)
        )
        for (repository, nevra, capability), arches in places.items()
    ]
    return section("Breaks in the repositories", bullets(items, detail.lines, "package"))


def images(rows: Sequence[Row], detail: Detail, *, rest: bool = False) -> Section | None:
    """One row for each image; architectures share it where the effect is the same.

    The first `detail.shown`, or, with `rest`, the others.
    """
    weighed = _weighed(rows)
    lines = [
        (
            image_phrase(row.place, emphasis=True),
            plain(row_arches(row)),
            *_figures(row, weighed),
            plain(_evidence(row.images)),
        )
        for row in rows
    ]
    head, right = _head("Architectures", weighed)
    if rest:
        return rest_section("More images", head, lines, right, detail, detail.rows)
    return section("", table(head, lines, right, detail.shown, "image"))


def each_architecture(rows: Sequence[Row], detail: Detail) -> Section | None:
    """The exact figures where a row above stands for several architectures."""
    weighed = _weighed(rows)
    lines = [
        (
            image_phrase(row.place),
            plain(image.key.arch),
            *_figures(Row((image,), row.checked), weighed),
            plain(image.evidence),
        )
        for row in rows
        if len(set(row.deltas)) > 1
        for image in row.images
    ]
    head, right = _head("Architecture", weighed)
    blocks = table(head, lines, right, detail.rows, "image")
    return section("Each architecture", blocks, folded=True)


def _head(architectures_: str, weighed: bool) -> tuple[tuple[str, ...], set[int]]:
    """The columns of the tables of images, and which of them have figures."""
    figures = ("Packages", "Installed size", "Change", *(("To pull (gzip)",) if weighed else ()))
    return ("Image", architectures_, *figures, "Evidence"), set(range(2, 2 + len(figures)))


def _figures(row: Row, weighed: bool) -> tuple[Phrase, ...]:
    return (_packages(row), _sizes(row), _change(row), *((_layers(row),) if weighed else ()))


def objectives(result: CheckResult, detail: Detail) -> Section | None:
    """The objectives of the checked images; folded where the change violates none."""
    values: dict[tuple[object, ...], list[tuple[ImageResult, ObjectiveResult]]] = {}
    for image in result.images:
        place = (image.key.workload, image.key.environment, image.key.repository)
        for o in image.objectives:
            values.setdefault((not o.worse, place, o.name, o.metric, o.met), []).append((image, o))
    lines = []
    for (_, _, _, metric, _), members in sorted(values.items(), key=lambda s: str(s[0])):
        members.sort(key=lambda m: arch_order(m[0].key.arch))
        (image, objective), place = members[0], place_of(members[0][0].key)
        checked = [i.key.arch for i in result.images if place_of(i.key) == place]
        limits = limits_phrase(
            objective.metric, objective.limit, objective.target, objective.target_by
        )
        lines.append(
            (
                prose(objective.name),
                image_on(place, architectures([i.key.arch for i, _ in members], checked)),
                metric_phrase(str(metric)),
                say.before_and_after(
                    before=_values(members, lambda o: o.before),
                    after=_values(members, lambda o: o.value),
                ),
                limits,
                _state(objective)(
                    reason=objective.reason, way=way_to_target([o for _, o in members])
                ),
            )
        )
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
    """The files that move most bytes; the first architecture of a row stands for the others."""
    lines = []
    for row in rows:
        image = next((image for image in row.images if image.files), None)
        if image is None:
            continue
        on = image_on(row.place, image.key.arch)
        lines += [
            (code(file.path), code(file.package), _file_size(file),
             figure(format_delta(file.delta)), on)
            for file in image.files
        ]  # fmt: skip
    head = ("File", "Package", "Size", "Change", "Image")
    blocks = table(head, lines, {2, 3}, detail.rows, "file")
    return section("Largest files that move", blocks, folded=True)


def _file_size(file: FileChange) -> Phrase:
    if file.before is None:
        return say.file_new(after=file.after)
    if file.after is None:
        return say.file_gone(before=file.before)
    return say.file_resized(before=file.before, after=file.after)


def _weighed(rows: Sequence[Row]) -> bool:
    """Return whether any layer was composed."""
    return any(side.layer for row in rows for i in row.images for side in (i.base, i.head))


def _layers(row: Row) -> Phrase:
    """The bytes that a registry transfers, before and after; empty where it was not composed."""
    sides = [
        size_span(side.layer.gzip for side in chosen if side.layer is not None)
        for chosen in ([i.base for i in row.images], [i.head for i in row.images])
        if all(side.layer is not None for side in chosen)
    ]
    if len(sides) < 2:
        return ()
    return say.before_and_after(before=sides[0], after=sides[1])


def _packages(row: Row) -> Phrase:
    if row.new and row.broken:
        return ()
    if not row.comparable:
        there = [image.base if row.broken else image.head for image in row.images]
        return plain(count_span(side.packages for side in there))
    before = count_span(image.base.packages for image in row.images)
    after = count_span(image.head.packages for image in row.images)
    deltas = sorted({(i.head.packages or 0) - (i.base.packages or 0) for i in row.images})
    if deltas == [0]:
        return plain(before)
    change = span(format_count_delta(delta) for delta in deltas)
    return say.counts(before=before, after=after, change=change)


def _sizes(row: Row) -> Phrase:
    if row.broken:
        return say.cannot_be_installed()
    after = _side_size([(i.head.installed_size, i.head.known_size) for i in row.images])
    if row.repaired or row.new:
        return figure(after)
    before = _side_size([(i.base.installed_size, i.base.known_size) for i in row.images])
    return figure(before) if before == after else say.before_and_after(before=before, after=after)


def _side_size(sizes: Sequence[tuple[int | None, int | None]]) -> str:
    if all(size is not None for size, _ in sizes):
        return size_span(size for size, _ in sizes)
    return f"{size_span(known for _, known in sizes)} known"


def _change(row: Row) -> Phrase:
    if row.new:
        return say.is_new()
    if row.broken:
        return say.is_broken()
    if row.repaired:
        return say.works_again()
    ordered = sorted(row.images, key=lambda image: image.known_delta)
    change = figure(span(format_delta(image.known_delta) for image in ordered), strong=True)
    if any(image.size_delta is None for image in ordered):
        return say.change_known(change=change)
    percents = sorted(
        100 * image.known_delta / image.base.installed_size
        for image in ordered
        if image.base.installed_size
    )
    if not percents or max(map(abs, percents)) < 1:
        return change
    middle = format_percent(percents[len(percents) // 2])
    about = "about " if percents[-1] - percents[0] >= 1 else ""
    return say.change(change=change, percent=about + middle)


def _values(
    members: Sequence[tuple[ImageResult, ObjectiveResult]],
    which: Callable[[ObjectiveResult], Amount | None],
) -> str:
    values = [(which(o), o.metric) for _, o in members]
    if any(value is None for value, _ in values):
        return "not known"
    if members[0][1].metric == "packages":
        return count_span(number(value) for value, _ in values)
    ordered = sorted(values, key=lambda v: number(v[0]))
    return span(metric_text(metric, value) for value, metric in ordered)


def _state(objective: ObjectiveResult) -> Template:
    if objective.met is None:
        return say.not_measured
    if objective.met:
        return say.met
    if objective.worse:
        return say.further_from_it if was_broken(objective) else say.broken_by_this
    return say.broken_before if was_broken(objective) else say.broken_now
