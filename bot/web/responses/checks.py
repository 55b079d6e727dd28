"""`/checks` and `/checks/{id}`: the checks that a request may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from bot.model.image import inline
from bot.model.nevra import JSON
from bot.model.result import CheckResult, ImageResult, Verdict
from bot.model.result_json import check_from_json
from bot.report.render import render_check_html
from bot.report.sizes import format_size
from bot.store.records import CheckRecord, StepRecord, check_is_hidden
from bot.store.store import Store
from bot.web.addresses import Parameters, check_url, missing
from bot.web.responses.archive import Archive, PageResponse
from bot.web.tables import Column, Table, columns, ordered

_PAGE = 50
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class CheckAbout:
    """The subject of a check, and its progress; `narrowed`: for some images only."""

    id: Annotated[str, Column("Check")]
    forge: Annotated[str, Column("Forge")]
    repository: Annotated[str, Column("Repository")]
    number: Annotated[int, Column("Number")]
    title: Annotated[str, Column("Title")]
    author: Annotated[str, Column("Author")]
    head_sha: Annotated[str, Column("Head")]
    url: str
    base_ref: str
    base_sha: str
    stage: Annotated[Literal["waiting", "predicted", "final", "stopped"], Column("Stage")]
    verdict: Annotated[Verdict | None, Column("Verdict")]
    summary: Annotated[str | None, Column("Summary")]
    problem: str | None
    created: Annotated[str, Column("Created")]
    first_status: str | None
    first_comment: str | None
    predicted: Annotated[str | None, Column("Predicted")]
    finished: Annotated[str | None, Column("Finished")]
    open: bool
    narrowed: bool


@dataclass(frozen=True, slots=True)
class Checks:
    """`/api/checks`: newest first; `next` is the offset of the following ones, or null."""

    date: str | None
    checks: list[CheckAbout]
    next: int | None


@dataclass(frozen=True, slots=True)
class RunStep:
    """A step of the check's run; `part` is its workflow, `seconds` are over all tries."""

    name: Annotated[str, Column("Step")]
    part: Annotated[str, Column("Of")]
    started: Annotated[str, Column("Started", "time")]
    seconds: Annotated[float, Column("Seconds", "count")]
    tries: Annotated[int, Column("Tries", "count")]
    outcome: Annotated[str, Column("Outcome")]
    problem: Annotated[str, Column("Problem")]


@inline("result")
@dataclass(frozen=True, slots=True)
class Check:
    """`/api/checks/{id}`: the check's report, its subject in `run`, and its `steps`.

    Without a report, `merge_base`, `verdict` and `stage` are null, and the lists empty.
    """

    __pydantic_config__ = JSON
    result: CheckResult
    run: CheckAbout
    steps: list[RunStep]


def checks(archive: Archive, parameters: Parameters) -> PageResponse:
    """The checks, newest first, without those of private repositories."""
    page, date = parameters.page(_PAGE, 500), parameters.date
    if parameters.order is not None:
        every = map(about_check, archive.store.recent_checks(_ALL, until=date))
        rows = ordered(list(every), _COLUMNS, parameters.order)
        data = Checks(date, list(page.of(rows)), page.next(len(rows)))
    else:
        most = _ALL if page.limit is None else page.limit
        records = archive.store.recent_checks(most + 1, offset=page.offset, until=date)
        following = page.offset + most if len(records) > most else None
        data = Checks(date, [about_check(check) for check in records[:most]], following)
    extra = {"page": page, "seen": None}
    return PageResponse("checks.html.j2", data, {"checks": checks_table(data.checks)}, extra)


def check(archive: Archive, parameters: Parameters) -> PageResponse:
    """One check. That of a private repository is only for holders of its link."""
    record = visible_check(archive.store, parameters.path["id"], parameters.opened_check)
    stored = None if record.result is None else check_from_json(record.result)
    # The page lists the logs in a table: a report links absolute addresses only.
    without_logs = stored and replace(
        stored, builds=tuple(replace(b, log=None) for b in stored.builds)
    )
    extra: dict[str, object] = {
        "report": without_logs and (lambda: render_check_html(without_logs)),
        "seen": None,
    }
    extra["standing"] = result_words(about_check(record))
    steps = archive.store.steps(record.id)
    data = check_data(record, stored, steps)
    drawn = furthest(stored.images) if stored else None
    extra["drawn"] = drawn
    tables = {
        "run_steps": Table("Steps of the run", _STEP_COLUMNS, data.steps),
        "moved": Table("Bytes before and after", _MOVED, moved_packages(drawn) if drawn else ()),
    }
    return PageResponse("check.html.j2", data, tables, extra)


def check_data(
    record: CheckRecord, result: CheckResult | None, steps: Sequence[StepRecord] = ()
) -> Check:
    """A check and its result, with the logs' addresses instead of their file paths."""
    about = about_check(record)
    names = [field.name for field in fields(RunStep)]
    shown = [RunStep(**{name: getattr(step, name) for name in names}) for step in steps]
    if result is None:
        unknown: Any = {"merge_base": None, "verdict": about.verdict, "stage": None}
        base, head = record.base_sha, record.head_sha
        return Check(CheckResult(base=base, head=head, specs=(), **unknown), about, shown)
    builds = tuple(
        replace(build, log=_log_url(build.log, record.id, number))
        for number, build in enumerate(result.builds)
    )
    return Check(replace(result, builds=builds), about, shown)


def _log_url(log: str | None, check: str, number: int) -> str | None:
    """The address of a log: on this server, or the given one of an external build."""
    if log is None or log.startswith(("https://", "http://")):
        return log
    return f"{check_url(check)}/logs/{number}"


def visible_check(store: Store, check: str, opened_check: str = "") -> CheckRecord:
    """The check with an id. Raises a 404 if it is unknown, or hidden and not `opened_check`."""
    record = None
    if check == opened_check or not check_is_hidden(store.rows, check):
        record = store.check(check)
    if record is None:
        raise missing("There is no check of this id.")
    return record


def furthest(images: Sequence[ImageResult]) -> ImageResult | None:
    """The image with the largest move in bytes, of those that both sides can install."""
    moved = [i for i in images if i.base.status == i.head.status == "ok" and i.changed]
    return max(moved, key=lambda image: abs(image.known_delta), default=None)


def _side(name: str) -> Callable[[Any], str]:
    def words(row: Any) -> str:
        size = getattr(row, name)
        return "not there" if size is None else format_size(size)

    return words


@dataclass(frozen=True, slots=True)
class MovedPackage:
    """A package that a change moves in an image: its bytes before and after, null if absent; `name`
    is empty for all unchanged packages together."""

    name: Annotated[str, Column("Package", words=lambda row: row.name or "all others")]
    before: Annotated[int | None, Column("Before", "size", words=_side("before"))]
    after: Annotated[int | None, Column("After", "size", words=_side("after"))]


def moved_packages(image: ImageResult) -> list[MovedPackage]:
    """The packages that a change adds and removes in an image, the largest first, and all others
    (resized ones too) in one row. A package without a known size counts as 0."""
    went = [MovedPackage(p.nevra.name, p.installed_size or 0, None) for p in image.removed]
    came = [
        MovedPackage(a.package.nevra.name, None, a.package.installed_size or 0) for a in image.added
    ]
    stays = max((image.base.known_size or 0) - sum(p.before or 0 for p in went), 0)
    stayed = max((image.head.known_size or 0) - sum(p.after or 0 for p in came), 0)
    moved = sorted([*went, *came], key=lambda p: (-(p.before or p.after or 0), p.name))
    return [*moved, MovedPackage("", stays, stayed)]


def about_check(check: CheckRecord) -> CheckAbout:
    """The subject of a check, without its result."""
    return CheckAbout(**{field.name: getattr(check, field.name) for field in fields(CheckAbout)})


def checks_table(rows: list[CheckAbout]) -> Table:
    """The table of checks, newest first."""
    return Table("Checks", _COLUMNS, rows)


_MOVED = columns(MovedPackage, "name", "before", "after")
_STEP_COLUMNS = columns(
    RunStep, "name", "part", "started", "seconds", "tries", "outcome", "problem"
)


def result_words(check: CheckAbout) -> str:
    """The state of a check in a word or two: its verdict once it is over."""
    if check.open:
        return "running" if check.stage == "waiting" else f"{check.stage}, running"
    if check.stage == "stopped":
        return "stopped"
    return "not built" if check.verdict == "action_required" else str(check.verdict)


_COLUMNS = (
    Column("Pull request", name="pull_request", only="html",
           value=lambda row: f"{row.repository}#{row.number}",
           link=lambda row, _: check_url(row.id), also=lambda row: row.title),
    Column("Result", "state", name="result", value=result_words, only="html",
           also=lambda row: row.summary),
    Column("By", name="by", value=lambda row: row.author, only="html", wide=True),
    Column("Head", "code", name="commit", value=lambda row: row.head_sha[:10], only="html",
           wide=True),
    Column("When (UTC)", "time", name="when", value=lambda row: row.created, only="html"),
    *(replace(column, only="csv") for column in columns(
        CheckAbout, "id", "forge", "repository", "number", "title", "author", "head_sha", "stage",
        "verdict", "summary", "created", "predicted", "finished",
    )),
)  # fmt: skip
