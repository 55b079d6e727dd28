"""The value every page is made of, and what they are all asked of."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from bot.model.image import ImageKey
from bot.objectives.status import ObjectiveStatus, objective_statuses
from bot.store.history.history import History
from bot.store.history.surface import Presence, Spread, Totals, Usage
from bot.store.history.values import Evaluation, MergedChange, Run, Step
from bot.store.store import Store
from bot.web.tables import Table

Json = dict[str, Any]
_T = TypeVar("_T")
_KEPT = 40
_LONELY = 1_000_000


@dataclass(frozen=True, slots=True)
class PageResponse:
    """`json` is what programs get; the template gets it as `data`, the tables, and `extra`."""

    template: str
    json: Json
    tables: Mapping[str, Table] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


class Archive:
    """The store and its history; remembers what is dear to compute until the next run.

    `date` is a moment as `Question.date` has it: null is now.
    """

    def __init__(self, store: Store, history: History) -> None:
        self.store = store
        self.history = history
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._known: OrderedDict[Hashable, Any] = OrderedDict()

    def run(self, date: str | None) -> Run | None:
        """The run whose state is shown; null if there was none until then."""
        return self.history.run_at(date)

    def number(self, date: str | None) -> int | None:
        """That run's number, null if it is the last, 0 if there was none until the date."""
        if date is None:
            return None
        run = self.run(date)
        if run is None:
            return 0
        newest = self.history.runs(1)[0].id
        return None if run.id == newest else run.id

    def objective_statuses(self, date: str | None = None) -> tuple[ObjectiveStatus, ...]:
        """How every objective stood, the worst first."""
        number = self.number(date)
        then = self._began(date) if number is not None else None
        found = self.remembered(
            ("objective_statuses", number), lambda: objective_statuses(self.history, then, number)
        )
        # A repository may have become private since it was found out.
        shown = {row["id"] for row in self.history.objective_headings(run=number)}
        return tuple(s for s in found if s.state.objective in shown)

    def objective_statuses_of(
        self,
        date: str | None,
        *,
        key: ImageKey | None = None,
        objective: str | None = None,
    ) -> tuple[ObjectiveStatus, ...]:
        """As `objective_statuses`, of one image or one objective, without computing the others."""
        number = self.number(date)
        if number is not None:
            then = self._began(date)
            return objective_statuses(self.history, then, number, key=key, objective=objective)
        return tuple(
            status
            for status in self.objective_statuses()
            if key in (None, status.state.key) and objective in (None, status.state.objective)
        )

    def _began(self, date: str | None) -> datetime | None:
        run = self.run(date)
        return datetime.fromisoformat(run.started) if run else None

    def spread(self, date: str | None = None) -> tuple[Spread, ...]:
        """Every package over all images, most versions first."""
        number = self.number(date)
        return self.remembered(
            ("spread", number), lambda: self.history.spread(number, self._presence(number))
        )

    def totals(self, date: str | None = None) -> Totals:
        """All images together."""
        number = self.number(date)
        return self.remembered(
            ("totals", number), lambda: self.history.totals(number, self._presence(number))
        )

    def used_by_one(self, date: str | None = None) -> tuple[Usage, ...]:
        """The packages that only one image needs."""
        number = self.number(date)
        return self.remembered(
            ("used_by_one", number),
            lambda: self.history.only_one_needs(_LONELY, number, self._presence(number)),
        )

    def _presence(self, number: int | None) -> Presence:
        return self.remembered(("presence", number), lambda: self.history.presence(number))

    def evaluations(self, date: str | None = None) -> Mapping[ImageKey, Evaluation]:
        """The last evaluation of every image that was described, by key."""
        number = self.number(date)
        return self.remembered(
            ("evaluations", number),
            lambda: dict(sorted(self.history.latest_evaluations(number).items())),
        )

    def remembered(self, name: Hashable, find: Callable[[], _T]) -> _T:
        """The value of `find`, computed once between two runs; the oldest of many is forgotten."""
        runs = self.history.runs(1)
        state = (runs[0].id, runs[0].finished) if runs else None
        with self._lock:
            if state != self._state:
                self._state, self._known = state, OrderedDict()
            known = self._known
            if name in known:
                known.move_to_end(name)
                kept: _T = known[name]
                return kept
        found = find()
        with self._lock:
            known[name] = found
            while len(known) > _KEPT:
                known.popitem(last=False)
        return found

    def changes(self, steps: Iterable[Step]) -> dict[int, MergedChange]:
        """The pull requests that steps are laid to, by number."""
        wanted = {cause.merged_change for step in steps for cause in step.causes}
        found = {n: self.history.merged_change(n) for n in wanted if n is not None}
        return {n: change for n, change in found.items() if change is not None}
