"""Visibility of checks and pull requests, as far as checks have recorded it.

A check records whether its repository was private when it was requested. One that was is hidden for
good. The newest check of a repository says what the repository is now: where that is private, the
older ones are hidden too, although they were public in their time. Between two checks nobody
tells us that a repository became private.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Rows = Callable[[str, Sequence[Any]], list[dict[str, Any]]]

# 1 for a row of `checks` that is hidden.
HIDDEN = """(checks.private = 1 or (
    select newest.private from checks as newest
    where newest.forge = checks.forge and newest.repository = checks.repository
    order by newest.created desc, newest.rowid desc limit 1
))"""


def check_is_hidden(rows: Rows, check: str) -> bool:
    """Return whether a check is hidden; an unknown one is."""
    found = rows(f"select {HIDDEN} as hidden from checks where id = ?", [check])
    return not found or bool(found[0]["hidden"])


def repository_is_hidden(rows: Rows, forge: str, repository: str) -> bool:
    """Return whether a repository is private now; one that no check was about is not."""
    found = rows(
        "select private from checks where forge = ? and repository = ?"
        " order by created desc, rowid desc limit 1",
        [forge, repository],
    )
    return bool(found) and bool(found[0]["private"])


def pull_request_is_hidden(rows: Rows, forge: str, repository: str, number: int | None) -> bool:
    """Return whether the repository is private now, or was when this pull request was checked."""
    if repository_is_hidden(rows, forge, repository):
        return True
    found = rows(
        "select 1 as there from checks where forge = ? and repository = ? and number = ?"
        " and private = 1 limit 1",
        [forge, repository, number],
    )
    return bool(found)
