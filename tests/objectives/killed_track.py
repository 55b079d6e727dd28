"""A run of `minimize track` that is killed by kill -9 at one of its writes.

    python -m tests.objectives.killed_track ROOT WRITE before|after [PROCESSES]

ROOT is a World's folder. Each image is kept by a transaction of its own here.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.distro.cache import Cache
from bot.distro.load import load_configuration
from bot.objectives import evaluation
from bot.objectives.tracking import track
from bot.store.history.history import open_history
from bot.store.store import Store


def main(root: Path, write: int, when: str, processes: int = 1) -> None:
    writing, count = Store.writing, 0

    @contextmanager
    def killing(store: Store) -> Iterator[Any]:
        nonlocal count
        with writing(store) as db:
            yield db
            if count == write and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if count == write:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    evaluation._CHUNK, evaluation._ALONE = 1, 0
    history = open_history(root / "data")
    Store.writing = killing  # type: ignore[method-assign]
    cache = Cache(root / "cache")
    track(load_configuration(root / "config"), history, cache, processes=processes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
