"""The REST API of GitHub and of forges that are like it, through gidgethub.

Connections, retries, rate limits, and errors as ForgeError. gidgethub does tokens, JSON and pages
by Link headers, which Forgejo and Gitea have too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Protocol
from urllib.parse import quote
from weakref import WeakKeyDictionary

import aiohttp
import gidgethub
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from gidgethub.abc import GitHubAPI
from yarl import URL

from bot.errors import reason_of
from bot.forge.rate_limit import RateLimit, requested_wait
from bot.forge.values import ForgeError, error_of_status, unexpected_answer
from bot.outbound.authorities import tls_context
from bot.outbound.proxies import proxy_url
from bot.telemetry.metrics import forge_answered

LOG = logging.getLogger(__name__)
USER_AGENT = "minimize"
# For longer waits the engine tries the step again later, which does not hold a connection.
_LONGEST_WAIT = 30.0
ATTEMPTS = 4  # tries of a request by default
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_MOVED = {301, 302, 307, 308}
_REDIRECTS = 4
_ERROR_BYTES = 2000
# Repeating a request that may have been executed is safe for all methods but POST.
_SAFE_AGAIN = {"GET", "PATCH", "PUT", "DELETE"}


class RestClient(GitHubAPI):
    """gidgethub's API with waits for rate limits, retries, and one session.

    `forge` is the name in errors, `headers` are sent with every request.
    """

    forge = "The forge"
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_url: str,
        app_id: str | None = None,
        private_key: RSAPrivateKey | None = None,
        renew: Callable[[], Awaitable[str]] | None = None,
        attempts: int = ATTEMPTS,
        rate_limit: RateLimit | None = None,
    ) -> None:
        """`renew` returns a new token if the forge rejects one before its expiry; `attempts` is the
        most tries of a request, `rate_limit` the credential's."""
        # PyJWT, which signs with it, takes a parsed key as well as text.
        signing: Any = private_key
        super().__init__(USER_AGENT, base_url=api_url, app_id=app_id, private_key=signing)
        self._session = session
        self._renew = renew
        self._attempts = attempts
        self._limit = rate_limit or RateLimit(self.forge)

    async def sleep(self, seconds: float) -> None:
        """Sleep; called by gidgethub."""
        await asyncio.sleep(seconds)

    def address(self, url: str) -> str:
        """The address to request for `url`, which may come from a Link header.

        gidgethub's error if it is another host's, which would receive the credential.
        """
        if URL(url).origin() != URL(self.base_url).origin():
            raise gidgethub.GitHubException(f"its next page is at {URL(url).origin()}")
        return url

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = self.address(url)
        headers = {**headers, **self.headers}
        if self._limit.wait > _LONGEST_WAIT:
            self._limit.check(f"{method} {URL(url).path}")
        if self._limit.wait > 0:
            await self.sleep(self._limit.wait)
        for attempt in range(1, self._attempts + 1):
            try:
                answer = await self._once(method, url, headers, body)
                if answer[0] != HTTPStatus.UNAUTHORIZED or self._renew is None:
                    return answer
                # Not executed, so repeating is safe for POST too; once, with a new token.
                renewed = {**headers, "authorization": f"token {await self._renew()}"}
                return await self._once(method, url, renewed, body)
            except (aiohttp.ClientError, TimeoutError) as error:
                if method not in _SAFE_AGAIN or attempt == self._attempts:
                    raise
                LOG.info("%s %s: %s, trying again", method, url, type(error).__name__)
                await self.sleep(0.5 * 2**attempt)
        raise AssertionError("unreachable")

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request; a renamed repository's redirect is followed with the same method.

        Redirects to other hosts are not followed, as they would receive the credential.
        """
        target = URL(url)
        for _ in range(_REDIRECTS):
            async with self._session.request(
                method,
                target,
                headers=headers,
                data=body,
                allow_redirects=False,
                proxy=proxy_url(str(target)),
            ) as response:
                content = await response.read()
                location = response.headers.get("Location")
                if response.status not in _MOVED or location is None:
                    break
                redirect = target.join(URL(location))
                if redirect.origin() != target.origin():
                    break
                target = redirect
        is_error = response.status >= HTTPStatus.BAD_REQUEST
        text = content[:_ERROR_BYTES].decode(errors="replace") if is_error else ""
        self._limit.learn(response.status, response.headers, text)
        response_headers = response.headers
        remaining, limit = (
            response_headers.get("x-ratelimit-remaining"),
            response_headers.get("x-ratelimit-limit"),
        )
        forge_answered(target.host or "", response.status, remaining, limit)
        return response.status, response_headers, content

    async def handle_rate_limit_error(
        self, *, method: str, url: str, exception: gidgethub.HTTPException, attempt: int
    ) -> bool:
        """Return whether to try again: after a rate limit or a 5xx. A wait that the forge asks for
        is applied before the next request of any caller."""
        if attempt >= self._attempts:
            return False
        if _wait_of(exception) is not None:
            return self._limit.wait <= _LONGEST_WAIT
        broken = exception.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        if not broken or method not in _SAFE_AGAIN:
            return False
        LOG.info("%s %s: %s, trying again", method, url, exception.status_code)
        await self.sleep(0.5 * 2**attempt)
        return True


def _wait_of(exception: gidgethub.HTTPException) -> float | None:
    headers = {name.lower(): value for name, value in (exception.headers or {}).items()}
    return requested_wait(exception.status_code, headers, str(exception))


def quoted(segment: str) -> str:
    """A quoted path segment: braces and slashes of a hostile name cannot make another path."""
    return quote(segment, safe="")


@dataclass(frozen=True, slots=True)
class RepositoryApi:
    """The API below a repository's path, with a token for it; paths begin with a slash."""

    client: RestClient
    token: str = field(repr=False)
    repository: str

    def path(self, rest: str) -> str:
        """The whole path."""
        owner, _, name = self.repository.partition("/")
        return f"/repos/{quoted(owner)}/{quoted(name)}{rest}"

    async def get(self, rest: str) -> Any:
        return await self.client.getitem(self.path(rest), oauth_token=self.token)

    async def post(self, rest: str, data: Mapping[str, Any]) -> Any:
        return await self.client.post(self.path(rest), data=data, oauth_token=self.token)

    async def patch(self, rest: str, data: Mapping[str, Any]) -> Any:
        return await self.client.patch(self.path(rest), data=data, oauth_token=self.token)

    async def delete(self, rest: str) -> None:
        await self.client.delete(self.path(rest), oauth_token=self.token)

    async def look_up(self, path: str, *nothing: HTTPStatus) -> Any:
        """The answer of a whole path; null where the forge says 404, or one of `nothing`."""
        try:
            return await self.client.getitem(path, oauth_token=self.token)
        except gidgethub.HTTPException as error:
            if error.status_code not in (HTTPStatus.NOT_FOUND, *nothing):
                raise
            return None

    def pages(self, rest: str, key: str = "items") -> AsyncIterator[Any]:
        """The items of a list over all pages; `key` is the field with the list, if it is in one."""
        return self.client.getiter(self.path(rest), oauth_token=self.token, iterable_key=key)


class OpenApi(Protocol):
    """Function that returns the API of a repository (owner/name), with a current token."""

    async def __call__(self, repository: str, *, attempts: int = 4) -> RepositoryApi: ...


@asynccontextmanager
async def errors_of(forge: str, hint: str, doing: str) -> AsyncIterator[None]:
    """Convert errors of gidgethub and aiohttp to ForgeError and its subclasses.

    `hint` is the remedy if the forge refuses.
    """
    try:
        yield
    except gidgethub.HTTPException as error:
        status = error.status_code
        answer = f"{status.value} {error}" if str(error) else f"{status.value} {status.phrase}"
        wait = _wait_of(error)
        if wait is not None:
            raise ForgeError(
                f"{forge} limits further requests of the bot ({doing}): {answer}.",
                f"It asks to wait {wait:.0f} s.",
                wait,
            ) from error
        raise error_of_status(forge, doing, status, answer, hint) from error
    except gidgethub.GitHubException as error:
        raise unexpected_answer(forge, doing, str(error)) from error
    except (LookupError, TypeError, ValueError) as error:
        raise unexpected_answer(forge, doing, reason_of(error)) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ForgeError(
            f"{forge} cannot be reached ({doing}): {type(error).__name__} {error}".rstrip() + "."
        ) from error


class Sessions:
    """A connection pool for each event loop: the server's and the engine's."""

    def __init__(self) -> None:
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            WeakKeyDictionary()
        )

    def get(self) -> aiohttp.ClientSession:
        """The session of the running event loop, made at its first use."""
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            session = self._sessions[loop] = aiohttp.ClientSession(
                timeout=_TIMEOUT, connector=aiohttp.TCPConnector(ssl=tls_context())
            )
        return session

    async def close(self) -> None:
        """Close every session, each on its own event loop: to be called while those still run."""
        own_loop = asyncio.get_running_loop()
        for loop, session in list(self._sessions.items()):
            if loop is own_loop:
                await session.close()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(session.close(), loop)
                await asyncio.wrap_future(closing)
        self._sessions.clear()
