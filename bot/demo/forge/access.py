"""Who calls, and what that caller may do: tokens, App JWTs, roles and App permissions.

The refusals are GitHub's: 401 for credentials that do not work, 404 for what the caller may not
know of, 403 for what it may not do.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import jwt
from aiohttp import web

from bot.demo.forge.state import ROLES, App, Installation, Repository, State, Token, User, now

STATE: web.AppKey[State] = web.AppKey("state", State)


class ApiError(Exception):
    """A refusal, in the shape of GitHub's error bodies."""

    def __init__(
        self, status: int, message: str, errors: list[Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> web.Response:
        body: dict[str, Any] = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        body["documentation_url"] = "https://docs.github.com/rest"
        body["status"] = str(self.status)
        return web.json_response(body, status=self.status, headers=self.headers)


def not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "Not Found")


def invalid(resource: str, field: str, code: str, message: str | None = None) -> ApiError:
    """422 as GitHub says it: which field of which resource, and a code (`missing_field`, ...)."""
    error = {"resource": resource, "field": field, "code": code}
    if message is not None:
        error["message"] = message
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation Failed", [error])


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: a user, an installation of an App, an App itself, or nobody known."""

    user: User | None = None
    installation: Installation | None = None
    app: App | None = None
    token: Token | None = None


def caller_of(request: web.Request) -> Caller:
    """Reads the Authorization header; raises ApiError 401 for credentials that do not work.

    `token X`, `Bearer X` (a token or an App's JWT) and Basic (the token as password, as git
    sends it) are taken; no header is an anonymous caller.
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
    """Return whether a caller has a role (a user) or an App permission such as `issues:write`."""
    if caller.installation is not None:
        token = caller.token
        assert token is not None
        selected = token.repositories is None or repository in token.repositories
        if caller.installation.account is not repository.owner or not selected:
            return not repository.private and permission.endswith(":read")
        name, _, level = permission.partition(":")
        given = token.permissions.get(name)
        return name == "metadata" or given == "write" or (given == "read" and level == "read")
    return ROLES.index(repository.role(caller.user)) >= ROLES.index(role)


def repository_for(
    request: web.Request,
    role: str = "read",
    permission: str = "metadata:read",
    *,
    signed_in: bool = False,
) -> tuple[Repository, Caller]:
    """The request's repository, once the caller may do there what it wants; else ApiError."""
    state = request.app[STATE]
    caller = caller_of(request)
    match = request.match_info
    repository = state.repository(f"{match['owner']}/{match['repo']}")
    if repository is None or not may(caller, repository, "read", "metadata:read"):
        raise not_found()
    if caller.app is not None:
        raise ApiError(
            HTTPStatus.UNAUTHORIZED,
            "A JSON web token cannot be used here; ask for an installation access token",
        )
    if signed_in and caller.user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "Requires authentication")
    if not may(caller, repository, role, permission):
        if caller.installation is not None:
            raise ApiError(HTTPStatus.FORBIDDEN, "Resource not accessible by integration")
        raise ApiError(HTTPStatus.FORBIDDEN, "Must have admin rights to Repository.")
    return repository, caller


def acting_user(caller: Caller) -> User:
    """The account in whose name something is written."""
    if caller.user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "Requires authentication")
    return caller.user


async def json_body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object ({} for an empty body); 400 where it is none."""
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(HTTPStatus.BAD_REQUEST, "Problems parsing JSON")
    return body


def text_field(body: dict[str, Any], field: str, resource: str, *, limit: int | None = None) -> str:
    """A needed text of a body; 422 where it is missing, no text, or longer than `limit`."""
    value = body.get(field)
    if value is None:
        raise invalid(resource, field, "missing_field")
    if not isinstance(value, str):
        raise invalid(resource, field, "invalid")
    if limit is not None and len(value) > limit:
        raise invalid(
            resource, field, "unprocessable", f"{field} is too long (maximum is {limit} characters)"
        )
    return value
