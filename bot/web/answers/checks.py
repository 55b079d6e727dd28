"""Checks: what is for everybody's eyes."""

from __future__ import annotations

from bot.store import CheckRecord, Store
from bot.store.privacy import check_is_hidden
from bot.web.questions import missing


def visible_check(store: Store, check: str, opened: str = "") -> CheckRecord:
    """The check of an id; 404 if there is none, or a hidden one that is not the `opened` one."""
    found = None
    if check == opened or not check_is_hidden(store.rows, check):
        found = store.check(check)
    if found is None:
        raise missing("There is no check of this id.")
    return found
