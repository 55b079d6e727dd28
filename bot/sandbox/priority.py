"""A low priority for work that must not slow down other work, and for what it starts.

A process's own priority (nice) is inherited. But where the kernel makes a group of each session
(sched_autogroup, the default of most distributions), it counts within the session alone, and the
sandbox begins sessions: each must give its group the same priority.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

_LOW = 15
# A process of the usual priority gets 28 times the share of a low one (the kernel's
# sched_prio_to_weight): at a load of 26 on two cores, a second's work took longer than 20 s.
_FACTOR = 6
_GROUP = "/proc/self/autogroup"
# $1 is the priority, the rest the command. The kernel takes it ten times a second from all who are
# not root together, so it is tried again.
_LOWER = f"""
priority=$1; shift
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ -e {_GROUP} ] || break
  if (echo "$priority" > {_GROUP}) 2> /dev/null; then break; fi
  sleep 0.15
done
exec "$@"
"""


def lower_priority() -> None:
    """Give this process a low priority, for good, and the session where it leads one: others
    in it would have the priority too."""
    os.nice(_LOW)
    if os.getsid(0) != os.getpid():
        return
    with contextlib.suppress(OSError):  # a kernel without these groups
        Path(_GROUP).write_text(str(_LOW))


def time_factor() -> int:
    """How many times as long as at the usual priority work may take at this process's own: what
    has a low one may wait for most of the time on a busy machine."""
    return _FACTOR if os.getpriority(os.PRIO_PROCESS, 0) >= _LOW else 1


def at_own_priority(argv: Sequence[str]) -> list[str]:
    """The command that has a new session run `argv` at the priority of this process."""
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    if priority <= 0:
        return list(argv)
    return ["/bin/sh", "-c", _LOWER, "lower", str(priority), *argv]
