"""A short run of `tests.faults.kills`, on SQLite and on Postgres."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import run


@pytest.mark.long
@pytest.mark.parametrize("shared", [False, True])
async def test_no_status_or_comment_is_wrong_doubled_or_missing(
    tmp_path: Path, shared: bool
) -> None:
    made = await run(tmp_path, 3, shared=shared, seed=2, seconds=240.0)
    assert made.found() == {"missing": 0, "doubled": 0, "unfinished": 0, "wrong": 0}
