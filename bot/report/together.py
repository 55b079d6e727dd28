"""The section on changes that were checked together: each alone, all, and what only all do."""

from __future__ import annotations

from string import ascii_uppercase

from bot.model.architecture import architecture_order
from bot.model.result import CheckResult, ImageResult, Side
from bot.report.blocks import Bullets, Detail, Paragraph, Section, section, table, truncated_listing
from bot.report.grouping import architectures, image_on, place_of_image
from bot.report.phrase import Phrase, code, joined, plain
from bot.report.sizes import MINUS, format_count_delta, format_delta
from bot.report.template import Place, say

_NAMES = 6  # number of packages that are named
_SAME = plain("no change")
_STATUS = {"ok": "can be installed", "unsolvable": "cannot be installed", "absent": "is not there"}


def together(result: CheckResult, detail: Detail) -> Section | None:
    """Return the effect of each change alone and of all together.

    Packages that only all of them bring in or remove are named. None if the check is about one
    change. Changes are named by letters, this one is A.
    """
    if not result.others:
        return None
    letters = ascii_uppercase[: 1 + len(result.others)]
    legend = [say.change_here(letter="A")]
    legend += [
        say.change_other(letter=letter, name=other.name)
        for letter, other in zip(letters[1:], result.others, strict=False)
    ]
    alone = (f"{letter} alone" for letter in letters)
    all_ = " and ".join(", ".join(letters).rsplit(", ", 1))
    head = ("Image", *alone, all_, "Only together")
    figures = range(1, len(head) - 1)
    blocks = table(head, _rows(result, detail), figures, detail.rows, "image")
    return section(
        "Together", [Bullets(tuple(legend)), *(blocks or [Paragraph(say.no_effect_together())])]
    )


def _rows(result: CheckResult, detail: Detail) -> list[tuple[Phrase, ...]]:
    """Return a row for each affected image on the architectures with equal figures."""
    groups: dict[tuple[Place, tuple[Phrase, ...]], list[str]] = {}
    checked: dict[Place, list[str]] = {}
    for image in sorted(
        result.images, key=lambda i: (place_of_image(i), architecture_order(i.key.arch))
    ):
        place = place_of_image(image)
        checked.setdefault(place, []).append(image.key.arch)
        sides = (*((image.alone,) if image.alone else ()), *image.alone_with, image.head)
        effects = [_effect(image.base, side) for side in sides]
        only = _only_together(image, detail)
        if only or any(effect != _SAME for effect in effects):
            groups.setdefault((place, (*effects, only)), []).append(image.key.arch)
    return [
        (image_on(place, architectures(arches, checked[place])), *cells)
        for (place, cells), arches in groups.items()
    ]


def _effect(base: Side, side: Side) -> Phrase:
    """Return `+31.2 MB (+3)`: a side's difference from base."""
    if side.status != "ok" or base.status != "ok":
        return _SAME if side.status == base.status else plain(_STATUS[side.status])
    packages = (side.packages or 0) - (base.packages or 0)
    size = (side.known_size or 0) - (base.known_size or 0)
    if not packages and not size:
        return _SAME
    return say.side_moves(size=format_delta(size), packages=format_count_delta(packages))


def _only_together(image: ImageResult, detail: Detail) -> Phrase:
    """Return `+perl`: the packages that come or leave only with all changes."""
    changes = image.only_together
    if changes is None:
        return ()
    most = min(_NAMES, detail.open_rows)
    parts = [
        joined(
            [plain(sign), truncated_listing([code(n.name) for n in nevras], most, "package")], ""
        )
        for sign, nevras in (("+", changes.added), (MINUS, changes.removed))
        if nevras
    ]
    return joined(parts, "; ")
