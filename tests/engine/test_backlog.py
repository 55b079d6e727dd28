"""Deliveries that came while nobody worked are all worked off."""

from pathlib import Path

from tests.faults.backlog import drain


async def test_a_backlog_is_drained_with_one_comment_and_a_status_each(tmp_path: Path) -> None:
    drained = await drain(tmp_path, 10)
    assert (drained.errors, drained.wrong) == (0, 0)
