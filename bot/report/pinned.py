"""The fixes that pinned images lack, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.model.image import ImageKey
from bot.report.answers import image_text
from bot.report.phrase import Phrase, plain, to_text, visible
from bot.report.template import say


def pinned_text(
    images: Iterable[tuple[ImageKey, Sequence[str] | None, Sequence[str] | None]],
) -> str:
    """Each image with its advisories that are not applied, and its CVEs without a fix."""
    return "".join(f"{line}\n" for image in images for line in _lines(*image))


def _lines(
    key: ImageKey, unapplied: Sequence[str] | None, unfixed: Sequence[str] | None
) -> Iterator[str]:
    named = plain(image_text(key))
    if unapplied is None:
        yield _words(say.pinned_unknown(image=named))
    else:
        yield _words(say.pinned_fixes(image=named, fixes=len(unapplied)))
        yield from (f"  {visible(one)}" for one in unapplied)
    if unfixed is not None:
        yield _words(say.pinned_unfixed(image=named, cves=len(unfixed)))
        yield from (f"  {visible(one)}" for one in unfixed)


def _words(phrase: Phrase) -> str:
    return to_text(phrase)
