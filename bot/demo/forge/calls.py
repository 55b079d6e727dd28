"""The part of a request about a repository that is the same in the API of every forge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError
from bot.demo.forge.state import State
from bot.demo.forge.values import Json, Pull, Repository


@dataclass(frozen=True, slots=True)
class RepositoryCall:
    """A request about a repository, by a caller who may do there what it wants."""

    request: web.Request
    repository: Repository
    body: Json

    @property
    def state(self) -> State:
        """All that the forge has."""
        return self.request.app[STATE]

    def pull_at(self, name: str, absent: ApiError) -> Pull:
        """The pull request whose number the path has under a name; `absent` where there is none."""
        found = self.state.pull(self.repository, int(self.request.match_info[name]))
        if found is None:
            raise absent
        return found


_C = TypeVar("_C", bound=RepositoryCall)
_Function = Callable[[_C], Awaitable[web.Response]]


class Endpoint(Protocol[_C]):
    """Serves a call below a repository's path, for who has the role.

    `known` are the parameters of a GET, or the fields of a body, that the description lists.
    """

    def __call__(
        self, routes: web.RouteTableDef, method: str, path: str, *known: str, role: str = "read"
    ) -> Callable[[_Function[_C]], _Function[_C]]:
        """The decorator of what answers."""
        ...


def endpoint_below(
    prefix: str, call_of: Callable[[web.Request, Sequence[str], str], Awaitable[_C]]
) -> Endpoint[_C]:
    """The endpoints below the path of a repository; `call_of` has the call of a request with its
    known names and the least role, or raises ApiError."""

    def endpoint(
        routes: web.RouteTableDef, method: str, path: str, *known: str, role: str = "read"
    ) -> Callable[[_Function[_C]], _Function[_C]]:
        def decorate(function: _Function[_C]) -> _Function[_C]:
            async def handle(request: web.Request) -> web.StreamResponse:
                return await function(await call_of(request, known, role))

            routes.route(method, prefix + path)(handle)
            return function

        return decorate

    return endpoint
