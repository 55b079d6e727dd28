"""Which images a change could touch, and the pair of closures of each."""

from __future__ import annotations

from collections.abc import Iterable

from bot.closure import Pool, could_enter
from bot.model import Closure, ClosurePair, ImageRequest, Overlay


def closure_pair(
    pool: Pool, request: ImageRequest, base: Overlay, head: Overlay
) -> ClosurePair | None:
    """Both closures of an image, or None where the change cannot touch it.

    An image is affected if its closure on either side holds a package of a changed source. What
    the head overlay could enter is solved and looked at.
    """
    sources = base.sources | head.sources
    before = pool.solve(request, base)
    if before.status == "ok":
        if not (
            holds(before, sources)
            or could_enter(pool, before, base, request)
            or could_enter(pool, before, head, request)
        ):
            return None
        after = pool.solve(request, head)
        if not holds(before, sources) and not holds(after, sources) and after.status == "ok":
            return None
        return ClosurePair(before, after, head.evidence)
    after = pool.solve(request, head)
    if after.status == "unsolvable" and not _concerns(before, after, request, base, head):
        return None
    return ClosurePair(before, after, head.evidence)


def holds(closure: Closure, sources: Iterable[str]) -> bool:
    """Whether a package of these sources is in the closure."""
    wanted = frozenset(sources)
    return any(p.source in wanted for p in closure.packages)


def _concerns(
    before: Closure, after: Closure, request: ImageRequest, base: Overlay, head: Overlay
) -> bool:
    """Whether an image that neither side can install has to do with the change at all."""
    if before.problems != after.problems or before.missing != after.missing:
        return True
    names = {p.nevra.name for o in (base, head) for p in o.packages}
    return any(r in names for r in request.requests)
