"""Checks: what is for everybody's eyes."""

from __future__ import annotations

from bot.store import CheckRecord, Store
from bot.web.questions import missing


def public_check(store: Store, check: str) -> CheckRecord:
    """The check of an id; 404 if there is none, or none for everybody's eyes."""
    found = store.check(check)
    if found is None or found.private:
        raise missing("There is no check of this id.")
    return found
