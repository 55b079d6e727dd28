"""The rate limit of one credential on a forge, read from its answers and obeyed before requests.

GitHub: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api (hourly,
X-RateLimit-*; secondary limits, Retry-After). GitLab:
https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/ (by the minute,
RateLimit-*).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from bot.forge.values import ForgeError

_TOO_MANY = (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
# The wait for a limit without a time: GitHub's documentation requires at least a minute.
_MINUTE = 60.0
_SECONDARY = re.compile(r"secondary rate limit|abuse detection", re.IGNORECASE)
# The longest wait that is taken from an answer.
_LONGEST = 4000.0
# Requests an hour if a forge gives no limit.
_ASSUMED = 5000


class RateLimit:
    """The rate limit of one credential: the requests that are left, and the time to wait for. Safe
    for several threads: fields are written atomically, and may be slightly outdated."""

    def __init__(
        self, forge: str, window: float = 3600.0, clock: Callable[[], float] = time.time
    ) -> None:
        """`window` is the seconds of the limit's window; `clock` gives seconds since 1970."""
        self._forge = forge
        self._window = window
        self._clock = clock
        self._held_until = 0.0
        self.limit: int | None = None
        self.remaining: int | None = None

    def learn(self, status: int, headers: Mapping[str, str], text: str = "") -> None:
        """Store the limit, the remaining requests and the wait that an answer gives."""
        lower_case = {name.lower(): value for name, value in headers.items()}
        self.limit = _number(lower_case, "limit", self.limit)
        self.remaining = _number(lower_case, "remaining", self.remaining)
        now = self._clock()
        wait = requested_wait(status, lower_case, text, now)
        if wait is None and self.remaining == 0 and status < HTTPStatus.BAD_REQUEST:
            # That was the last allowed request: the next would be refused and extend the limit.
            wait = _until_reset(lower_case, now)
        if wait is not None:
            self._held_until = max(self._held_until, now + min(wait, _LONGEST))

    @property
    def wait(self) -> float:
        """The seconds left that the forge asked to wait."""
        seconds = self._held_until - self._clock()
        # Longer than any wait: the clock was set back.
        return max(seconds, 0.0) if seconds <= _LONGEST else 0.0

    def check(self, doing: str) -> None:
        """Raise ForgeError while the forge asks to wait."""
        if self.wait > 0:
            raise ForgeError(
                f"{self._forge} limits further requests of the bot ({doing}).",
                f"It asks to wait {self.wait:.0f} s.",
                self.wait,
            )

    def pause(self, share: float, requests: int = 1) -> float:
        """The seconds over which to spread `requests` to use a `share` of the limit."""
        hourly = _ASSUMED if self.limit is None else self.limit * 3600.0 / self._window
        return 3600.0 * requests / max(hourly * share, 1e-3)


def requested_wait(
    status: int, headers: Mapping[str, str], text: str = "", now: float | None = None
) -> float | None:
    """The seconds to wait after an answer about a rate limit; None for any other answer.

    `headers` have lower-case names, `now` is seconds since 1970.
    """
    if status not in _TOO_MANY:
        return None
    if "retry-after" in headers:
        try:
            return max(0.0, float(headers["retry-after"]))
        except ValueError:
            return _MINUTE
    limited = status == HTTPStatus.TOO_MANY_REQUESTS
    if limited or _number(headers, "remaining", None) == 0:
        return _until_reset(headers, time.time() if now is None else now)
    return _MINUTE if _SECONDARY.search(text) else None


def _until_reset(headers: Mapping[str, str], now: float) -> float:
    for name in ("x-ratelimit-reset", "ratelimit-reset"):
        try:
            return max(1.0, float(headers[name]) - now)
        except (KeyError, ValueError):
            continue
    return _MINUTE


def _number(headers: Mapping[str, str], name: str, default: int | None) -> int | None:
    for full_name in (f"x-ratelimit-{name}", f"ratelimit-{name}"):
        try:
            return int(headers[full_name])
        except (KeyError, ValueError):
            continue
    return default
