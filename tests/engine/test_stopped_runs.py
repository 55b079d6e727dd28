"""Runs that are superseded or closed take their processes with them."""

from pathlib import Path

from tests.faults.stopped_builds import stop_builds


async def test_one_build_at_a_time_lives_and_none_after_the_pull_request_is_closed(
    tmp_path: Path,
) -> None:
    stopped = await stop_builds(tmp_path, pushes=3)
    assert stopped.builds == 1
