"""`/`: how objectives stand, what moved this week, how old the data is."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bot.objectives.jsonform import standing_json, step_json
from bot.store import CheckRecord
from bot.store.history import Run
from bot.store.history.across import Mover
from bot.web.answers.answer import Answer, Archive
from bot.web.answers.causes import cause_rows, causes_table, in_words, step_url
from bot.web.answers.objectives import standing_rows, standings_table
from bot.web.links import image_url, key_of
from bot.web.questions import Question
from bot.web.tables import Column, Table, image_columns

Json = dict[str, Any]
_DAYS = 7
_SHOWN = 20
_OUTLOOKS = ("met", "at risk", "broken", "unknown")


def overview(archive: Archive, question: Question) -> Answer:
    """Objectives by state, the biggest movers of the week until a date, and the newest checks."""
    history, date = archive.history, question.date
    run = history.run_at(date)
    found = archive.standings()
    counts = {
        outlook.replace(" ", "_"): sum(s.outlook == outlook for s in found) for outlook in _OUTLOOKS
    }
    pressing = [s for s in found if s.outlook in ("broken", "at risk")]
    movers = [
        _mover(archive, mover) for mover in history.movers(_DAYS, until=date or None, limit=_SHOWN)
    ]
    totals = archive.remembered("totals", history.totals)
    json: Json = {
        "date": date,
        "run": run_json(run),
        "age_seconds": age(run),
        "totals": asdict(totals),
        "objectives": counts,
        "attention": [
            {"id": s.state.objective, "name": s.name, **standing_json(s)} for s in pressing[:_SHOWN]
        ],
        "movers": movers,
        "issues": [
            {
                "subject": issue.subject,
                "forge": issue.place.forge,
                "repository": issue.place.repository,
                "url": issue.url,
                "opened": issue.opened,
                "changed": issue.changed,
            }
            for issue in history.issues()[:_SHOWN]
            if not history.issue_is_hidden(issue)
        ],
        "checks": [about_check(c) for c in archive.store.recent_checks(10)],
    }
    causes = cause_rows(m["last_step"] for m in movers if m["last_step"])
    tables = {
        "attention": standings_table("Broken or at risk", standing_rows(pressing[:_SHOWN])),
        "movers": _movers_table(movers),
        "causes": causes_table("What moved them last", causes, with_image=True),
    }
    return Answer("overview.html.j2", json, tables, {"pressing": len(pressing)})


def run_json(run: Run | None) -> Json | None:
    """A run of the tracker."""
    return None if run is None else {**asdict(run), "failed": list(run.failed)}


def age(run: Run | None) -> int | None:
    """Seconds since a run began, null if there is none."""
    if run is None:
        return None
    return max(0, round((datetime.now(UTC) - datetime.fromisoformat(run.started)).total_seconds()))


def about_check(check: CheckRecord) -> Json:
    """What a check was about, without its result."""
    about = asdict(check)
    for name in ("result", "private", "delivery"):
        del about[name]
    return about


def _mover(archive: Archive, mover: Mover) -> Json:
    step = archive.history.step(mover.key, mover.last_run)
    last = None if step is None else step_json(step, archive.changes([step]))
    figures = asdict(mover)
    return {**figures.pop("key"), **figures, "last_step": last}


def _movers_table(movers: list[Json]) -> Table:
    columns = (
        *image_columns(link=lambda row: image_url(key_of(row))),
        Column("known_delta", "Bytes", "delta"),
        Column("packages_delta", "Packages", "change"),
        Column("steps", "Steps", "count"),
        Column(
            "cause",
            "Largest cause of the last step",
            value=lambda row: in_words(row["last_step"]) if row["last_step"] else "",
            link=lambda row: step_url(row["last_step"]) if row["last_step"] else None,
        ),
    )
    return Table("Biggest movers of the week", columns, movers)
