"""Opening of history, and its figures for trends.

One connection reads; the store's one writer writes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from bot.model.image import ImageKey
from bot.store.history.fleet_queries import FleetQueries
from bot.store.history.objective_queries import ObjectiveQueries
from bot.store.history.recording import Recorder
from bot.store.history.rows import KEY, key_of
from bot.store.history.schema import history_migrations
from bot.store.history.values import Curve, Figures, Moves
from bot.store.records import Row
from bot.store.store import Store, open_store, pending_migrations
from bot.store.transactions import StoreError

_SECONDS = "(julianday(runs.started) - 2440587.5) * 86400.0"
# The figures whose deltas are stored with the steps, and their columns.
_DELTAS = {"packages": "packages_delta", "installed_size": "delta"}
_FIGURES = "closures.packages, closures.installed_size, closures.layer_size"


class History(FleetQueries, ObjectiveQueries):
    """Queries on history, made by `open_history`. Safe for several threads.

    Every query is one statement or a few, on a connection of its own: pages do not wait for the
    writer, nor the writer for pages. `recorder` writes.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store.path)
        self.store = store
        self.recorder = Recorder(store)

    def moves(
        self, keys: Iterable[ImageKey], since: str, run: int | None = None
    ) -> dict[tuple[ImageKey, str], Moves]:
        """The moves of `packages` and `installed_size` of images from a time until a run (or now).

        A figure that was unknown at some time, or whose steps do not add up to its change, is left
        out; `curves` has its known values.
        """
        places = self._image_rows(keys, run)
        sums = ", ".join(
            f"count(*) = count({delta}), sum({delta}), sum({delta} * at), sum({delta} * at * at)"
            for delta in _DELTAS.values()
        )
        # SQLite takes a bare column from the row with the min().
        rows = self.tuples(
            f"with moments as materialized (select runs.id as run, {_SECONDS} -"
            f" (julianday(?) - 2440587.5) * 86400.0 as at from runs where started >= ?"
            f"{_until(run, 'id')})"
            f" select steps.image, min(steps.run), before_closure, {sums} from moments"
            " cross join steps on steps.run = moments.run"
            " and steps.image in (select value from json_each(?)) group by steps.image",
            [since, since, json.dumps(list(places))],
        )
        first = self._figures_of(row[2] for row in rows)
        now = self._figures_of(place["closure"] for place in places.values())
        moves: dict[tuple[ImageKey, str], Moves] = {}
        steady = set(places) - {row[0] for row in rows}
        for number, row in places.items():
            if number in steady:
                for metric in _DELTAS:
                    if getattr(now[row["closure"]], metric) is not None:
                        moves[key_of(row), metric] = Moves(row["first"], 0, 0.0, 0.0)
        for image, _, closure, *figures in rows:
            place = places[image]
            for index, metric in enumerate(_DELTAS):
                whole, total, moment, square = figures[4 * index : 4 * index + 4]
                before = getattr(first[closure], metric)
                if (
                    whole
                    and before is not None
                    and before + total == getattr(now[place["closure"]], metric)
                ):
                    moves[key_of(place), metric] = Moves(place["first"], total, moment, square)
        return moves

    def curves(
        self, keys: Iterable[ImageKey], since: str, run: int | None = None
    ) -> dict[ImageKey, Curve]:
        """The figures of some images since a time, until `run` if given; images without history are
        left out."""
        places = self._image_rows(keys, run)
        now = self._figures_of(place["closure"] for place in places.values())
        runs = {
            row["id"]: row["at"]
            for row in self.rows(
                f"select id, {_SECONDS} as at from runs where started >= ?{_until(run, 'id')}"
                " order by id",
                [since],
            )
        }
        steps: dict[int, list[tuple[float, Figures]]] = {number: [] for number in places}
        for image, at, *before in self.tuples(
            f"select steps.image, steps.run, {_FIGURES} from json_each(?) as wanted"
            " cross join steps on steps.run = wanted.value"
            " and steps.image in (select value from json_each(?))"
            " cross join closures on closures.id = steps.before_closure",
            [json.dumps(list(runs)), json.dumps(list(places))],
        ):
            steps[image].append((runs[at], Figures._make(before)))
        return {
            key_of(row): Curve(row["first"], tuple(steps[number]), now[row["closure"]])
            for number, row in places.items()
        }

    def _image_rows(self, keys: Iterable[ImageKey], run: int | None) -> dict[int, Row]:
        """Rows of the images that have a history, by number: KEY, `first` in seconds since 1970,
        last `closure`."""
        wanted = set(keys)
        until = _until(run, "run")
        rows = self.rows(
            f"select {KEY}, images.id, {_SECONDS} as first,"
            f" (select closure from evaluations where image = images.id{until}"
            " order by run desc limit 1) as closure from images cross join runs on runs.id ="
            f" (select min(run) from evaluations where image = images.id{until})"
        )
        return {row["id"]: row for row in rows if key_of(row) in wanted}

    def _figures_of(self, closures: Iterable[int]) -> dict[int, Figures]:
        rows = self.tuples(
            f"select closures.id, {_FIGURES} from closures"
            " where id in (select value from json_each(?))",
            [json.dumps(sorted(set(closures)))],
        )
        return {number: Figures._make(figures) for number, *figures in rows}


def open_history(store: Store | Path) -> History:
    """Open the history in an open store, or in a data folder; create or migrate it.

    Raises StoreError if that fails, or if a newer release wrote it.
    """
    store = store if isinstance(store, Store) else open_store(store)
    try:
        with store.writing() as db:
            if pending_migrations(store.path, db, history_migrations):
                history_migrations.apply(db)
        return History(store)
    except sqlite3.Error as error:
        raise StoreError(f"The store {store.path} cannot be used: {error}.") from error


def _until(run: int | None, column: str) -> str:
    return "" if run is None else f" and {column} <= {int(run)}"
