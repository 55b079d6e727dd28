"""Cells that tables and sentences of a report share: images, architectures, places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.model.image import ImageKey
from bot.model.result import ImageResult
from bot.report.architecture_grouping import Row, arch_order, architectures
from bot.report.blocks import Block, Detail, Paragraph, Section, Table, section, truncated
from bot.report.phrase import Phrase, joined, listing, name, plain
from bot.report.sizes import plural

ARROW = " \N{RIGHTWARDS ARROW} "
MORE = "\N{HORIZONTAL ELLIPSIS}"


def workload_name(workload: str, *, strong: bool = False) -> Phrase:
    """A workload; `@self` and `@self:NAME` are packages that no workload holds."""
    itself, _, package = workload.partition(":")
    if itself != "@self":
        return name(workload, strong=strong)
    if not package:
        return plain("the package itself")
    return (*name(package, strong=strong), *plain(" itself"))


def short_image(
    place: tuple[str, str, str], others: Iterable[tuple[str, str, str]], *, strong: bool = False
) -> Phrase:
    """An image by its workload, and by what else tells it from the `others` of that workload."""
    alike = [other for other in others if other[0] == place[0]]
    more = [name(place[n]) for n in (1, 2) if any(other[n] != place[n] for other in alike)]
    named = workload_name(place[0], strong=strong)
    return (*named, *plain(" ("), *listing(more), *plain(")")) if more else named


def image_phrase(place: tuple[str, str, str], *, emphasis: bool = False) -> Phrase:
    """nginx on minimal, centos-stream-9."""
    workload, environment, repository = place
    return (
        *workload_name(workload, strong=emphasis),
        *plain(" on "), *name(environment), *plain(", "), *name(repository),
    )  # fmt: skip


def table(
    head: Sequence[str],
    rows: Sequence[tuple[Phrase, ...]],
    right: Iterable[int],
    most: int,
    noun: str,
    tail: str = "",
) -> list[Block]:
    """A table of at most `most` rows, and below it the number of the others."""
    if not rows:
        return []
    blocks: list[Block] = [Table(tuple(head), tuple(rows[:most]), frozenset(right))]
    if len(rows) > most:
        more = plural(len(rows) - most, f"more {noun}")
        blocks.append(Paragraph(plain(f"{MORE} and {more}{tail}")))
    return blocks


def rest_section(
    title: str,
    head: Sequence[str],
    rows: Sequence[tuple[Phrase, ...]],
    right: Iterable[int],
    detail: Detail,
    most: int,
) -> Section | None:
    """The rows after those that `detail` shows openly, up to `most` in all, folded."""
    others = rows[detail.shown :]
    blocks = table(head, others, right, most - detail.shown, "row")
    return section(f"{title} ({len(others)})", blocks, folded=True)


def row_arches(row: Row) -> str:
    return architectures(row.arches, row.checked)


def place_of(key: ImageKey) -> tuple[str, str, str]:
    return key.workload, key.environment, key.repository


def where_phrase(images_: Sequence[ImageResult], in_all: set[ImageKey]) -> Phrase:
    keys = {image.key for image in images_}
    if keys >= in_all:
        return plain("everywhere")
    places: dict[tuple[str, str, str], list[str]] = {}
    for image in images_:
        places.setdefault(place_of(image.key), []).append(image.key.arch)
    if len({place_of(key) for key in in_all}) == 1:
        return plain(", ".join(sorted({key.arch for key in keys}, key=arch_order)))
    phrases = []
    for place, arches in places.items():
        everywhere = {key.arch for key in in_all if place_of(key) == place}
        some = plain(f" ({', '.join(arches)})") if set(arches) != everywhere else ()
        phrases.append((*workload_name(place[0]), *plain(" on "), *name(place[1]), *some))
    return joined(truncated(phrases, 3, "image"), "; ")
