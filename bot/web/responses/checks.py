"""Checks: those that a request may see, their JSON, and their rows in a list."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bot.model.image import inline
from bot.model.result import CheckResult, check_to_json
from bot.store.records import CheckRecord, check_is_hidden
from bot.store.store import Store
from bot.web.parameters import missing
from bot.web.schemas.parts import CheckAbout
from bot.web.tables import Column, Table

Json = dict[str, Any]
_COLUMNS = tuple(
    Column(name, name)
    for name in (
        "id", "forge", "repository", "number", "title", "author", "head_sha", "stage", "verdict",
        "summary", "created", "predicted", "finished",
    )
)  # fmt: skip


def visible_check(store: Store, check: str, opened: str = "") -> CheckRecord:
    """The check of an id; 404 if there is none, or a hidden one that is not the `opened` one."""
    found = None
    if check == opened or not check_is_hidden(store.rows, check):
        found = store.check(check)
    if found is None:
        raise missing("There is no check of this id.")
    return found


def about_check(check: CheckRecord) -> Json:
    """The subject of a check, without its result."""
    about = asdict(check)
    for name in ("result", "private", "delivery"):
        del about[name]
    return about


@inline("result")
@dataclass(frozen=True, slots=True)
class Check:
    """A check: its report, and `run`, what it was about.

    Without a report yet `merge_base`, `verdict` and `stage` are null, and the lists empty.
    """

    result: CheckResult
    run: CheckAbout


def check_json(check: CheckRecord, result: CheckResult | None) -> Json:
    """The JSON of `Check`."""
    run = {"run": about_check(check)}
    if result is not None:
        return {**check_to_json(result), **run}
    none = CheckResult(
        base=check.base_sha, head=check.head_sha, merge_base="", specs=(), verdict="neutral"
    )
    unknown = {"merge_base": None, "verdict": check.verdict, "stage": None}
    return {**check_to_json(none), **unknown, **run}


def checks_table(rows: list[Json]) -> Table:
    """The rows of `about_check`, in the form that the pages show."""
    return Table("Checks", _COLUMNS, rows)
