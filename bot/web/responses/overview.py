"""`/`: the status of objectives, the movers of the week, the age of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.model.image import ImageKey
from bot.objectives.jsonform import status_json, step_json
from bot.store.history.fleet_queries import Mover
from bot.store.history.intervals import moment
from bot.store.history.values import MergedChange, Run, Step
from bot.web.links import image_url, key_of
from bot.web.parameters import Parameters
from bot.web.responses.causes import cause_rows, cause_url, causes_table, in_words, who
from bot.web.responses.checks import about_check, checks_table
from bot.web.responses.movement import largest_steps
from bot.web.responses.objectives import outlooks, status_rows, status_table
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Row, Table, image_columns

Json = dict[str, Any]
_DAYS = 7
_SHOWN = 20
_CHECKS = 10
_OLD = 2 * 86400


def overview(archive: Archive, parameters: Parameters) -> PageResponse:
    """Objectives by state, the biggest movers of the week until a date, and the newest checks."""
    history, date = archive.history, parameters.date
    run = archive.run(date)
    found = archive.objective_statuses(date)
    pressing = [s for s in found if s.outlook in ("broken", "at risk")]
    most = parameters.page(_SHOWN).limit
    every = parameters.whole and parameters.text("table") in ("movers", "causes")
    movers = _movers(archive, date, -1 if every else _SHOWN)
    json: Json = {
        "date": date,
        "run": run_json(run),
        "age_seconds": age(run),
        "totals": asdict(archive.totals(date)),
        "objectives": outlooks(found),
        "attention": [
            {"id": s.state.objective, "name": s.name, **status_json(s)} for s in pressing[:_SHOWN]
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
            for issue in history.issues(at=date)[:_SHOWN]
            if not history.issue_is_hidden(issue)
        ],
        "checks": [about_check(c) for c in archive.store.recent_checks(_CHECKS, until=date)],
    }
    causes = cause_rows(m["largest_step"] for m in movers if m["largest_step"])
    tables = {
        "attention": status_table("Broken or at risk", status_rows(pressing), date).first(most),
        "movers": _movers_table(movers, date),
        "causes": causes_table("What moved them most", causes, with_image=True).first(most),
        "checks": checks_table(json["checks"]),
    }
    old = date is None and (json["age_seconds"] or 0) > _OLD
    return PageResponse("overview.html.j2", json, tables, {"old": old})


def run_json(run: Run | None) -> Json | None:
    """A run of the tracker."""
    return None if run is None else {**asdict(run), "failed": list(run.failed)}


def age(run: Run | None) -> int | None:
    """Seconds since a run began, null if there is none."""
    if run is None:
        return None
    return max(0, round((datetime.now(UTC) - datetime.fromisoformat(run.started)).total_seconds()))


def _movers(archive: Archive, date: str | None, most: int) -> list[Json]:
    """The images that moved furthest in the week; all of them if `most` is below 0."""
    history = archive.history
    end = datetime.fromisoformat(moment(date)) if date else datetime.now(UTC)
    since = (end - timedelta(days=_DAYS)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    movers = history.movers(_DAYS, until=date, limit=most)
    steps: dict[ImageKey, list[Step]] = {}
    if most < 0:
        for step in history.recent_steps(since, until=date, limit=-1):
            steps.setdefault(step.key, []).append(step)
    else:
        steps = {mover.key: list(history.steps(mover.key, since, date)) for mover in movers}
    changes = archive.changes(step for found in steps.values() for step in found)
    return [_mover(mover, steps.get(mover.key, ()), changes) for mover in movers]


def _mover(mover: Mover, steps: Iterable[Step], changes: Mapping[int, MergedChange]) -> Json:
    largest = next(iter(largest_steps([step_json(step, changes) for step in steps])), None)
    figures = asdict(mover)
    return {**figures.pop("key"), **figures, "largest_step": largest}


def _movers_table(movers: list[Json], date: str | None) -> Table:
    def words(row: Row) -> str:
        return in_words(row["largest_step"]) if row["largest_step"] else ""

    columns = (
        *image_columns(link=lambda row: image_url(key_of(row), date=date)),
        Column("known_delta", "Bytes", "delta"),
        Column("packages_delta", "Packages", "change"),
        Column("steps", "Steps", "count"),
        Column(
            "cause",
            "What moved it most",
            value=words,
            link=lambda row: cause_url(row["largest_step"]) if row["largest_step"] else None,
            also=lambda row: who(row["largest_step"]) if row["largest_step"] else None,
        ),
    )
    return Table("Biggest movers of the week", columns, movers)
