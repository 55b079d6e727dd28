"""Steps of a size, and their causes: as rows of a table, in a few words, and summed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, cast

from typing_extensions import TypedDict

from bot.model.image import ImageKey, inline
from bot.model.nevra import JSON, parse_nevra
from bot.objectives.jsonform import cause_json
from bot.report.causes import (
    blame_url,
    blame_words,
    chain_words,
    change_words,
    short_blame_words,
)
from bot.store.history.values import CauseKind, Change, ClosureFacts, MergedChange
from bot.store.history.values import Step as HistoryStep
from bot.store.store import utc_text
from bot.web.addresses import image_url, package_url
from bot.web.tables import Column, Row, Table, columns, image_columns

_LARGEST = 5
_KINDS: tuple[CauseKind, ...] = (
    "pull request", "commit", "distribution", "configuration", "unknown",
)  # fmt: skip


class Origin(TypedDict):
    """A merged pull request or a pushed commit; all fields of a private one are null."""

    forge: str | None
    repository: str | None
    title: str | None
    author: str | None
    url: str | None
    private: bool


class PullRequest(Origin):
    """A merged pull request that the bot checked."""

    number: int | None


class Commit(Origin):
    """A commit that was pushed without a pull request."""

    commit: str | None
    branch: str | None


ChainEdge = TypedDict("ChainEdge", {"from": str, "capability": str, "to": str, "kind": str})
# `mover` is the package whose change caused it, `chain` leads to it; `from` and `to` are NEVRAs.
Blame = TypedDict(
    "Blame",
    {
        "kind": CauseKind, "change": Change, "from": str | None, "to": str | None,
        "mover": str | None, "chain": list[ChainEdge], "pull_request": PullRequest | None,
        "commit": Commit | None,
    },
)  # fmt: skip


class Cause(TypedDict):
    """One package's part in a step."""

    package: str
    delta: int | None
    known_delta: int
    cause: Blame


@inline("key")
@dataclass(frozen=True, slots=True)
class Step:
    """One move of an image; the causes' deltas add up to it."""

    key: ImageKey
    run: int
    evaluated: str
    before: ClosureFacts
    after: ClosureFacts
    delta: int | None
    known_delta: Annotated[int, Column("Bytes", "delta")]
    packages_delta: Annotated[int | None, Column("Packages", "change")]
    steps: list[Cause]


@dataclass(frozen=True, slots=True)
class Movement:
    """A sum of moves; `by` adds up to `known_delta`, by kind of cause."""

    known_delta: int
    packages_delta: int
    steps: int
    by: dict[CauseKind, int]


@inline("key")
@dataclass(frozen=True, slots=True)
class CauseRow:
    """One cause of one step, as a row of a table."""

    __pydantic_config__ = JSON
    key: ImageKey
    evaluated: str
    step: Annotated[int, Column("The step", "delta", wide=True)]
    package: str
    delta: Annotated[int | None, Column("Its part", "delta")]
    change: str
    kind: str
    mover: str | None
    before: str | None = field(metadata={"alias": "from"})
    after: str | None = field(metadata={"alias": "to"})
    by: str
    url: Annotated[str | None, Column("Pull request", only="csv")]
    author: str | None
    chain: str


def step_row(step: HistoryStep, changes: Mapping[int, MergedChange]) -> Step:
    """A step of history with its causes; `changes` are the merged changes that they name."""
    return Step(
        step.key, step.run, step.evaluated, step.before, step.after, step.delta,
        step.known_delta, step.packages_delta,
        [cast(Cause, cause_json(cause, changes)) for cause in step.causes],
    )  # fmt: skip


def movement_of(steps: Sequence[Step]) -> Movement:
    """The sum of steps: bytes, packages, their number, and the bytes of each kind of cause."""
    by = dict.fromkeys(_KINDS, 0)
    for step in steps:
        for cause in step.steps:
            by[cause["cause"]["kind"]] += cause["known_delta"]
        by["unknown"] += step.known_delta - sum(c["known_delta"] for c in step.steps)
    return Movement(
        sum(step.known_delta for step in steps),
        sum(step.packages_delta or 0 for step in steps),
        len(steps),
        by,
    )


def largest_steps(steps: Iterable[Step]) -> list[Step]:
    """The steps that moved most, the largest first, without those that moved nothing."""
    moving = [step for step in steps if step.known_delta or step.packages_delta is None]
    return sorted(moving, key=lambda s: (-abs(s.known_delta), s.evaluated))[:_LARGEST]


def largest(step: Step) -> Any:
    """The cause with the largest difference, or null if none is known."""
    return max(step.steps, key=lambda cause: abs(cause["delta"] or 0)) if step.steps else None


def in_words(step: Step) -> str:
    """`perl came with 5 more (pull request o/r#7), 2 more changed`.

    Of packages that came or went together it names the first on the chain to the largest.
    """
    cause = largest(step)
    if cause is None:
        return "cause not known"
    together, blame = _causes_with(step, cause), cause["cause"]
    others = len(step.steps) - len(together)
    more = f", {others} more changed" if others else ""
    if len(together) == 1:
        return f"{cause['package']} {_change(blame)} ({blame_words(blame)}){more}"
    first, count = _head(step, cause), len(together) - 1
    return f"{first} {_change(blame)} with {count} more ({blame_words(blame)}){more}"


def in_few_words(step: Step) -> str:
    """`perl and 5 more, o/r#7`: for a chart; plain letters, for any font."""
    cause = largest(step)
    if cause is None:
        return "cause not known"
    blame, others = cause["cause"], len(step.steps) - 1
    after = version(blame["to"]) if blame["change"] == "changed" and not others else None
    parts = [_head(step, cause), *([after] if after else [])]
    if others:
        parts.append(f"and {others} more")
    if blame["change"] == "went" and not others:
        parts.append("left")
    blame_text = short_blame_words(blame)
    return " ".join(parts) + (f", {blame_text}" if blame_text else "")


def _causes_with(step: Step, cause: Any) -> list[Any]:
    """The causes of `step` that came, or went, with `cause`."""
    change = cause["cause"]["change"]
    if change not in ("came", "went"):
        return [cause]
    return [part for part in step.steps if part["cause"]["change"] == change]


def _head(step: Step, cause: Any) -> str:
    """The first package on a cause's chain that came, or went, in the same step."""
    names = {part["package"] for part in _causes_with(step, cause)}
    way = (parse_nevra(edge["to"]).name for edge in cause["cause"]["chain"])
    return next((name for name in way if name in names), str(cause["package"]))


def _change(blame: Mapping[str, Any]) -> str:
    before, after = version(blame["from"]), version(blame["to"])
    if blame["change"] == "changed" and before and after and before != after:
        return f"{before} \N{RIGHTWARDS ARROW} {after}"
    return change_words(blame)


def at_that_time(row: Row, _date: str | None = None) -> str:
    """The page of a row's image when it was evaluated."""
    return image_url(row.key, date=row.evaluated)


def _compared(step: Step, _date: str | None) -> str:
    before = {"from": _before(step.evaluated), "to": step.evaluated}
    return image_url(step.key, "compare", **before)


def _package_then(row: CauseRow, _date: str | None) -> str:
    return _package_at(row.package, row.change, row.evaluated)


def _package_at(name: str, change: str, evaluated: str) -> str:
    """A package's page at a time when it was present: before the step if it went."""
    is_gone = change in ("went", "unsolvable")
    return package_url(name, date=_before(evaluated) if is_gone else evaluated)


def _before(evaluated: str) -> str:
    """The time one microsecond before `evaluated`."""
    return utc_text(datetime.fromisoformat(evaluated) - timedelta(microseconds=1))


def step_url(step: Step) -> str | None:
    """The pull request or commit that a step's largest cause is attributed to."""
    cause = largest(step)
    return blame_url(cause["cause"]) if cause else None


def cause_url(step: Step, _date: str | None = None) -> str | None:
    """The address for a step's largest cause: its pull request, or the package at that time."""
    cause = largest(step)
    if cause is None:
        return None
    change = cause["cause"]["change"]
    return step_url(step) or _package_at(_head(step, cause), change, step.evaluated)


def origin(step: Step) -> str | None:
    """The pull request's title and author, and the chain to the package that came or went."""
    cause = largest(step)
    if cause is None:
        return None
    change, way = _blamed_change(cause["cause"]) or {}, chain_words(cause["cause"]["chain"])
    title = [f"{change['title']}, by {change['author']}"] if change.get("title") else []
    return "; ".join(title + ([way] if way else [])) or None


def _blamed_change(blame: Mapping[str, Any]) -> Any:
    """The pull request or the commit of a cause, null if it has neither."""
    return blame["pull_request"] or blame.get("commit")


def steps_table(steps: Sequence[Step], caption: str = "Steps and their causes") -> Table:
    """An image's steps, each with its largest cause, linked to its change."""
    return Table(caption, _STEPS, steps)


def cause_rows(steps: Iterable[Step]) -> list[CauseRow]:
    """One row for each cause of each step, the newest step first."""
    return [_cause_row(step, cause) for step in steps for cause in step.steps]


def _cause_row(step: Step, cause: Any) -> CauseRow:
    blame = cause["cause"]
    return CauseRow(
        step.key, step.evaluated, step.known_delta, cause["package"], cause["delta"],
        blame["change"], blame["kind"], blame["mover"], blame["from"], blame["to"],
        blame_words(blame), blame_url(blame), (_blamed_change(blame) or {}).get("author"),
        chain_words(blame["chain"]),
    )  # fmt: skip


def causes_table(caption: str, rows: Sequence[CauseRow], *, with_image: bool) -> Table:
    """Causes, each with its package, its bytes and its origin."""
    return Table(caption, (_CAUSES[0], *(_IMAGE if with_image else ()), *_CAUSES[1:]), rows)


def version(nevra: str | None) -> str | None:
    """`1.26-2.el9` of a NEVRA, with its epoch where that is not 0."""
    return None if nevra is None else parse_nevra(nevra).rpm_evr


def safe_url(row: Row, _date: str | None = None) -> str | None:
    """The URL of a row if it is http(s), else null."""
    url: str | None = row.url
    return url if url and url.startswith(("https://", "http://")) else None


def _mover(row: CauseRow) -> str | None:
    mover = row.mover
    through = [f"through {mover}"] if mover and mover not in (row.before, row.after) else []
    return ", ".join(([row.author] if row.author else []) + through) or None


_WHEN = Column("When (UTC)", "time", name="evaluated", link=at_that_time)
_IMAGE = image_columns(at_that_time)
_STEPS = columns(
    Step,
    _WHEN,
    "known_delta",
    Column("What moved it", name="cause", value=in_words, link=cause_url, also=origin),
    "packages_delta",
    Column("Pull request", name="url", value=step_url, only="csv"),
    Column("Before and after", name="before", value=lambda _: "compare", link=_compared,
           only="html"),
)  # fmt: skip
_CAUSES = columns(
    CauseRow,
    Column("Package", name="package", link=_package_then),
    _WHEN,
    "step",
    "delta",
    Column("What", name="change", also=lambda row: row.chain or None),
    Column("Moved by", name="by", link=safe_url, also=_mover),
    "url",
    Column(
        "From",
        "code",
        name="from",
        blank="not there",
        wide=True,
        value=lambda row: version(row.before),
    ),
    Column(
        "To", "code", name="to", blank="not there", wide=True, value=lambda row: version(row.after)
    ),
)
