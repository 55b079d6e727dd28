"""Every question of a page under 200 ms at five years of 2,000 images, in less than 2 GB.

./deploy/test --benchmarks
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.model.image import ImageKey
from bot.objectives.attribution import graph_of, leaving
from bot.objectives.status import objective_statuses
from bot.store.history.history import History
from tests.benchmarks.five_years import LAST, seed_five_years

pytestmark = pytest.mark.benchmark
KEY = ImageKey("workload-007", "minimal", "big", "x86_64")


def questions(history: History) -> dict[str, Callable[[], object]]:
    def graph() -> object:
        contents = history.contents(KEY)
        return leaving(graph_of(contents), contents.members)

    return {
        "images": history.images,
        "latest evaluations": history.latest_evaluations,
        "history": lambda: history.history(KEY),
        "every day": lambda: history.history(KEY, every=True),
        "steps": lambda: history.steps(KEY),
        "contents now": lambda: history.contents(KEY),
        "contents then": lambda: history.contents(KEY, "2023-05-05"),
        "graph": graph,
        "movers": lambda: history.movers(until=LAST.isoformat()),
        "usage": lambda: history.usage("package-0001"),
        "usage then": lambda: history.usage("package-0001", "2023-05-05"),
        "spread": history.spread,
        "only one needs": history.only_one_needs,
        "totals": history.totals,
        "objective states": history.objective_states,
        "objective_statuses": lambda: objective_statuses(history, LAST),
    }


def test_every_question_is_answered_within_200_ms(tmp_path: Path) -> None:
    history = seed_five_years(tmp_path)
    assert history.rows("select count(*) as n from evaluations")[0]["n"] == 3_652_000
    assert history.store.path.stat().st_size < 2_000_000_000
    slow = {}
    for name, ask in questions(history).items():
        ask()
        start = time.perf_counter()
        answer = ask()
        taken = time.perf_counter() - start
        # The seeded images share every package: nothing is one image's own.
        assert answer or name == "only one needs"
        if taken > 0.2:
            slow[name] = taken
    history.close()
    history.store.close()
    assert slow == {}
