"""`/`: the status of objectives, the images that moved in a window and the causes, the age of the
data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from bot.model.image import ImageKey, inline
from bot.store.history.fleet_queries import GROWTH_DAYS, Contribution, Totals
from bot.store.history.values import CauseKind, DriftIssue, MergedChange, Run
from bot.web.addresses import Parameters, image_link
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.checks import CheckAbout, about_check, checks_table
from bot.web.responses.objectives import (
    NamedStatus,
    Outlooks,
    outlooks,
    status_rows,
    status_table,
)
from bot.web.responses.steps import (
    Step,
    cause_rows,
    cause_url,
    causes_table,
    in_words,
    origin,
    safe_url,
    step_row,
)
from bot.web.tables import Column, Table, columns, image_columns

_SHOWN = 20
_CHECKS = 10
_DEEDS_MOST = 200
_OLD = 2 * 86400


_LARGEST = Column(
    "What moved it most",
    name="cause",
    value=lambda row: in_words(row.largest_step) if row.largest_step else "",
    link=lambda row, _: cause_url(row.largest_step) if row.largest_step else None,
    also=lambda row: origin(row.largest_step) if row.largest_step else None,
    blank="not known",
)


@inline("key")
@dataclass(frozen=True, slots=True)
class Mover:
    """The move of an image in the window, and its largest step in it."""

    key: ImageKey
    known_delta: Annotated[int, Column("Bytes", "delta")]
    packages_delta: Annotated[int, Column("Packages", "change", wide=True)]
    steps: Annotated[int, Column("Steps", "count", wide=True)]
    last_run: int
    largest_step: Annotated[Step | None, _LARGEST]


@dataclass(frozen=True, slots=True)
class Deed:
    """The moves that a person, or the distribution, made in all images together in the window.

    `what` is a pull request, a commit or a package; `by` is its author, null if there is none or
    the repository is private.
    """

    what: str
    title: str | None
    by: Annotated[str | None, Column("By", words=lambda row: row.by or f"cause: {row.kind}")]
    kind: CauseKind
    known_delta: Annotated[int, Column("Bytes, all images", "delta")]
    images: Annotated[int, Column("Images", "count")]
    url: Annotated[str | None, Column("Address", only="csv")]


@dataclass(frozen=True, slots=True)
class Issue:
    """An open issue of the bot about drift."""

    subject: str
    forge: str
    repository: str
    url: str
    opened: str
    changed: str


@dataclass(frozen=True, slots=True)
class Overview:
    """`/api/`."""

    date: str | None
    run: Run | None
    age_seconds: int | None
    totals: Totals
    objectives: Outlooks
    attention: list[NamedStatus]
    window: str
    movers: list[Mover]
    deeds: list[Deed]
    issues: list[Issue]
    checks: list[CheckAbout]


def overview(archive: Archive, parameters: Parameters) -> PageResponse:
    """Objectives by state, moves in a window until a date with their causes, newest checks."""
    history, date = archive.history, parameters.date
    text = parameters.text("window")
    window = text if text in GROWTH_DAYS else "week"
    run = archive.run(date)
    statuses = archive.objective_statuses(date)
    pressing = status_rows(s for s in statuses if s.outlook in ("broken", "at risk"))
    most = parameters.page(_SHOWN).limit
    every = parameters.whole and parameters.text("table") in ("movers", "causes")
    movers = _movers(archive, date, window, None if every else _SHOWN)
    deeds = _deeds(archive, window, date)
    issues = history.issues(at=date)[:_SHOWN]
    age = _age(run)
    data = Overview(
        date,
        run,
        age,
        archive.totals(date),
        outlooks(statuses),
        pressing[:_SHOWN],
        window,
        movers,
        deeds[:_SHOWN],
        [_issue(issue) for issue in issues if not history.issue_is_hidden(issue)],
        [about_check(c) for c in archive.store.recent_checks(_CHECKS, until=date)],
    )
    causes = cause_rows(mover.largest_step for mover in movers if mover.largest_step)
    tables = {
        "attention": status_table("Broken or at risk", pressing, date).first(most),
        "movers": Table(f"Biggest movers of the {window}", _MOVERS, movers, date),
        "deeds": Table(f"Who moved what in the {window}", _DEEDS, deeds, date).first(most),
        "causes": causes_table("What moved them most", causes, with_image=True).first(most),
        "checks": checks_table(data.checks),
    }
    old = date is None and (age or 0) > _OLD
    extra = {"old": old, "windows": tuple(GROWTH_DAYS), "maintainers": _maintainers(archive, date)}
    return PageResponse("overview.html.j2", data, tables, extra)


def _maintainers(archive: Archive, date: str | None) -> list[str]:
    return sorted({name for names in archive.maintainers(date).values() for name in names})


def _deeds(archive: Archive, window: str, date: str | None) -> list[Deed]:
    deeds = []
    for contribution in archive.contributions(window, date)[:_DEEDS_MOST]:
        number = contribution.merged_change
        change = None if number is None else archive.history.merged_change(number)
        what, title, author, url = _deed_texts(contribution, change)
        figures = (contribution.known_delta, contribution.images)
        deeds.append(Deed(what, title, author, contribution.kind, *figures, url))
    return deeds


def _deed_texts(
    contribution: Contribution, change: MergedChange | None
) -> tuple[str, str | None, str | None, str | None]:
    """The name, title, author and address of a contribution."""
    if change is None:
        return contribution.package or "", None, None, None
    if change.private:
        return "a private repository", None, None, None
    name = f"@{change.commit_sha[:10]}" if change.number is None else f"#{change.number}"
    return f"{change.repository}{name}", change.title, change.author, change.url


def _age(run: Run | None) -> int | None:
    """The seconds since a run began, null if there is none."""
    if run is None:
        return None
    return max(0, round((datetime.now(UTC) - datetime.fromisoformat(run.started)).total_seconds()))


def _issue(issue: DriftIssue) -> Issue:
    place = issue.place
    return Issue(
        issue.subject, place.forge, place.repository, issue.url, issue.opened, issue.changed
    )


def _movers(archive: Archive, date: str | None, window: str, most: int | None) -> list[Mover]:
    """The images that moved most in a window, the first `most` or all, each with its largest
    step."""
    movers = archive.movers(window, date)[:most]
    steps = archive.largest_steps((mover.key for mover in movers), window, date)
    changes = archive.changes(steps.values())
    return [
        Mover(
            mover.key, mover.known_delta, mover.packages_delta, mover.steps, mover.last_run,
            step_row(steps[mover.key], changes) if mover.key in steps else None,
        )
        for mover in movers
    ]  # fmt: skip


_DEEDS = columns(
    Deed, Column("What", name="what", link=safe_url, also=lambda row: row.title), "known_delta",
    "images", "by", "url",
)  # fmt: skip
_MOVERS = columns(
    Mover, *image_columns(image_link), "known_delta", "packages_delta", "steps", "largest_step"
)
