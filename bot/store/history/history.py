"""The open history: one connection for reading, the store's one writer for writing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bot.store.history.fleet_queries import FleetQueries
from bot.store.history.objective_queries import ObjectiveQueries
from bot.store.history.recording import Recorder
from bot.store.history.schema import HISTORY_MIGRATIONS, history_migrations
from bot.store.history.trends import Trends
from bot.store.store import Store, StoreError, open_store


class History(FleetQueries, ObjectiveQueries, Trends):
    """Queries on history; `open_history` makes one. Safe for several threads.

    Every query is one statement or a few, on a connection of its own: no page waits for
    the writer, and no writer for a page. `recorder` writes.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store.path)
        self.store = store
        self.recorder = Recorder(store)


def open_history(store: Store | Path) -> History:
    """The history in an open store, or in a data folder, made or brought up to date.

    StoreError if it cannot be, or if a newer release wrote it.
    """
    store = store if isinstance(store, Store) else open_store(store)
    try:
        with store.writing() as db:
            applied = {m.name for m in history_migrations.applied(db)}
            newer = applied - set(HISTORY_MIGRATIONS)
            if newer:
                raise StoreError(
                    f"The store {store.path} was written by a newer release of minimize"
                    f" ({min(newer)}).",
                    "Update minimize, or name another data folder.",
                )
            if set(HISTORY_MIGRATIONS) - applied:
                history_migrations.apply(db)
        return History(store)
    except sqlite3.Error as error:
        raise StoreError(f"The store {store.path} cannot be used: {error}.") from error
