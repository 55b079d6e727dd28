"""Workers on a Postgres that die while they compute, and runs that are stopped from elsewhere."""

from pathlib import Path

import pytest

from tests.faults.many_workers import fleet, seconds_to_stop, seconds_to_take_over

pytestmark = pytest.mark.long


async def test_another_worker_ends_the_run_of_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (seconds,) = await seconds_to_take_over(tmp_path / "home", times=1, seconds=1.0)
    assert seconds > 0


async def test_a_run_is_stopped_on_the_machine_that_computes_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (seconds,) = await seconds_to_stop(tmp_path / "home", times=1)
    assert seconds > 0


async def test_all_pull_requests_of_a_fleet_are_concluded_once(tmp_path: Path) -> None:
    async with fleet(tmp_path, 2, 0.2) as made:
        pulls = [await made.open_pull(number) for number in range(6)]
        await made.until_concluded(pulls)
        for pull in pulls:
            (run,) = made.forge.state.runs_of(made.repository, pull.head_sha)
            assert run.conclusion == "success"
