"""A maintainer's edits in the weekly summary: what would save most, and what landed."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.model.opportunity import Opportunity
from bot.report.blocks import Block, table
from bot.report.phrase import code, figure, link, plain
from bot.report.sizes import format_size
from bot.store.history.history import History
from bot.store.opportunities import Opportunities
from bot.store.store import utc_text

_BEST = 3
_MOST = 15


def best_opportunities(history: History, maintainer: str) -> tuple[Opportunity, ...]:
    """The three open edits that save most in the images of a maintainer's objectives, or in the
    packages that are theirs."""
    own = _opportunities_of(history, maintainer)
    return tuple(o for o in own if o.state in ("found", "proposed") and o.saves > 0)[:_BEST]


def _opportunities_of(history: History, maintainer: str) -> list[Opportunity]:
    headings = history.objective_headings()
    workloads = {h.workload for h in headings if h.maintainer == maintainer}
    return [
        one
        for one in Opportunities(history.store).all()
        if maintainer in one.change.maintainers
        or workloads & {image.workload for image in one.images}
    ]


def _landed_lately(history: History, maintainer: str, now: datetime) -> list[Opportunity]:
    """The edits that landed in the seven days before, those that saved most first."""
    since = utc_text(now - timedelta(days=7))
    own = _opportunities_of(history, maintainer)
    found = [one for one in own if one.state == "landed" and one.changed >= since]
    return sorted(found, key=lambda one: (-(one.saved or 0), one.edit))


def best_edits(history: History, maintainer: str) -> list[Block]:
    """A table of the best open edits, with the state of each."""
    rows = [
        (
            code(one.edit),
            code(one.change.to),
            figure(format_size(one.saves)),
            plain(str(len(one.images))),
            link(one.state, one.url) if one.url else plain(one.state),
            code(f"/minimize decline {one.edit} REASON"),
        )
        for one in best_opportunities(history, maintainer)
    ]
    head = ("Edit", "Write", "Saves", "Images", "State", "Not wanted?")
    return table(head, rows, {2, 3}, _BEST, "edit")


def landed_edits(history: History, maintainer: str, now: datetime) -> list[Block]:
    """A table of the edits that landed in the seven days before, with what each saved."""
    rows = [
        (
            code(one.edit),
            link(one.changed[:10], one.url) if one.url else plain(one.changed[:10]),
            figure("" if one.saved is None else format_size(one.saved)),
            plain(str(len(one.images))),
        )
        for one in _landed_lately(history, maintainer, now)
    ]
    return table(("Edit", "Landed", "Saved", "Images"), rows, {2, 3}, _MOST, "edit")
