"""An impact as JSON and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from bot.model.closure import Broken, ImageImpact, Impact
from bot.report.answers import image_text
from bot.report.causes import cause_phrase
from bot.report.jsonform import json_of
from bot.report.phrase import Phrase, plain, to_plain, to_text, visible
from bot.report.sizes import format_size
from bot.report.template import say

# The number of packages that a list shows; JSON has all.
_SHOWN = 40


def impact_to_json(impact: Impact) -> dict[str, object]:
    """CONTRACT's `impact` object."""
    return {
        "images": [json_of(ImageImpact, image) for image in impact.images],
        "broken": [json_of(Broken, package) for package in impact.broken],
    }


def impact_text(impact: Impact) -> str:
    """Return the images, then the packages that break, by repository and architecture."""
    lines = [line for image in impact.images for line in _image_lines(image)]
    if not impact.images:
        lines.append(_words(say.impact_none()))
    lines += _broken_lines(impact.broken)
    return "\n".join(lines) + "\n"


def _image_lines(image: ImageImpact) -> Iterator[str]:
    named = plain(image_text(image.key))
    if image.status != "ok":
        yield _words(say.impact_broken(image=named))
        for cause in image.causes[:3]:
            yield f"  {visible(to_text(cause_phrase(cause)), 1000)}"
        return
    saved = "an unknown size" if image.saved is None else format_size(image.saved)
    yield _words(
        say.impact_moves(image=named, leave=len(image.removed), come=len(image.added), saved=saved)
    )


def _broken_lines(broken: Iterable[Broken]) -> Iterator[str]:
    for (repository, arch), of_place in groupby(broken, lambda one: (one.repository, one.arch)):
        packages = list(of_place)
        yield _words(say.impact_place(repository=repository, arch=arch, packages=len(packages)))
        for one in packages[:_SHOWN]:
            lacks = say.impact_package(package=str(one.nevra), capability=one.capability)
            yield f"  {_words(lacks)}"
        if len(packages) > _SHOWN:
            yield f"  {_words(say.and_more(others=len(packages) - _SHOWN))}"


def _words(phrase: Phrase) -> str:
    return visible(to_plain(phrase), 1000)
