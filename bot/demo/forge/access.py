"""Authentication and permissions of callers: tokens, App JWTs, roles and App permissions; and the
part of requests about a repository that the APIs of all forges share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar

import jwt
from aiohttp import web

from bot.demo.forge.state import State, StateShapes
from bot.demo.forge.values import (
    ROLES,
    App,
    Comment,
    Installation,
    Json,
    Pull,
    Repository,
    Token,
    User,
    now,
)

STATE: web.AppKey[State] = web.AppKey("state", State)


class ApiError(Exception):
    """A refused request, which each API formats in its own way."""

    def __init__(
        self, status: int, message: str, errors: list[Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    @classmethod
    def of(cls, error: ApiError | web.HTTPException) -> ApiError:
        """Return the refusal for an error, of aiohttp's router too (no such path or method)."""
        return error if isinstance(error, ApiError) else cls(error.status, error.reason)


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: a user, an installation of an App, an App itself, or anonymous."""

    user: User | None = None
    installation: Installation | None = None
    app: App | None = None
    token: Token | None = None


def caller_of(request: web.Request) -> Caller:
    """The caller by the Authorization header; ApiError 401 for invalid credentials.

    Accepted are `token X`, `Bearer X` (a token or an App's JWT) and Basic (the token as password,
    as git sends it); without the header the caller is anonymous.
    """
    state = request.app[STATE]
    header = request.headers.get("Authorization")
    if header is None:
        return Caller()
    scheme, _, credential = header.partition(" ")
    credential = credential.strip()
    if scheme.casefold() == "basic":
        try:
            name, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _bad_credentials() from None
        credential = password if password not in ("", "x-oauth-basic") else name
    elif scheme.casefold() not in ("token", "bearer"):
        raise _bad_credentials()
    if credential.count(".") == 2:
        return Caller(app=_app_of_jwt(credential, state))
    token = state.tokens.get(credential)
    if token is None or (token.expires_at is not None and token.expires_at <= now()):
        raise _bad_credentials()
    return Caller(user=token.user, installation=token.installation, token=token)


def _app_of_jwt(text: str, state: State) -> App:
    """The App that signed a JWT (RS256; `iss` its id or client id; at most ten minutes long)."""
    try:
        issuer = str(jwt.decode(text, options={"verify_signature": False}).get("iss"))
    except jwt.InvalidTokenError:
        raise _bad_jwt("A JSON web token could not be decoded") from None
    app = next((a for a in state.apps if issuer in (str(a.id), a.client_id)), None)
    if app is None:
        raise _bad_jwt("Integration not found")
    try:
        claims = jwt.decode(
            text, app.public_key, algorithms=["RS256"], leeway=5,
            options={"require": ["iat", "exp", "iss"], "verify_iss": False},
        )  # fmt: skip
    except jwt.InvalidTokenError:
        raise _bad_jwt("A JSON web token could not be decoded") from None
    if claims["exp"] - now().timestamp() > 605:
        raise _bad_jwt("'Expiration time' claim ('exp') is too far in the future")
    return app


def _bad_jwt(message: str) -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, message)


def _bad_credentials() -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "Bad credentials")


def may(caller: Caller, repository: Repository, role: str, permission: str) -> bool:
    """Return whether a caller has the role (a user) or the permission (an App, `issues:write`)."""
    if caller.installation is not None:
        token = caller.token
        assert token is not None
        selected = token.repositories is None or repository in token.repositories
        if caller.installation.account is not repository.owner or not selected:
            return not repository.private and permission.endswith(":read")
        name, _, level = permission.partition(":")
        granted = token.permissions.get(name)
        return name == "metadata" or granted == "write" or (granted == "read" and level == "read")
    return ROLES.index(repository.role(caller.user)) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class RepositoryCall:
    """A request about a repository, by a caller with the permission for it."""

    request: web.Request
    repository: Repository
    body: Json

    @property
    def state(self) -> State:
        """The state of the forge."""
        return self.request.app[STATE]

    def pull_at(self, name: str, absent: ApiError) -> Pull:
        """The pull request by the number in the path's part `name`; raises `absent` if missing."""
        pull = self.state.pull(self.repository, int(self.request.match_info[name]))
        if pull is None:
            raise absent
        return pull

    def comment_at(self, name: str, absent: ApiError, *, on_line: bool = False) -> Comment:
        """The comment by the number in the path's part `name`; raises `absent` if missing."""
        number = int(self.request.match_info[name])
        comment = self.state.comment(self.repository, number, on_line=on_line)
        if comment is None:
            raise absent
        return comment

    def commit_at(self, name: str, absent: ApiError) -> str:
        """The commit of the branch, tag or id in the path's part `name`; raises `absent`."""
        git, text = self.repository.git, self.request.match_info[name]
        sha = git.branch(text) or git.resolve(text)
        if sha is None:
            raise absent
        return sha


_S = TypeVar("_S", bound=StateShapes)


@dataclass(frozen=True, slots=True)
class UserCall(RepositoryCall, Generic[_S]):
    """A request with its user, None if anonymous; `shapes` make the API's objects."""

    caller: User | None
    shapes: _S

    @property
    def user(self) -> User:
        """The calling user; ApiError 401 for anonymous callers."""
        if self.caller is None:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "401 Unauthorized")
        return self.caller

    def has(self, role: str) -> bool:
        """Return whether the caller has the role or a higher one."""
        return ROLES.index(self.repository.role(self.caller)) >= ROLES.index(role)


_C = TypeVar("_C", bound=RepositoryCall)
_Function = Callable[[_C], Awaitable[web.Response]]


class Endpoint(Protocol[_C]):
    """Function that registers a handler below a repository's path, for callers with the role.

    `names` are the parameters of a GET, or the fields of a body, in the API's description.
    """

    def __call__(
        self, routes: web.RouteTableDef, method: str, path: str, *names: str, role: str = "read"
    ) -> Callable[[_Function[_C]], _Function[_C]]:
        """A decorator of the handler."""
        ...


def endpoint_below(
    prefix: str, call_of: Callable[[web.Request, Sequence[str], str], Awaitable[_C]]
) -> Endpoint[_C]:
    """The Endpoint for the path of a repository; `call_of` makes the call of a request, given the
    names that it may have and the least role, or raises ApiError."""

    def endpoint(
        routes: web.RouteTableDef, method: str, path: str, *names: str, role: str = "read"
    ) -> Callable[[_Function[_C]], _Function[_C]]:
        def decorate(function: _Function[_C]) -> _Function[_C]:
            async def handle(request: web.Request) -> web.StreamResponse:
                return await function(await call_of(request, names, role))

            routes.route(method, prefix + path)(handle)
            return function

        return decorate

    return endpoint
