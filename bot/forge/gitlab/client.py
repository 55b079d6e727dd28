"""GitLab's REST API through python-gitlab: threads, retries, and errors as ForgeError.

Facts: https://docs.gitlab.com/api/rest/ (keyset and offset pages, redirects of renamed projects)
and https://docs.gitlab.com/security/rate_limits/ (429 with Retry-After or RateLimit-Reset).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import gitlab
import requests
from gitlab.exceptions import GitlabError, RedirectError

from bot.errors import MinimizeError
from bot.forge.values import ForgeError, ForgeGoneError, ForgeRefusedError

LOG = logging.getLogger(__name__)
T = TypeVar("T")
USER_AGENT = "minimize"
_TIMEOUT = 30.0
_THREADS = 4
_ATTEMPTS = 4
# Longer waits are the engine's: it tries the step again later instead of holding a thread.
_LONGEST_WAIT = 30.0
_LIMITED_WAIT = 60.0
_BUSY_WAIT = 1.0


class _Patientless(gitlab.Gitlab):
    """python-gitlab without its own waiting for 429, which would hold a thread for an hour."""

    def http_request(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().http_request(*args, **{**kwargs, "obey_rate_limit": False})


class GitLabClient:
    """python-gitlab in threads of its own: one client, and so one connection pool, for each."""

    def __init__(
        self,
        url: str,
        token: str,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._token = token
        self._sleep = sleep
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(_THREADS, "gitlab")

    async def ask(
        self,
        doing: str,
        call: Callable[[gitlab.Gitlab], T],
        *,
        again: bool = True,
        attempts: int = _ATTEMPTS,
    ) -> T:
        """Run `call` in a thread and return its value; errors become ForgeError or a subclass.

        `again`: whether asking once more is safe though the first time may have been done. What
        was refused for being too much (429), or while another wrote (409), was not done, so that is
        repeated always, up to `attempts` times in all.
        """
        loop = asyncio.get_running_loop()
        for attempt in range(1, attempts + 1):
            try:
                return await loop.run_in_executor(self._threads, self._run, doing, call)
            except (ForgeRefusedError, ForgeGoneError):
                raise
            except ForgeError as error:
                limited = error.wait > 0
                wait = max(error.wait, 2.0 ** (attempt - 1))
                if attempt == attempts or wait > _LONGEST_WAIT or not (again or limited):
                    raise
                LOG.info("GitLab, again in %.0f s: %s", wait, error.what)
                await self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        """Ends the threads once what they do is done (thirty seconds at most)."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def _run(self, doing: str, call: Callable[[gitlab.Gitlab], T]) -> T:
        client = self._client()
        self._own.headers = {}
        try:
            return call(client)
        except MinimizeError:
            raise
        except RedirectError as error:
            raise ForgeGoneError(
                f"GitLab has moved what was asked for ({doing}): {error}.",
                "The project was renamed; the next delivery names it as it is now.",
            ) from error
        except GitlabError as error:
            raise _as_ours(error, self._own.headers, doing) from error
        except requests.RequestException as error:
            raise ForgeError(
                f"GitLab cannot be reached ({doing}): {type(error).__name__}."
            ) from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ForgeError(
                f"GitLab gave an answer that makes no sense ({doing}): {error!r}."
            ) from error

    def _client(self) -> gitlab.Gitlab:
        client: gitlab.Gitlab | None = getattr(self._own, "client", None)
        if client is None:
            session = requests.Session()
            session.hooks["response"] += [self._note_headers, _refuse_in_the_clear]
            # Links to further pages are moved to the address that the settings name: the token
            # goes nowhere else, and an instance behind an inner address can be paged through.
            client = self._own.client = _Patientless(
                self._url,
                # Every kind of token goes as a bearer too, and requests takes that header off
                # where a redirect leads to another host; PRIVATE-TOKEN it would hand on.
                oauth_token=self._token,
                timeout=_TIMEOUT,
                per_page=100,
                user_agent=USER_AGENT,
                keep_base_url=True,
                session=session,
            )
        return client

    def _note_headers(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Store an answer's headers, which hold the wait: python-gitlab's errors lack them."""
        self._own.headers = {name.lower(): value for name, value in response.headers.items()}


def _refuse_in_the_clear(response: requests.Response, *_: Any, **__: Any) -> None:
    """Refuse redirects from https to http, which would send the request in the clear."""
    target = response.headers.get("Location") if response.is_redirect else None
    if target is None:
        return
    schemes = urlsplit(response.url).scheme, urlsplit(urljoin(response.url, target)).scheme
    if schemes == ("https", "http"):
        raise ForgeRefusedError(
            f"GitLab leads from {response.url} to an address without TLS.",
            "See that its external URL and the settings' api_url are https.",
        )


def _as_ours(error: GitlabError, headers: Mapping[str, str], doing: str) -> MinimizeError:
    status = error.response_code
    if status is None:
        return ForgeError(f"GitLab gave an answer that makes no sense ({doing}): {error}.")
    answer = str(error)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT):
        # 409: two wrote at one thing, and ours was turned away undone.
        busy = status == HTTPStatus.CONFLICT
        wait = _BUSY_WAIT if busy else requested_wait(headers)
        why = "was busy with the same" if busy else "has had enough requests from us"
        return ForgeError(
            f"GitLab {why} ({doing}): {answer}.",
            f"It asks to wait {wait:.0f} s.",
            wait,
        )
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return ForgeGoneError(f"GitLab does not have what was asked for ({doing}): {answer}.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return ForgeError(f"GitLab failed ({doing}): {answer}.")
    if status < HTTPStatus.BAD_REQUEST:
        return ForgeError(f"GitLab gave an answer that makes no sense ({doing}): {answer}.")
    return ForgeRefusedError(
        f"GitLab refused ({doing}): {answer}.",
        "See that the token is valid, has the scope api, and its user the role Developer there;"
        " an archived project takes nothing.",
    )


def requested_wait(headers: Mapping[str, str]) -> float:
    """Seconds to wait by a 429 answer; a minute where it names none."""
    for name, value in (("retry-after", 0.0), ("ratelimit-reset", time.time())):
        try:
            return max(1.0, float(headers[name]) - value)
        except (KeyError, ValueError):
            continue
    return _LIMITED_WAIT
