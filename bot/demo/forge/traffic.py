"""The requests that the local forge's APIs answer, the failures planned for tests, and pages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.demo.forge.access import ApiError

MOST_PER_PAGE = 100
LARGEST_REQUEST = 512 * 1024 * 1024  # bytes: a push of a source archive
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Fault:
    """A failure to answer with, for tests: which requests, what answer, how often more."""

    method: str
    path: re.Pattern[str]
    status: int
    message: str
    headers: dict[str, str]
    times: int


@dataclass(slots=True)
class Traffic:
    """The requests that the API answered, and the faults it is still to answer with."""

    requests: list[tuple[str, str, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def meet_fault(self, request: web.Request) -> None:
        """Raises the ApiError that the next request like this one is to be answered with."""
        for fault in self.faults:
            if fault.times > 0 and fault.method in ("*", request.method):
                if fault.path.search(request.path_qs) is None:
                    continue
                fault.times -= 1
                raise ApiError(fault.status, fault.message, headers=fault.headers)


TRAFFIC: web.AppKey[Traffic] = web.AppKey("traffic", Traffic)


def slice_of(items: Sequence[Any], page: int, per_page: int) -> tuple[Sequence[Any], int]:
    """One page of a list, and the number of the last page."""
    per_page = min(per_page, MOST_PER_PAGE)
    return items[(page - 1) * per_page : page * per_page], max(1, -(-len(items) // per_page))


def link_header(request: web.Request, targets: Mapping[str, int], **query: str) -> str:
    """The Link header to other pages, by their relation; `query` is added to their addresses."""
    return ", ".join(
        f'<{request.url.update_query(page=str(number), **query)}>; rel="{name}"'
        for name, number in targets.items()
    )
