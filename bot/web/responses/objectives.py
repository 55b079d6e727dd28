"""`/objectives` and `/objectives/{id}`: values, limits, targets and trends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from bot.objectives.jsonform import objectives_to_json, status_json
from bot.objectives.status import ObjectiveStatus, Outlook
from bot.store.history.values import Acceptance, ObjectiveState
from bot.web.links import image_url, key_of, objective_url
from bot.web.measures import METRICS, metric_words
from bot.web.parameters import WINDOWS, Parameters, missing, window
from bot.web.responses.causes import safe_url
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Row, Table, image_columns

Json = dict[str, Any]
_SHOWN = 100
_LISTED = 25
OUTLOOKS: tuple[Outlook, ...] = ("broken", "at risk", "unknown", "met")
_OF_THE_PULL_REQUEST = (
    "forge", "repository", "number", "head_sha", "accepted_by", "reason", "url",
)  # fmt: skip


def objectives(archive: Archive, parameters: Parameters) -> PageResponse:
    """All objectives, CONTRACT's object; `outlook` of the query shows those of one state."""
    wanted, date, page = parameters.text("outlook"), parameters.date, parameters.page(_SHOWN)
    found = archive.objective_statuses(date)
    headings = archive.history.objective_headings(run=archive.number(date))
    names = {row["id"]: row["name"] for row in headings}
    shown = [s for s in found if not wanted or s.outlook == wanted]
    ids = {s.state.objective for s in shown} if wanted else names
    json: Json = {"date": date, **objectives_to_json(shown, {i: names[i] for i in ids})}
    rows = page.of(status_rows(shown))
    extra = {
        "wanted": wanted,
        "page": page,
        "following": page.next(len(shown)),
        "count": len(shown),
        "counts": outlooks(found),
    }
    tables = {"objectives": status_table("Objectives", list(rows), date)}
    return PageResponse("objectives.html.j2", json, tables, extra)


def objective(archive: Archive, parameters: Parameters) -> PageResponse:
    """One objective: its images, its values in a `window`, and the accepted growth."""
    date = parameters.date
    heading = heading_of(archive, parameters.path["id"], date)
    id_ = heading["id"]
    found = archive.objective_statuses_of(date, objective=id_)
    states = archive.history.objective_history(id_, since=window(parameters, date), until=date)
    accepted = [_accepted_json(a) for a in archive.history.acceptances(id_, until=date)]
    metrics = list(dict.fromkeys(s.state.metric for s in found))
    json: Json = {
        "id": id_,
        "date": date,
        "name": heading["name"],
        "description": heading["description"],
        "maintainer": heading["maintainer"],
        "workload": heading["workload"],
        "document": heading["document"],
        "images": [
            status_json(s) for s in sorted(found, key=lambda s: (s.state.key, s.state.metric))
        ],
        "history": [state_json(state) for state in states],
        "accepted": accepted,
    }
    shown = parameters.page(_LISTED).limit
    tables = {
        "images": status_table("Images", status_rows(found), date, named=False),
        "accepted": _accepted_table(accepted, date).first(shown),
        "history": _history_table(list(reversed(json["history"])), date).first(shown),
    }
    drawn = [m for m in metrics if m in METRICS]
    extra = {
        "outlook": worst(found),
        "metrics": [(m, METRICS[m]) for m in drawn],
        "window": parameters.text("window") or "year",
        "windows": tuple(WINDOWS),
    }
    return PageResponse("objective.html.j2", json, tables, extra)


def heading_of(archive: Archive, id_: str, date: str | None) -> Json:
    """The history of an objective, by its id or by the first one of a renamed document, so that old
    addresses stay valid."""
    headings = archive.history.objective_headings(run=archive.number(date))
    for name in ("id", "subject"):
        for heading in headings:
            if heading[name] == id_:
                return heading
    raise missing(f"No objective has this id{' at that time' if date else ''}.")


def outlooks(found: Iterable[ObjectiveStatus]) -> Json:
    """The number of metrics of images in each state."""
    counts = Counter(objective_status.outlook for objective_status in found)
    return {outlook.replace(" ", "_"): counts[outlook] for outlook in OUTLOOKS}


def worst(found: Iterable[ObjectiveStatus]) -> Outlook:
    """The worst of the given states; `unknown` where there is none."""
    there = {objective_status.outlook for objective_status in found}
    return next((outlook for outlook in OUTLOOKS if outlook in there), "unknown")


def state_json(state: ObjectiveState) -> Json:
    """A state with its period, as JSON."""
    fields = asdict(state)
    del fields["objective"]
    return {**fields.pop("key"), **fields}


def _accepted_json(growth: Acceptance) -> Json:
    """Accepted growth as JSON; place, user and reason are null in a private repository."""
    fields = asdict(growth)
    image = fields.pop("key")
    if growth.private:
        fields |= dict.fromkeys(_OF_THE_PULL_REQUEST)
    return {**fields, "image": image}


def status_rows(found: Iterable[ObjectiveStatus]) -> list[Json]:
    """Statuses as rows, with the objective's id and name."""
    return [{"id": s.state.objective, "name": s.name, **status_json(s)} for s in found]


def status_table(
    caption: str,
    rows: list[Json],
    date: str | None,
    *,
    named: bool = True,
    with_image: bool = True,
) -> Table:
    """Each metric of each image: value, limit, target, trend, state."""
    objective_column = Column(
        "name", "Objective", link=lambda row: objective_url(row["id"], date=date)
    )
    image = image_columns(link=lambda row: image_url(key_of(row), date=date))
    columns = (
        *((objective_column,) if named else ()),
        *(image if with_image else ()),
        Column("metric", "Metric", value=_metric),
        Column("outlook", "State", "state", also=_crosses),
        Column("value", "Value", "metric"),
        Column("limit", "Limit", "metric"),
        Column("target", "Target", "metric", also=_due, spare=True),
        Column("target_by", "Target's date", only="csv"),
        Column("trend_per_week", "Trend per week", "trend", spare=True),
        Column("crosses", "Passes its limit on", only="csv"),
    )
    return Table(caption, columns, rows)


def _metric(row: Row) -> str:
    return metric_words(row["metric"])


def _due(row: Row) -> str | None:
    return f"by {row['target_by']}" if row["target_by"] else None


def _crosses(row: Row) -> str | None:
    return f"passes its limit on {row['crosses']}" if row["crosses"] else None


def _where(row: Row) -> str:
    if row["private"]:
        return "a private pull request"
    return f"{row['repository']}#{row['number']}"


def _accepted_table(accepted: list[Json], date: str | None) -> Table:
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
            value=lambda row: f"{row['image']['workload']} on {row['image']['arch']}",
            link=lambda row: image_url(key_of(row["image"]), date=date),
        ),
        Column("metric", "Metric", value=_metric),
        Column("before", "Before", "metric"),
        Column("value", "Accepted", "metric"),
        Column("limit", "Limit", "metric"),
    )
    return Table("Accepted growth", columns, accepted)


def _history_table(states: list[Json], date: str | None) -> Table:
    columns = (
        Column("since", "Since (UTC)", "time"),
        Column("until", "Until (UTC)", "time"),
        *image_columns(link=lambda row: image_url(key_of(row), date=row["since"] or date)),
        Column("metric", "Metric", value=_metric),
        Column("value", "Value", "metric"),
        Column("limit", "Limit", "metric"),
        Column("met", "Met", value=lambda row: {True: "yes", False: "no"}.get(row["met"], "")),
    )
    return Table("How it stood", columns, states)
