"""`/objectives` and `/objectives/{id}`: values, limits, targets, where the trend leads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from bot.objectives import Standing
from bot.objectives.jsonform import objectives_to_json, standing_json
from bot.store.history import Acceptance, ObjectiveState
from bot.web.answers.answer import Answer, Archive
from bot.web.answers.causes import safe_url
from bot.web.links import image_url, key_of, objective_url
from bot.web.measures import METRICS, metric_words
from bot.web.questions import Question, missing
from bot.web.tables import Column, Row, Table

Json = dict[str, Any]
_SHOWN = 300
_OF_THE_PULL_REQUEST = (
    "forge", "repository", "number", "head_sha", "accepted_by", "reason", "url",
)  # fmt: skip


def objectives(archive: Archive, question: Question) -> Answer:
    """All objectives, CONTRACT's object; `outlook` of the query shows those of one state."""
    wanted = question.text("outlook")
    found = archive.standings()
    names = {row["id"]: row["name"] for row in archive.history.objective_headings()}
    shown = [s for s in found if not wanted or s.outlook == wanted]
    ids = {s.state.objective for s in shown} if wanted else names
    json = objectives_to_json(shown, {i: n for i, n in names.items() if i in ids})
    table = standings_table("Objectives", standing_rows(shown))
    cut = _cut(table, question)
    return Answer("objectives.html.j2", json, {"objectives": cut}, {"wanted": wanted})


def objective(archive: Archive, question: Question) -> Answer:
    """One objective: its images, how it stood, and the growth that was accepted."""
    id_ = question.path["id"]
    heading = next((h for h in archive.history.objective_headings() if h["id"] == id_), None)
    if heading is None:
        raise missing("No objective has this id.")
    found = [s for s in archive.standings() if s.state.objective == id_]
    states = archive.history.objective_history(id_)
    accepted = [_accepted_json(growth) for growth in archive.history.acceptances(id_)]
    metrics = list(dict.fromkeys(s.state.metric for s in found))
    json: Json = {
        "id": id_,
        "name": heading["name"],
        "description": heading["description"],
        "maintainer": heading["maintainer"],
        "workload": heading["workload"],
        "document": heading["document"],
        "images": [
            standing_json(s) for s in sorted(found, key=lambda s: (s.state.key, s.state.metric))
        ],
        "history": [state_json(state) for state in states],
        "accepted": accepted,
    }
    tables = {
        "images": standings_table("Images", standing_rows(found), named=False),
        "accepted": _accepted_table(accepted),
        "history": _history_table(list(reversed(json["history"]))),
    }
    outlook = found[0].outlook if found else "unknown"
    drawn = [m for m in metrics if m in METRICS]
    extra = {"outlook": outlook, "metrics": [(m, METRICS[m]) for m in drawn]}
    return Answer("objective.html.j2", json, tables, extra)


def state_json(state: ObjectiveState) -> Json:
    """A state for as long as it lasted."""
    fields = asdict(state)
    del fields["objective"]
    return {**fields.pop("key"), **fields}


def _accepted_json(growth: Acceptance) -> Json:
    """Growth that was accepted; in a private repository null where, by whom and why."""
    told = asdict(growth)
    image = told.pop("key")
    if growth.private:
        told |= dict.fromkeys(_OF_THE_PULL_REQUEST)
    return {**told, "image": image}


def standing_rows(found: Iterable[Standing]) -> list[Json]:
    """Standings as rows, with the objective's id and name."""
    return [{"id": s.state.objective, "name": s.name, **standing_json(s)} for s in found]


def standings_table(
    caption: str, rows: list[Json], *, named: bool = True, with_image: bool = True
) -> Table:
    """Each metric of each image: value, limit, target, trend, state."""
    objective_column = Column("name", "Objective", link=lambda row: objective_url(row["id"]))
    image = Column(
        "workload",
        "Image",
        link=lambda row: image_url(key_of(row)),
        also=lambda row: f"{row['environment']}, {row['repository']}",
    )
    columns = (
        *((objective_column,) if named else ()),
        *((image, Column("arch", "Architecture")) if with_image else ()),
        Column("metric", "Metric", value=_metric),
        Column("outlook", "State", "state", also=_crosses),
        Column("value", "Value", "metric"),
        Column("limit", "Limit", "metric"),
        Column("target", "Target", "metric", also=_due),
        Column("trend_per_week", "Trend per week", "trend"),
    )
    return Table(caption, columns, rows)


def _metric(row: Row) -> str:
    return metric_words(row["metric"])


def _due(row: Row) -> str | None:
    return f"by {row['target_by']}" if row["target_by"] else None


def _crosses(row: Row) -> str | None:
    return f"passes its limit on {row['crosses']}" if row["crosses"] else None


def _cut(table: Table, question: Question) -> Table:
    if question.text("format") == "csv" or len(table.rows) <= _SHOWN:
        return table
    more = f"The first {_SHOWN} of {len(table.rows)}; the CSV has all."
    return Table(table.caption, table.columns, table.rows[:_SHOWN], table.header, more)


def _where(row: Row) -> str:
    if row["private"]:
        return "a private pull request"
    return f"{row['repository']}#{row['number']}"


def _accepted_table(accepted: list[Json]) -> Table:
    columns = (
        Column("accepted", "When (UTC)", "time"),
        Column(
            "repository",
            "Pull request",
            value=_where,
            link=safe_url,
        ),
        Column("accepted_by", "By"),
        Column("reason", "Reason"),
        Column(
            "image",
            "Image",
            value=lambda row: f"{row['image']['workload']}, {row['image']['arch']}",
            link=lambda row: image_url(key_of(row["image"])),
        ),
        Column("metric", "Metric", value=_metric),
        Column("before", "Before", "metric"),
        Column("value", "Accepted", "metric"),
        Column("limit", "Limit", "metric"),
    )
    return Table("Accepted growth", columns, accepted)


def _history_table(states: list[Json]) -> Table:
    columns = (
        Column("since", "Since (UTC)", "time"),
        Column("until", "Until (UTC)", "time"),
        Column("workload", "Image", link=lambda row: image_url(key_of(row))),
        Column("arch", "Architecture"),
        Column("metric", "Metric", value=_metric),
        Column("value", "Value", "metric"),
        Column("limit", "Limit", "metric"),
        Column("met", "Met", value=lambda row: {True: "yes", False: "no"}.get(row["met"], "")),
    )
    return Table("How it stood", columns, states[:_SHOWN])
