"""The simulation of a distribution over the engine's queues: people before a mass rebuild."""

from pathlib import Path

from bot.engine.job import Urgency
from tests.benchmarks.fleet_simulation import Costs, Fleet, Load, Waits, arrivals, shown, simulate

LOAD = Load("small", 1.0, pushes=60, comments=10, rebuild=150, rebuild_days=0.5, repositories=50)
COSTS = Costs(prediction=600.0, answer=30.0, build=60.0)


async def waited(folder: Path, urgency: Urgency) -> Waits:
    checks, _ = await simulate(LOAD, COSTS, Fleet(1, 4), folder, urgency)
    return checks


async def test_a_mass_rebuild_keeps_nobody_waiting(tmp_path: Path) -> None:
    first = await waited(tmp_path, "scheduled")
    same = await waited(tmp_path, "push")
    assert len(first.by_kind["rebuild"]) == len(same.by_kind["rebuild"]) == 150
    assert len(first.by_kind["push"]) == 60
    # What a person pushed waits for what runs, and for other people's; not for the backlog.
    assert first.at("push", 0.5) < same.at("push", 0.5) / 4
    assert first.at("rebuild", 0.5) > 10 * COSTS.prediction
    # Comments come before all.
    assert first.at("chat", 1.0) <= 2 * COSTS.prediction


def test_arrivals_are_the_same_each_time_and_in_order() -> None:
    from random import Random

    arrived = arrivals(LOAD, Random(1))
    assert arrived == arrivals(LOAD, Random(1)) == sorted(arrived)
    assert len(arrived) == 220
    assert arrived[-1].time < 86_400


def test_durations_are_shown_in_their_largest_unit() -> None:
    assert [shown(s) for s in (0.25, 90.0, 5400.0, 172_800.0)] == [
        "0.2 s",
        "1.5 min",
        "1.5 h",
        "2.0 d",
    ]
