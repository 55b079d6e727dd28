"""How long a server is waited for: long where nothing else answers, briefly beside a good state."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a place is asked, and seconds: for a connection, for each next piece of an answer,
    for a transfer that is too slow. Nothing new is begun after `until` (monotonic seconds).
    """

    tries: int
    connect: float
    read: float
    slow: float
    until: float | None = None

    @property
    def is_over(self) -> bool:
        """True once `until` has passed."""
        return self.until is not None and time.monotonic() >= self.until

    def within(self, seconds: float) -> RetryPolicy:
        """The same, with nothing new begun after so many seconds from now."""
        return replace(self, until=time.monotonic() + seconds)


# The only place that has something, one of several, and one that is only asked for news.
MANY = RetryPolicy(tries=4, connect=10, read=30, slow=60)
FEW = RetryPolicy(tries=2, connect=5, read=15, slow=30)
BRIEF = RetryPolicy(tries=1, connect=3, read=5, slow=10)
# Seconds for all mirrors of a repository whose last good state is there.
BUDGET = 15.0
