"""Bytes on disk for each check, and after retention: `python -m tests.benchmarks.disk_of_checks`.

So many pull requests of ten repositories are checked on the embedded engine by a checker whose
answers are made up (small results), then the data directory and the git caches are measured: as
they are, after a sweep now, after one in 15 days, and after one in 400 days with all pull requests
over.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from bot.engine.retention import Retention, ServerRetention
from bot.git.mirror import size_of
from tests.engine.conftest import Bot
from tests.faults.backlog import REPOSITORIES, drain


def packs(cache: Path) -> int:
    return len(list(cache.glob("git/*.git/objects/pack/*.pack")))


def show(label: str, bot: Bot) -> None:
    """One row: bytes of each place, and the number of packs."""
    data = bot.settings.data
    bot.store.rows("pragma wal_checkpoint(truncate)")
    with bot.engine.database.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    store, engine = ((data / name).stat().st_size for name in ("minimize.sqlite", "engine.sqlite"))
    git = size_of(bot.settings.cache / "git")
    figures = " | ".join(f"{size / 1e6:.2f}" for size in (store, engine, git))
    print(f"| {label} | {figures} | {packs(bot.settings.cache)} |", flush=True)


async def sweep(bot: Bot) -> None:
    server = ServerRetention(bot.store, bot.engine, bot.outbox)
    print("| | store, MB | engine, MB | git caches, MB | packs |\n|---|--:|--:|--:|--:|")
    show("after the checks", bot)
    for label, days in (("swept now", 0), ("in 15 days", 15), ("in 400 days, all over", 400)):
        if days > 365:
            with bot.store.writing() as db:
                db.execute("update checks set over = 1")
        started = time.monotonic()
        await Retention(bot.settings, server, lambda days=days: time.time() + days * 86_400).sweep()
        show(f"{label} ({time.monotonic() - started:.1f} s)", bot)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulls", type=int, default=150)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(drain(Path(folder), given.pulls, sweep))
    print(f"{given.pulls} checks of {REPOSITORIES} repositories in {seen.seconds:.0f} s")


if __name__ == "__main__":
    main()
