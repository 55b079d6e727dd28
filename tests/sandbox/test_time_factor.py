"""Time for work of a low priority."""

from __future__ import annotations

import subprocess
import sys

_ASK = (
    "from bot.sandbox.priority import lower_priority, time_factor;"
    "before = time_factor(); lower_priority(); print(before, time_factor())"
)


def test_work_of_a_low_priority_has_more_time() -> None:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, check=True, text=True)
    usual, low = map(int, done.stdout.split())
    assert usual == 1
    assert low > 1
