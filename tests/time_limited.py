"""A command with a time limit: `time_limited.py SECONDS COMMAND...`; 124 is the exit code past it.

Past the limit each process below that can writes its stacks, and all that the command started are
named and ended, no others. Those whose parent has ended are found as well: they come to us.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bot.demo.time_limit import ask_for_stacks, end, processes_below

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
EXCEEDED = 124  # as timeout(1)
# How long an ended process whose parent has ended keeps its place among the machine's processes.
_REAP_SECONDS = 1.0


def run(seconds: float, command: Sequence[str]) -> int:
    """The exit code of the command; 124 past the limit."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    process = subprocess.Popen(command)
    past = time.monotonic() + seconds
    while (left := past - time.monotonic()) > 0:
        try:
            code = process.wait(min(_REAP_SECONDS, left))
            return 128 - code if code < 0 else code
        except KeyboardInterrupt:
            continue  # Ctrl-C reaches the command too, and it ends in order
        except subprocess.TimeoutExpired:
            _reap(process.pid)
    below = processes_below(os.getpid())
    say(f"error: this took more than {seconds:.0f} s and is stopped. What ran:")
    for pid in below:
        say(f"  {pid} {_command_line(pid)[:200]}")
    say("Where those stood that can say so:")
    ask_for_stacks(below)
    end(lambda: processes_below(os.getpid()))
    return EXCEEDED


def _reap(kept: int) -> None:
    """Take the ends of those that came to us, but for `kept`, whose end another waits for."""
    peek = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (found := os.waitid(os.P_ALL, 0, peek)) is not None and found.si_pid != kept:
        os.waitpid(found.si_pid, 0)


def _command_line(pid: int) -> str:
    """The command line of a process; empty if it has ended."""
    try:
        found = (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return found.replace(b"\0", b" ").decode(errors="replace").strip()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
