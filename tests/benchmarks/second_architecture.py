"""A second build architecture: `python -m tests.benchmarks.second_architecture [--pairs N]`.

The change of `minimize demo --workers` is built by the server alone, and beside a second worker
that builds it for another architecture under emulation, in turn. Nothing is taken from the cache of
builds. Prints the seconds from the webhook to the comment with this machine's own build, and their
ratio; then for how long the other build went on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
from pathlib import Path

from rich.console import Console

from bot.demo.distribution.build import build_reference_distribution, progress
from bot.demo.distribution.buildroots import with_buildroot
from bot.demo.distribution.reference import ReferenceDistribution, default_cache
from bot.demo.run.postgres import postgres
from bot.demo.run.workers import FOREIGN, emulated, running_bots

# What a build leaves in a cache, and what belongs to processes that run.
_OWN = ("builds", "build-logs", "runs", "locks", "scratch", "demo-worker")


def without_builds(cache: Path, made: Path) -> Path:
    """A cache with all that another has, but no build."""
    made.mkdir()
    for entry in cache.iterdir():
        if entry.name not in _OWN:
            (made / entry.name).symlink_to(entry)
    if (worker := cache / "demo-worker").is_dir():
        without_builds(worker, made / worker.name)
    return made


async def first_result(
    distribution: ReferenceDistribution, home: Path, cache: Path, *, emulating: bool
) -> tuple[float, float]:
    """Seconds from the webhook to the comment with the native build, and to the end."""
    home.mkdir()
    console = Console(quiet=True)
    with postgres() as database:
        running = running_bots(distribution, cache, home, database, console, emulating=emulating)
        async with running as (stage, watch, bot):
            pull, delivery = await stage.open_pull()
            texts = 3 if emulating else 2
            seen = await watch.until_done(pull, delivery.at, bot, lambda *_: None, texts=texts)
            assert len(seen.texts) == texts, [text for _, text in seen.texts]
            return seen.texts[1][0], seen.texts[-1][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    cache = default_cache()
    with progress() as made:
        distribution = build_reference_distribution(cache, made)
        distribution = with_buildroot(distribution, cache, FOREIGN, made)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("pair   alone, s   beside, s   ratio   other architecture's end, s", flush=True)
    ratios = []
    with emulated(FOREIGN), tempfile.TemporaryDirectory() as folder:
        for pair in range(1, given.pairs + 1):
            took = {}
            for emulating in (False, True):
                home = Path(folder) / f"{pair}-{emulating}"
                fresh = without_builds(cache, Path(folder) / f"cache-{pair}-{emulating}")
                work = first_result(distribution, home, fresh, emulating=emulating)
                took[emulating] = asyncio.run(work)
            ratios.append(took[True][0] / took[False][0])
            print(
                f"{pair:>4} {took[False][0]:>10.1f} {took[True][0]:>11.1f} {ratios[-1]:>7.2f}"
                f" {took[True][1]:>29.1f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
