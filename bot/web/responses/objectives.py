"""`/objectives` and `/objectives/{id}`: values, limits, targets and trends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated

from bot.model.amount import Amount
from bot.model.image import ImageKey, inline
from bot.model.result_json import Json
from bot.objectives.status import ObjectiveStatus, Outlook
from bot.store.history.values import Acceptance, Heading, ObjectiveState
from bot.web.addresses import WINDOWS, Parameters, image_url, missing, objective_url, window
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.steps import safe_url
from bot.web.tables import METRICS, Column, Table, columns, image_columns, metric_words, ordered

_SHOWN = 100
_LISTED = 25
OUTLOOKS: tuple[Outlook, ...] = ("broken", "at risk", "unknown", "met")
_METRIC = Column("Metric", value=lambda row: metric_words(row.metric))


@inline("key")
@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of one objective in one image."""

    key: ImageKey
    metric: Annotated[str, _METRIC]
    value: Annotated[Amount | None, Column("Value", "metric", blank="not known")]
    limit: Annotated[Amount | None, Column("Limit", "metric", blank="none")]
    target: Annotated[
        int | None,
        Column("Target", "metric", spare=True, blank="none",
               also=lambda row: f"by {row.target_by}" if row.target_by else None),
    ]  # fmt: skip
    target_by: Annotated[str | None, Column("Target's date", only="csv")]
    met: Annotated[
        bool | None,
        Column(
            "Met", value=lambda row: {True: "yes", False: "no"}.get(row.met, ""), blank="not known"
        ),
    ]


@inline("key")
@dataclass(frozen=True, slots=True)
class StatusRow(MetricRow):
    """The status of a metric, as CONTRACT has it."""

    trend_per_week: Annotated[
        float | None, Column("Trend per week", "trend", spare=True, wide=True, blank="not known")
    ]
    outlook: Annotated[
        Outlook,
        Column("State", "state",
               also=lambda row: f"passes its limit on {row.crosses}" if row.crosses else None),
    ]  # fmt: skip
    crosses: Annotated[str | None, Column("Passes its limit on", only="csv")]
    reason: str


@inline("key")
@dataclass(frozen=True, slots=True)
class NamedStatus(StatusRow):
    """The status of a metric, with the objective's id and name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ObjectiveImages:
    """An objective and its images."""

    name: str
    id: str
    images: list[StatusRow]


@dataclass(frozen=True, slots=True)
class Objectives:
    """`/api/objectives`: CONTRACT's object."""

    date: str | None
    objectives: list[ObjectiveImages]


@inline("key")
@dataclass(frozen=True, slots=True)
class State(MetricRow):
    """A state of a metric, and the time that it held."""

    reason: str
    since: Annotated[str | None, Column("Since (UTC)", "time")]
    until: Annotated[str | None, Column("Until (UTC)", "time", blank="still")]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Growth that somebody accepted, and the reason; in a private repository place and user are
    null."""

    accepted: Annotated[str, Column("When (UTC)", "time")]
    private: bool
    forge: str | None
    repository: Annotated[
        str | None,
        Column("Pull request", link=safe_url, value=lambda row: "a private pull request"
               if row.private else f"{row.repository}#{row.number}"),
    ]  # fmt: skip
    number: int | None
    head_sha: str | None
    accepted_by: Annotated[str | None, Column("By")]
    reason: Annotated[str | None, Column("Reason")]
    url: str | None
    objective: str
    metric: Annotated[str, _METRIC]
    before: Annotated[Amount | None, Column("Before", "metric", wide=True, blank="not known")]
    value: Annotated[Amount | None, Column("Accepted", "metric")]
    limit: Annotated[Amount | None, Column("Limit", "metric", wide=True, blank="none")]
    image: ImageKey


@dataclass(frozen=True, slots=True)
class Objective:
    """`/api/objectives/{id}`."""

    id: str
    date: str | None
    name: str
    description: str
    maintainer: str
    workload: str
    document: Json
    images: list[StatusRow]
    history: list[State]
    accepted: list[Accepted]


@dataclass(frozen=True, slots=True)
class Outlooks:
    """The number of metrics of images in each state."""

    broken: int
    at_risk: int
    unknown: int
    met: int


def objectives(archive: Archive, parameters: Parameters) -> PageResponse:
    """All objectives; `outlook` of the query shows those of one state."""
    outlook, date, page = parameters.text("outlook"), parameters.date, parameters.page(_SHOWN)
    statuses = archive.objective_statuses(date)
    headings = archive.history.objective_headings(run=archive.number(date))
    rows = status_rows(s for s in statuses if not outlook or s.outlook == outlook)
    if parameters.order is not None:
        rows = ordered(rows, status_table("", (), date).columns, parameters.order)
    images: dict[str, list[StatusRow]] = {} if outlook else {h.id: [] for h in headings}
    for row in rows:
        images.setdefault(row.id, []).append(row)
    names = {heading.id: heading.name for heading in headings}
    entries = [
        ObjectiveImages(names[id_], id_, _sorted(images[id_]))
        for id_ in sorted(images, key=lambda id_: (names[id_], id_))
    ]
    extra = {
        "wanted": outlook,
        "page": page,
        "following": page.next(len(rows)),
        "count": len(rows),
        "counts": outlooks(statuses),
    }
    tables = {"objectives": status_table("Objectives", list(page.of(rows)), date)}
    return PageResponse("objectives.html.j2", Objectives(date, entries), tables, extra)


def objective(archive: Archive, parameters: Parameters) -> PageResponse:
    """One objective: its images, its values in a `window`, and the accepted growth."""
    date = parameters.date
    heading = heading_of(archive, parameters.path["id"], date)
    id_ = heading.id
    statuses = archive.objective_statuses_of(date, objective=id_)
    rows = status_rows(statuses)
    states = archive.history.objective_history(id_, since=window(parameters, date), until=date)
    names = ("name", "description", "maintainer", "workload", "document")
    data = Objective(
        id_,
        date,
        **{name: getattr(heading, name) for name in names},
        images=_sorted(rows),
        history=[_state(state) for state in states],
        accepted=[_accepted(a) for a in archive.history.acceptances(id_, until=date)],
    )
    shown = parameters.page(_LISTED).limit
    newest = data.history[::-1]
    tables = {
        "images": status_table("Images", rows, date, named=False),
        "accepted": Table("Accepted growth", _ACCEPTED, data.accepted, date).first(shown),
        "history": Table("History", _HISTORY, newest, date).first(shown),
    }
    metrics = [m for m in dict.fromkeys(s.state.metric for s in statuses) if m in METRICS]
    extra = {
        "outlook": worst(statuses),
        "metrics": [(m, METRICS[m]) for m in metrics],
        "window": parameters.text("window") or "year",
        "windows": tuple(WINDOWS),
    }
    return PageResponse("objective.html.j2", data, tables, extra)


def heading_of(archive: Archive, id_: str, date: str | None) -> Heading:
    """The heading of an objective, by its id or by that of its document before a rename, so that
    old addresses stay valid."""
    headings = archive.history.objective_headings(run=archive.number(date))
    for name in ("id", "subject"):
        for heading in headings:
            if getattr(heading, name) == id_:
                return heading
    raise missing(f"No objective has this id{' at that time' if date else ''}.")


def outlooks(statuses: Iterable[ObjectiveStatus]) -> Outlooks:
    """The number of metrics of images in each state."""
    counts = Counter(objective_status.outlook for objective_status in statuses)
    return Outlooks(*(counts[outlook] for outlook in OUTLOOKS))


def worst(statuses: Iterable[ObjectiveStatus]) -> Outlook:
    """The worst of the given states; `unknown` if there is none."""
    present = {objective_status.outlook for objective_status in statuses}
    return next((outlook for outlook in OUTLOOKS if outlook in present), "unknown")


def _sorted(rows: Iterable[StatusRow]) -> list[StatusRow]:
    return sorted(rows, key=lambda row: (row.key, row.metric))


def _state(state: ObjectiveState) -> State:
    return State(**{field.name: getattr(state, field.name) for field in fields(State)})


def _accepted(growth: Acceptance) -> Accepted:
    """Accepted growth; place, user and reason are null in a private repository."""
    values = {name: getattr(growth, name) for name in Accepted.__slots__ if name != "image"}
    if growth.private:
        hidden = ("forge", "repository", "number", "head_sha", "accepted_by", "reason", "url")
        values |= dict.fromkeys(hidden)
    return Accepted(**values, image=growth.key)


def status_rows(statuses: Iterable[ObjectiveStatus]) -> list[NamedStatus]:
    """Statuses as rows, with the objective's id and name."""
    return [_status_row(status) for status in statuses]


def _status_row(status: ObjectiveStatus) -> NamedStatus:
    state, trend = status.state, status.trend_per_week
    return NamedStatus(
        state.key, state.metric, state.value, state.limit, state.target, state.target_by,
        state.met, None if trend is None else round(trend, 2), status.outlook, status.crosses,
        state.reason, state.objective, status.name,
    )  # fmt: skip


def status_table(
    caption: str,
    rows: Sequence[NamedStatus],
    date: str | None,
    *,
    named: bool = True,
    with_image: bool = True,
) -> Table:
    """Each metric of each image: value, limit, target, trend, state."""
    all_columns = (*((_NAME,) if named else ()), *(_IMAGE if with_image else ()), *_STATUS)
    return Table(caption, all_columns, rows, date)


def _image_then(row: State, date: str | None) -> str:
    return image_url(row.key, date=row.since or date)


_NAME = Column("Objective", name="name", link=lambda row, date: objective_url(row.id, date=date))
_IMAGE = image_columns(lambda row, date: image_url(row.key, date=date))
_STATUS = columns(
    StatusRow, "metric", "outlook", "value", "limit", "target", "target_by", "trend_per_week",
    "crosses",
)  # fmt: skip
_ACCEPTED = columns(
    Accepted,
    "accepted", "repository", "accepted_by", "reason",
    Column("Image", name="image", value=lambda row: f"{row.image.workload} on {row.image.arch}",
           link=lambda row, date: image_url(row.image, date=date)),
    "metric", "before", "value", "limit",
)  # fmt: skip
_HISTORY = columns(
    State, "since", "until", *image_columns(_image_then), "metric", "value", "limit", "met"
)
