"""Images that only the removal of published packages keeps from being installed.

An overlay takes the place of every published package of its sources, of any version and
architecture (CONTRACT, "Overlay"). What needs an older one, or an i686 one, is then unsolvable on
both sides, and no fault of the change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.closure.pool import Pool
from bot.model.architecture import native_arches
from bot.model.closure import Closure, ClosurePair
from bot.model.image import ImageRequest
from bot.model.package import Overlay, Package


def with_reason(pool: Pool, request: ImageRequest, pair: ClosurePair, base: Overlay) -> ClosurePair:
    """The pair, with the reason where both sides are unsolvable and the published packages are
    not."""
    if not pair.base.status == pair.head.status == "unsolvable":
        return pair
    published = pool.solve(request)
    if published.status != "ok":
        return pair
    return replace(pair, reason=_reason(published, base, pool.arch))


def _reason(published: Closure, base: Overlay, arch: str) -> str:
    """Which published packages of the sources the image needs that the overlay does not have."""
    there = {p.nevra for p in base.packages}
    needed = [p for p in published.packages if p.source in base.sources and p.nevra not in there]
    foreign = [p for p in needed if p.nevra.arch not in native_arches(arch)]
    names = {p.nevra.name for p in base.packages}
    older = [p for p in needed if p not in foreign and p.nevra.name in names]
    other = [p for p in needed if p not in foreign and p.nevra.name not in names]
    sentences = [
        *_sentences(older, "It needs an older version of {source} that this change replaces"),
        *_sentences(
            foreign,
            "It needs packages of {source} for another architecture, which this change replaces and"
            f" a check on {arch} does not know",
        ),
        *_sentences(other, "It needs packages of {source} that its spec file no longer makes"),
    ]
    return " ".join([*sentences, "With the published packages alone it can be installed."])


def _sentences(packages: Iterable[Package], text: str) -> list[str]:
    of_source: dict[str, list[str]] = {}
    for package in packages:
        of_source.setdefault(package.source, []).append(str(package.nevra))
    return [
        f"{text.format(source=source)}: {', '.join(sorted(nevras))}."
        for source, nevras in sorted(of_source.items())
    ]
