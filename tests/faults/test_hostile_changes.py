"""Hostile changes on a real server; `python -m tests.faults.hostile_changes` has them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.run import sandbox_available
from tests.faults.hostile_changes import CHANGES, MOST_MEMORY, TOOL_WITH_PERL, world

pytestmark = [
    pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here"),
    pytest.mark.long,
]


async def test_the_server_outlives_hostile_changes_and_none_is_green(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, changed, quiet):
        for name in ("memory of a child", "64 MiB of JSON for an answer", "brackets in brackets"):
            found = await made.measured(changed, CHANGES[name])
            assert found.conclusion == "action_required", name
            assert found.grown < MOST_MEMORY, name
        _, conclusion = await made.timed(quiet, TOOL_WITH_PERL, "maria")
        assert conclusion == "success"
