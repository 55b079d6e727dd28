"""The value every page is made of, and what they are all asked of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.objectives import Standing, standings
from bot.store import Store
from bot.store.history import History, MergedChange, Step
from bot.web.tables import Table

Json = dict[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """`json` is what programs get; the template gets it as `data`, the tables, and `extra`."""

    template: str
    json: Json
    tables: Mapping[str, Table] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


class Archive:
    """The store and its history; remembers what is dear to compute until the next run."""

    def __init__(self, store: Store, history: History) -> None:
        self.store = store
        self.history = history
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._known: dict[str, Any] = {}

    def standings(self) -> tuple[Standing, ...]:
        """How every objective stands, the worst first."""
        return self.remembered("standings", lambda: standings(self.history))

    def remembered(self, name: str, find: Callable[[], _T]) -> _T:
        """What `find` finds, found once between two runs."""
        runs = self.history.runs(1)
        state = (runs[0].id, runs[0].finished) if runs else None
        with self._lock:
            if state != self._state:
                self._state, self._known = state, {}
            known = self._known
            if name in known:
                found: _T = known[name]
                return found
        found = find()
        known[name] = found
        return found

    def changes(self, steps: Iterable[Step]) -> dict[int, MergedChange]:
        """The pull requests that steps are laid to, by number."""
        wanted = {cause.merged_change for step in steps for cause in step.causes}
        found = {n: self.history.merged_change(n) for n in wanted if n is not None}
        return {n: change for n, change in found.items() if change is not None}
