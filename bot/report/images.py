"""The parts of a report about images: groups with the same added packages, images that cannot be
installed, the exact figures of each image, and files."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.architecture import architecture_order
from bot.model.closure import Broken
from bot.model.nevra import Nevra
from bot.model.result import ChangedPackage, CheckResult, FileChange, ImageResult, Side
from bot.report.blocks import (
    Block,
    Bullets,
    Detail,
    Paragraph,
    Section,
    bullets,
    section,
    table,
    truncated,
    truncated_listing,
)
from bot.report.brought import causes_of, comes_in, size_list
from bot.report.causes import Breakage, more_causes, why_broken
from bot.report.grouping import Group, Row, image_on, lead_rows, row_arches, row_phrase
from bot.report.phrase import Phrase, code, figure, joined, plain
from bot.report.sizes import (
    format_count,
    format_count_delta,
    format_delta,
    format_size,
    plural,
    short_delta,
    short_span,
)
from bot.report.template import image_phrase, say, sentences, short_image

# The number of images that are named with a cause or in a group; the others are counted.
_NAMED = 4
# As in the sentence above the folded sections.
_EVIDENCE = {"transferred": "carried over", "external": "built elsewhere"}


def broken(rows: Sequence[Row], detail: Detail) -> list[Block]:
    """Return the root causes why images cannot be installed, each with its images and chain."""
    lost = [row for row in rows if row.broken]
    why = why_broken(image for row in lost for image in row.images)
    places = list(dict.fromkeys(row.place for row in lost))
    if len(why) == 1 and len(why[0].images) == sum(len(row.images) for row in lost):
        named = [short_image(place, places, emphasis=True) for place in places]
        hit = say.images_hit(images=truncated_listing(named, detail.open_rows, "image"))
        alike = len(places) - 1
        through = say.through(chain=why[0].way, others=alike) if why[0].way else ()
        place_words = sentences(hit if len(places) > 2 else (), through)
        return [Paragraph(place_words)] if place_words else []
    lines = [(breakage.phrase, _affected_images(breakage, lost), breakage.way) for breakage in why]
    lines += [
        (say.no_reason(), row_phrase(row, emphasis=True), ())
        for row in lost
        if not (row.first.head.causes or row.first.head.problems)
    ]
    others = more_causes(image for row in lost for image in row.images)
    return table(("Root cause", "Images", "Chain"), lines, (), detail.open_rows, "cause", others)


def _affected_images(breakage: Breakage, lost: Sequence[Row]) -> Phrase:
    """Return the images that one cause makes uninstallable, with their architectures."""
    hit = {image.key for image in breakage.images}
    rows = [
        Row(tuple(image for image in row.images if image.key in hit), row.checked) for row in lost
    ]
    named = [row_phrase(row, emphasis=True) for row in rows if row.images]
    return joined(truncated(named, _NAMED, "image"), "; ")


def repository(result: CheckResult, detail: Detail) -> Section | None:
    """Return the repositories' packages that become uninstallable by what the change drops."""
    alike: dict[tuple[str, str], list[Broken]] = {}
    for package in result.broken:
        alike.setdefault((package.repository, package.capability), []).append(package)
    items = [
        say.broken_package(
            packages=truncated_listing(
                [code(name) for name in dict.fromkeys(package.nevra.name for package in broken)],
                detail.open_rows,
                "package",
            ),
            capability=capability,
            repository=repository,
            arches=", ".join(sorted({package.arch for package in broken}, key=architecture_order)),
        )
        for (repository, capability), broken in alike.items()
    ]
    return section("", bullets(items, detail.open_rows, "capability"))


def grouped(groups: Sequence[Group], detail: Detail) -> list[Block]:
    """Return, for several images, groups with the same added packages, and each image's growth."""
    moved = [group for group in groups if group.kind == "moved"]
    places = list(dict.fromkeys(place for group in moved for place in group.places))
    if len(places) < 2:
        return []
    rows = []
    for group in moved:
        leads = [row.lead for row in lead_rows(group.rows)]
        named = [short_image(place, places, emphasis=True) for place in group.places]
        deltas = sorted((lead.known_delta for lead in leads), key=abs)
        change = figure(short_span(deltas, short_delta), strong=True)
        rows.append((truncated_listing(named, _NAMED, "image"), _moves(leads), change))
    if len(rows) == 1:
        return [Paragraph(say.same_in_all(images=rows[0][0]))]
    return table(("Images", "Comes in", "Change"), rows, {2}, detail.open_rows, "group")


def _moves(images: Sequence[ImageResult]) -> Phrase:
    """Return the packages that come into images of one group, and those that leave."""
    added = comes_in(causes_of(images)) if images[0].added else ()
    removed = plural(len(images[0].removed), "package") if images[0].removed else ""
    return say.group_moves(came=added, left=removed)


def leaving(rows: Sequence[Row]) -> list[Block]:
    """Return the packages that leave one image, and those that only change if none comes in."""
    leads = [row.lead for row in lead_rows(rows) if row.comparable]
    if len(leads) != 1:
        return []
    (image,) = leads
    phrases: list[Phrase] = []
    if image.removed:
        sizes = {package.nevra.name: package.installed_size for package in image.removed}
        named, total = size_list(sizes)
        phrases = [say.leave(packages=len(sizes), size=total, names=named)]
    elif not image.added:
        grown = sorted(image.changed_packages, key=lambda c: -abs(c.delta or 0))
        own = [_own_change(change) for change in grown if change.delta]
        phrases = [say.same_packages(changes=truncated_listing(own, 3, "package"))] if own else []
    return [Paragraph(phrase) for phrase in phrases]


def _own_change(changed: ChangedPackage) -> Phrase:
    """`nginx itself +4.2 MB (1.26.1-2 → 1.26.2-1)`; no versions where they stay."""
    versions = (_version(changed.before), _version(changed.after))
    before, after = versions if versions[0] != versions[1] else ("", "")
    return say.own_change(package=changed.name, size=changed.delta, before=before, after=after)


def _version(nevra: Nevra) -> str:
    return f"{nevra.version}-{nevra.release}"


def each_image(rows: Sequence[Row], detail: Detail) -> Section | None:
    """Return the exact figures of each image and architecture, also of unchanged ones."""
    changed = [row for row in rows if row.first.changed]
    places = {row.place for row in rows}
    one_place = len(places) == 1
    lines = [
        (
            *(() if one_place else (image_phrase(row.place),)),
            plain(image.key.arch if apart else row_arches(row)),
            *_figures(image),
            plain(_EVIDENCE.get(image.evidence, image.evidence)),
        )
        for row in changed
        for apart in [one_place or len(set(row.deltas)) > 1]
        for image in (row.images if apart else row.images[:1])
    ]
    image = () if one_place else ("Image",)
    head = (*image, "Architecture", "Packages", "Installed", "Change", "To pull", "Evidence")
    first = len(image) + 1
    blocks = table(head, lines, range(first, first + 4), detail.rows, "row")
    same = [row_phrase(row) for row in rows if not row.first.changed and row.comparable]
    if same:
        blocks += [
            Paragraph(say.unchanged(images=len(same))),
            Bullets(truncated(same, detail.rows, "image")),
        ]
    title = "Each architecture" if one_place else f"All {len(places)} images"
    return section(title, blocks, folded=True)


def moved_files(rows: Sequence[Row], detail: Detail) -> Section | None:
    """Return the files with the largest changes, for the leading architecture of each row."""
    one_place = len({row.place for row in rows}) == 1
    lines = [
        (
            code(file.path),
            code(file.package),
            _file_size(file),
            figure(format_delta(file.delta)),
            *(() if one_place else (image_on(row.place, row.lead.key.arch),)),
        )
        for row in lead_rows(rows)
        for file in row.lead.files
    ]
    head = ("File", "Package", "Size", "Change", *(() if one_place else ("Image",)))
    blocks = table(head, lines, {2, 3}, detail.rows, "file")
    return section("Files that move most", blocks, folded=True)


def _file_size(file: FileChange) -> Phrase:
    if file.before is None:
        return say.file_new(after=file.after)
    if file.after is None:
        return say.file_gone(before=file.before)
    return say.file_resized(before=file.before, after=file.after)


def _figures(image: ImageResult) -> tuple[Phrase, ...]:
    """Return packages, installed size, its change, and the bytes that a registry transfers."""
    base, head = image.base, image.head
    layers = (base.layer, head.layer)
    pull = _before_and_after(*(format_size(layer.gzip) for layer in layers if layer is not None))
    if base.status == head.status == "ok":
        delta = (head.packages or 0) - (base.packages or 0)
        counts = (format_count(base.packages), format_count(head.packages))
        change = figure(format_delta(image.known_delta), strong=True)
        return (
            say.counts(before=counts[0], after=counts[1], change=format_count_delta(delta))
            if delta
            else plain(counts[0]),
            _before_and_after(_size(base), _size(head)),
            change if image.size_delta is not None else say.change_known(change=change),
            pull,
        )
    side = head if head.status == "ok" else base
    turned = say.is_broken() if head.status != "ok" else say.works_again()
    return (
        () if side.packages is None else plain(format_count(side.packages)),
        figure(_size(head)) if head.status == "ok" else say.cannot_be_installed(),
        say.is_new() if base.status == "absent" else turned,
        pull,
    )


def _size(side: Side) -> str:
    """Return the installed size of its own packages, and that of the image that it is built on."""
    known = side.installed_size is not None
    size = format_size(side.known_size) if known else f"{format_size(side.known_size)} known"
    return size if side.beneath_size is None else f"{size} on {format_size(side.beneath_size)}"


def _before_and_after(*sides: str) -> Phrase:
    """Return two figures, or one if they are equal; empty if a side has none."""
    if len(sides) < 2:
        return ()
    if sides[0] == sides[1]:
        return figure(sides[0])
    return say.before_and_after(before=sides[0], after=sides[1])
