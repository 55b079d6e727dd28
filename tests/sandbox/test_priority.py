"""A low priority: the time for it, and that what runs in the sandbox has it too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.sandbox.run import sandbox_available

# Prints the priorities of what runs inside: nice, and the session's group where there are groups.
_RUN = """
import sys
from bot.sandbox.cgroup import run_without_control_groups
from bot.sandbox.priority import lower_priority
from bot.sandbox.run import run_sandboxed
run_without_control_groups()
if sys.argv[1] == "low": lower_priority()
script = "cut -d ' ' -f 19 /proc/self/stat; cat /proc/self/autogroup 2>/dev/null || :"
print(run_sandboxed(["/bin/sh", "-c", script]).stdout.decode())
"""


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
@pytest.mark.parametrize(("how", "nice"), [("low", 15), ("as it is", 0)])
def test_what_runs_inside_has_the_priority_of_who_started_it(how: str, nice: int) -> None:
    command = [sys.executable, "-c", _RUN, how]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=_normal,
        start_new_session=True,  # whose priority is lowered
    )
    own, *group = done.stdout.split(maxsplit=1)
    assert int(own) == nice
    if Path("/proc/self/autogroup").exists():
        assert group[0].strip().endswith(f"nice {nice}")


def _normal() -> None:
    if os.getpriority(os.PRIO_PROCESS, 0) and os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


_ASK = (
    "from bot.sandbox.priority import lower_priority, time_factor;"
    "before = time_factor(); lower_priority(); print(before, time_factor())"
)


def test_work_of_a_low_priority_has_more_time() -> None:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, check=True, text=True)
    usual, low = map(int, done.stdout.split())
    assert usual == 1
    assert low > 1
