"""The drills of tests/faults, each short: workers that die, runs that are stopped, a backlog."""

from pathlib import Path

import pytest

from tests.faults.backlog import drain
from tests.faults.many_workers import fleet, seconds_to_stop, seconds_to_take_over
from tests.faults.stopped_builds import stop_builds


@pytest.mark.long
async def test_another_worker_ends_the_run_of_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (seconds,) = await seconds_to_take_over(tmp_path / "home", times=1, seconds=1.0)
    assert seconds > 0


@pytest.mark.long
async def test_a_run_is_stopped_on_the_machine_that_computes_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (seconds,) = await seconds_to_stop(tmp_path / "home", times=1)
    assert seconds > 0


@pytest.mark.long
async def test_all_pull_requests_of_a_fleet_are_concluded_once(tmp_path: Path) -> None:
    async with fleet(tmp_path, 2, 0.2) as made:
        pulls = [await made.open_pull(number) for number in range(6)]
        await made.until_concluded(pulls)
        for pull in pulls:
            (run,) = made.forge.state.runs_of(made.repository, pull.head_sha)
            assert run.conclusion == "success"


async def test_a_backlog_is_drained_with_one_comment_and_a_status_each(tmp_path: Path) -> None:
    drained = await drain(tmp_path, 10)
    assert (drained.errors, drained.wrong) == (0, 0)


async def test_one_build_at_a_time_lives_and_none_after_the_pull_request_is_closed(
    tmp_path: Path,
) -> None:
    stopped = await stop_builds(tmp_path, pushes=3)
    assert stopped.builds == 1
