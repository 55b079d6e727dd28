"""Low priority for background work, and for the processes that it starts.

A process's priority (nice) is inherited. But where the kernel makes a group of each session
(sched_autogroup, the default of most distributions), it counts only within the session, and the
sandbox begins sessions: each must set the same priority for its group.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

_LOW = 15
# Work of low priority takes this much longer. A process of normal priority gets 28 times its share
# (the kernel's sched_prio_to_weight): at a load of 26 on two cores, work of one second took longer
# than 20 s.
_FACTOR = 6
_GROUP = "/proc/self/autogroup"
# $1 is the priority, the rest the command. The kernel allows ten writes per second from all users
# except root together, so it is tried again.
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
    """Give this process a low priority for good.

    Its session gets it too if this process leads it; otherwise others in the session would get it.
    """
    os.nice(_LOW)
    if os.getsid(0) != os.getpid():
        return
    with contextlib.suppress(OSError):  # a kernel without sched_autogroup
        Path(_GROUP).write_text(str(_LOW))


def time_factor() -> int:
    """Return how many times longer work may take at this process's priority than normally."""
    return _FACTOR if os.getpriority(os.PRIO_PROCESS, 0) >= _LOW else 1


def at_own_priority(argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` in a new session at the priority of this process."""
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    if priority <= 0:
        return list(argv)
    return ["/bin/sh", "-c", _LOWER, "lower", str(priority), *argv]
