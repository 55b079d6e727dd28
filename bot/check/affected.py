"""Which images a change could touch, and the pair of closures of each."""

from __future__ import annotations

from collections.abc import Iterable

from bot.closure.affected import could_concern, could_enter
from bot.closure.pool import Pool
from bot.model.closure import Closure
from bot.model.image import ImageRequest
from bot.model.overlay import Overlay
from bot.model.result import ClosurePair


def closure_pair(
    pool: Pool, request: ImageRequest, base: Overlay, head: Overlay
) -> ClosurePair | None:
    """Both closures of an image, or None where the change cannot touch it.

    An image is affected if its closure on either side holds a package of a changed source, or the
    two differ. What the head overlay could enter is solved and looked at. One that neither side can
    install is affected where it has to do with a changed source (`could_concern`).
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
        if not holds(before, sources) and not holds(after, sources) and same(before, after):
            return None
        return ClosurePair(before, after, head.evidence)
    after = pool.solve(request, head)
    pair = ClosurePair(before, after, head.evidence)
    if after.status == "ok":
        return pair
    if before.problems != after.problems or any(
        could_concern(pool, request, side) for side in (base, head)
    ):
        return pair
    return None


def holds(closure: Closure, sources: Iterable[str]) -> bool:
    """Whether a package of these sources is in the closure."""
    wanted = frozenset(sources)
    return any(p.source in wanted for p in closure.packages)


def same(before: Closure, after: Closure) -> bool:
    """Whether both can be installed and hold the same packages."""
    return before.status == after.status == "ok" and before.packages == after.packages
