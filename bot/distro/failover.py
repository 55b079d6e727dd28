"""The order in which several servers are tried, and how long each is waited for.

If several have the same file, each is first tried briefly: one that hangs costs seconds. Those with
a temporary failure are tried again, with more time, only if none had the file. A server that did
not answer comes last for a while, for every file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.errors import SurroundingsError
from bot.model.package import origin

_T = TypeVar("_T")
# HTTP statuses that another try may change.
PASSING = (429, 500, 502, 503, 504)
# Seconds for which a server that did not answer is tried last.
_AVOIDED_FOR = 600.0


class FetchError(SurroundingsError):
    """A URL that could not be read; `status` is HTTP's, null without an answer."""

    def __init__(self, url: str, why: str, status: int | None = None, hint: str = "") -> None:
        super().__init__(f"{url} could not be read: {why}.", hint)
        self.url = url
        self.why = why
        self.status = status

    @property
    def is_absent(self) -> bool:
        """Return whether the server says that there is no such file."""
        return self.status in (404, 410)

    @property
    def is_passing(self) -> bool:
        """Return whether another try may succeed."""
        return self.status is None or self.status in PASSING


class RefusedFileError(SurroundingsError):
    """A file does not match its metadata: truncated, corrupt, too large or replaced."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name} is refused: {why}.",
            "The mirror may be out of step or damaged: try again, or name another one.",
        )
        self.name = name
        self.why = why


class AbsentError(SurroundingsError):
    """The file does not exist on the server; not a failure."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of tries for a place, and timeouts in seconds: for connecting, for each read, and
    for a transfer that is too slow. No try begins after `until` (monotonic seconds)."""

    tries: int
    connect: float
    read: float
    slow: float
    until: float | None = None

    @property
    def is_over(self) -> bool:
        """Return whether `until` has passed."""
        return self.until is not None and time.monotonic() >= self.until

    def with_deadline(self, seconds: float) -> RetryPolicy:
        """This policy, with no try beginning later than `seconds` from now."""
        return replace(self, until=time.monotonic() + seconds)


# For the only place of a file; for one of several; for one that others can replace.
MANY = RetryPolicy(tries=4, connect=10, read=30, slow=60)
FEW = RetryPolicy(tries=2, connect=5, read=15, slow=30)
BRIEF = RetryPolicy(tries=1, connect=3, read=5, slow=10)
# Seconds for all mirrors of a repository of which a good state is cached.
BUDGET = 15.0


def rounds(places: int, most: RetryPolicy | None = None) -> tuple[RetryPolicy, ...]:
    """The policies for so many places of one file, one per round; `most` is the last one."""
    last = most or (MANY if places == 1 else FEW)
    if places == 1 or last.tries <= BRIEF.tries:
        return (last,)
    return replace(BRIEF, until=last.until), last


def first_of(
    urls: Sequence[str], request: Callable[[str, RetryPolicy], _T], policies: Iterable[RetryPolicy]
) -> _T:
    """The first answer of `request` for the URLs, in their order.

    Later rounds try only the URLs that may succeed then. Raises the worst of the errors if none has
    an answer.
    """
    errors: dict[str, SurroundingsError] = {}
    remaining = list(urls)
    for retry_policy in policies:
        for url in sorted(remaining, key=_is_avoided):
            if retry_policy.is_over:
                break
            try:
                result = request(url, retry_policy)
            except SurroundingsError as error:
                errors[url] = error
                _note(url, error)
            else:
                _AVOIDED.pop(origin(url), None)
                return result
        remaining = [url for url in remaining if _may_do_better(errors.get(url))]
    if not errors:
        raise SurroundingsError(f"{urls[0]} was not read: the time limit had passed.")
    raise worst([errors[url] for url in urls if url in errors])


def worst(problems: Sequence[SurroundingsError]) -> SurroundingsError:
    """The error to raise: a refused file before a failure before a missing file; with the number of
    places if there were several."""
    ranked = sorted(
        problems,
        key=lambda p: 2 if isinstance(p, AbsentError) else isinstance(p, RefusedFileError) ^ 1,
    )
    first = ranked[0]
    if len(problems) > 1 and not isinstance(first, AbsentError | RefusedFileError):
        return SurroundingsError(f"{first.what} {len(problems)} places were tried.", first.hint)
    return first


# Servers that did not answer, with the time (monotonic seconds) until which they are tried last.
_AVOIDED: dict[str, float] = {}


def forget_avoided() -> None:
    """Forget which servers did not answer."""
    _AVOIDED.clear()


def _is_avoided(url: str) -> bool:
    return time.monotonic() < _AVOIDED.get(origin(url), 0.0)


def _note(url: str, error: SurroundingsError) -> None:
    if isinstance(error, FetchError) and error.status is None:
        _AVOIDED[origin(url)] = time.monotonic() + _AVOIDED_FOR


def _may_do_better(error: SurroundingsError | None) -> bool:
    return error is None or (isinstance(error, FetchError) and error.is_passing)
