"""Short runs of `tests.faults`: hostile changes on a real server, and kills on each database.

`python -m tests.faults.hostile_changes` has all hostile changes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.run import sandbox_available
from tests.faults.hostile_changes import CHANGES, MOST_MEMORY, TOOL_WITH_PERL, world
from tests.faults.kills import run


@pytest.mark.long
@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
async def test_the_server_outlives_hostile_changes_and_none_is_green(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, changed, quiet):
        for name in ("memory of a child", "64 MiB of JSON for an answer", "brackets in brackets"):
            found = await made.measured(changed, CHANGES[name])
            assert found.conclusion == "action_required", name
            assert found.grown < MOST_MEMORY, name
        _, conclusion = await made.timed(quiet, TOOL_WITH_PERL, "maria")
        assert conclusion == "success"


@pytest.mark.long
@pytest.mark.parametrize("shared", [False, True])
async def test_no_status_or_comment_is_wrong_doubled_or_missing(
    tmp_path: Path, shared: bool
) -> None:
    made = await run(tmp_path, 3, shared=shared, seed=2, seconds=240.0)
    assert made.problems() == {"missing": 0, "doubled": 0, "unfinished": 0, "wrong": 0}
