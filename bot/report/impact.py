"""An impact as JSON and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from bot.model.impact import Broken, ImageImpact, Impact
from bot.report.answers import image_text
from bot.report.causes import cause_phrase
from bot.report.jsonform import json_of
from bot.report.phrase import to_text, visible
from bot.report.sizes import format_size, plural

# Packages that a list shows; JSON has all.
_SHOWN = 40


def impact_to_json(impact: Impact) -> dict[str, Any]:
    """CONTRACT's `impact` object."""
    return {
        "images": [json_of(ImageImpact, image) for image in impact.images],
        "broken": [json_of(Broken, package) for package in impact.broken],
    }


def impact_text(impact: Impact) -> str:
    """The images first, then the packages that break, by repository and architecture."""
    lines = [line for image in impact.images for line in _image_lines(image)]
    if not impact.images:
        lines.append("No image changes or breaks.")
    lines += _broken_lines(impact.broken)
    return "\n".join(lines) + "\n"


def _image_lines(image: ImageImpact) -> Iterator[str]:
    if image.status != "ok":
        yield f"{image_text(image.key)}: cannot be installed any more"
        for cause in image.causes[:3]:
            yield f"  {visible(to_text(cause_phrase(cause)), 1000)}"
        return
    saved = "an unknown size" if image.saved is None else format_size(image.saved)
    leave, come = plural(len(image.removed), "package"), plural(len(image.added), "package")
    yield f"{image_text(image.key)}: {leave} would leave, {come} would come, saving {saved}"


def _broken_lines(broken: Iterable[Broken]) -> Iterator[str]:
    for (repository, arch), of_place in groupby(broken, lambda one: (one.repository, one.arch)):
        packages = list(of_place)
        place = f"{visible(repository)}, {arch}"
        yield f"{place}: {plural(len(packages), 'package')} could not be installed any more:"
        for one in packages[:_SHOWN]:
            yield f"  {visible(str(one.nevra))} ({visible(one.capability)})"
        if len(packages) > _SHOWN:
            yield f"  and {len(packages) - _SHOWN} more"
