"""GitLab's REST API through python-gitlab: threads, retries, and errors as ForgeError. See
https://docs.gitlab.com/api/rest/ (keyset and offset pages, redirects of renamed projects) and
https://docs.gitlab.com/security/rate_limits/ (429 with Retry-After or RateLimit-Reset)."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import gitlab
import requests
from gitlab.exceptions import GitlabError, GitlabGetError, RedirectError

from bot.errors import MinimizeError, reason_of
from bot.forge.gitlab.events import rfc3339
from bot.forge.rate_limit import RateLimit, requested_wait
from bot.forge.values import (
    ForgeError,
    ForgeGoneError,
    ForgeRefusedError,
    OpenPull,
    PullRequest,
    PullRequestKey,
    error_of_status,
    remember,
    unexpected_answer,
)
from bot.outbound.sessions import outbound_session
from bot.settings.forges import Secret, secret_text
from bot.telemetry.metrics import forge_answered

LOG = logging.getLogger(__name__)
T = TypeVar("T")
USER_AGENT = "minimize"
_TIMEOUT = 30.0
_THREADS = 4
_ATTEMPTS = 4
# For longer waits the engine tries the step again later, which does not block a thread.
_LONGEST_WAIT = 30.0
_MINUTE = 60.0  # the window of GitLab's rate limits
_BUSY_WAIT = 1.0
# How long a project id is cached: workers get no webhooks about renamed projects.
_PROJECT_SECONDS = 600.0


class _WithoutWaiting(gitlab.Gitlab):
    """python-gitlab without its own wait after 429, which could block a thread for an hour."""

    def http_request(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().http_request(*args, **{**kwargs, "obey_rate_limit": False})


class GitLabProjects:
    """A cache of project ids by path, for ten minutes.

    A renamed or moved project keeps its id, and its old path redirects reads to it until another
    project takes that path:
    https://docs.gitlab.com/user/project/repository/#repository-path-changes
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ids: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def learn(self, path: str, number: int) -> None:
        """Remember the id of a project's current path, from a webhook or an answer."""
        remember(self._ids, path, (number, self._clock()))

    def forget(self) -> bool:
        """Forget all projects; return whether any was remembered."""
        had_any = bool(self._ids)
        self._ids.clear()
        return had_any

    def number(self, client: gitlab.Gitlab, path: str) -> int:
        """The id of the project at `path`, requested if it is not cached."""
        entry = self._ids.get(path)
        if entry is not None and self._clock() - entry[1] < _PROJECT_SECONDS:
            return entry[0]
        identity = int(client.projects.get(path).id)
        self.learn(path, identity)
        return identity

    def project(self, client: gitlab.Gitlab, path: str, *, lazy: bool = False) -> Any:
        """The project; `lazy`: as a handle, without its attributes."""
        return client.projects.get(self.number(client, path), lazy=lazy)


class GitLabClient:
    """python-gitlab in threads of its own: one client, and so one connection pool, for each."""

    def __init__(
        self,
        url: str,
        token: Secret,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self.rate_limit = RateLimit("GitLab", _MINUTE)
        self._url = url
        self._token = token
        self._sleep = sleep
        self.projects = GitLabProjects()
        self._local = threading.local()
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

        `again`: the call may be repeated although the first may have been executed. Calls refused
        by a rate limit (429) or a concurrent write (409) were not executed, and are always
        repeated, up to `attempts` times in all. After a 404 the call is made once more if a cached
        project id may be outdated.
        """
        try:
            return await self._attempts(doing, call, again, attempts)
        except ForgeGoneError:
            if attempts == 1 or not self.projects.forget():
                raise
            return await self._attempts(doing, call, again, attempts)

    async def _attempts(
        self, doing: str, call: Callable[[gitlab.Gitlab], T], again: bool, attempts: int
    ) -> T:
        loop = asyncio.get_running_loop()
        for attempt in range(1, attempts + 1):
            try:
                if attempt == 1:
                    self.rate_limit.check(doing)
                return await loop.run_in_executor(self._threads, self._run, doing, call)
            except (ForgeRefusedError, ForgeGoneError):
                raise
            except ForgeError as error:
                limited = error.wait > 0
                wait = max(error.wait, 2.0 ** (attempt - 1))
                if attempt == attempts or wait > _LONGEST_WAIT or not (again or limited):
                    raise
                LOG.info("repeating in %.0f s: %s", wait, error.what)
                await self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        """Cancel queued calls, and wait for running ones, whose requests time out after 30 s."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def _run(self, doing: str, call: Callable[[gitlab.Gitlab], T]) -> T:
        client = self._client()
        self._local.headers = {}
        try:
            return call(client)
        except MinimizeError:
            raise
        except RedirectError as error:
            raise ForgeGoneError(
                f"GitLab has moved what was requested ({doing}): {error}.",
                "The project was renamed; the next delivery names it as it is now.",
            ) from error
        except GitlabError as error:
            raise _forge_error(error, self._local.headers, doing) from error
        except requests.RequestException as error:
            raise ForgeError(
                f"GitLab cannot be reached ({doing}): {type(error).__name__}."
            ) from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise unexpected_answer("GitLab", doing, reason_of(error)) from error

    def _client(self) -> gitlab.Gitlab:
        client: gitlab.Gitlab | None = getattr(self._local, "client", None)
        token = secret_text(self._token)
        if client is None or client.oauth_token != token:
            session = outbound_session()
            session.hooks["response"] += [self._note_headers, _refuse_in_the_clear]
            # Links to further pages are changed to the address in the settings: the token goes
            # nowhere else, and an instance at an internal address can be paged through.
            client = self._local.client = _WithoutWaiting(
                self._url,
                # All kinds of tokens work as bearer tokens, which requests does not send on to
                # another host after a redirect, as it would PRIVATE-TOKEN.
                oauth_token=token,
                timeout=_TIMEOUT,
                per_page=100,
                user_agent=USER_AGENT,
                keep_base_url=True,
                session=session,
            )
        return client

    def _note_headers(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Store an answer's headers with the time to wait: python-gitlab's errors lack them."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        self._local.headers = headers
        self.rate_limit.learn(response.status_code, headers)
        remaining, limit = headers.get("ratelimit-remaining"), headers.get("ratelimit-limit")
        forge_answered(
            urlsplit(response.url).hostname or "", response.status_code, remaining, limit
        )


def _refuse_in_the_clear(response: requests.Response, *_: Any, **__: Any) -> None:
    """Refuse redirects from https to http, which would send the request unencrypted."""
    target = response.headers.get("Location") if response.is_redirect else None
    if target is None:
        return
    schemes = urlsplit(response.url).scheme, urlsplit(urljoin(response.url, target)).scheme
    if schemes == ("https", "http"):
        raise ForgeRefusedError(
            f"GitLab redirects from {response.url} to an address without TLS.",
            "See that its external URL and the settings' api_url are https.",
        )


def _forge_error(error: GitlabError, headers: Mapping[str, str], doing: str) -> MinimizeError:
    status = error.response_code
    answer = str(error)
    if status is None or status < HTTPStatus.BAD_REQUEST:
        return unexpected_answer("GitLab", doing, answer)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT):
        # 409: a concurrent write; this one was not executed.
        busy = status == HTTPStatus.CONFLICT
        wait = _BUSY_WAIT if busy else requested_wait(status, headers) or _BUSY_WAIT
        why = "was busy with another write" if busy else "limits further requests of the bot"
        return ForgeError(
            f"GitLab {why} ({doing}): {answer}.",
            f"It asks to wait {wait:.0f} s.",
            wait,
        )
    return error_of_status(
        "GitLab",
        doing,
        status,
        answer,
        "See that the token is valid, has the scope api, and its user the role Developer there;"
        " an archived project takes nothing.",
    )


# Answers for a project that is not visible to the bot.
_NOT_FOR_US = (401, 403, 404)


def pull_request_of(
    client: gitlab.Gitlab, project: Any, merge: Any, key: PullRequestKey, author_is_bot: bool
) -> PullRequest:
    """The merge request `merge` of `project`; requests its target branch and source project."""
    if not merge.sha:
        raise ForgeError(f"GitLab does not know the head of {key} yet.", "", 2.0)
    branch = project.branches.get(merge.target_branch)
    return PullRequest(
        key=key,
        title=str(merge.title or ""),
        text=str(getattr(merge, "description", None) or ""),
        author=str((merge.author or {}).get("username") or "ghost"),
        author_is_bot=author_is_bot,
        open=merge.state in ("opened", "locked"),
        draft=bool(getattr(merge, "draft", False)),
        private=project.visibility != "public",
        base_ref=str(merge.target_branch),
        base_sha=str(branch.commit["id"]),
        head_sha=str(merge.sha),
        head_repository=path_of(client, merge.source_project_id, project, key),
        url=str(merge.web_url or ""),
        default_branch=str(getattr(project, "default_branch", None) or ""),
        internal=project.visibility == "internal",
        merged=_merge_time(merge),
        merge_sha=_merge_commit(merge),
    )


def _merge_time(merge: Any) -> str:
    merged = merge.state == "merged"
    return rfc3339(str(getattr(merge, "merged_at", None) or "")) if merged else ""


def _merge_commit(merge: Any) -> str:
    """The commit of a merge: of the squash, of the merge, or, if fast-forwarded, the head."""
    if merge.state != "merged":
        return ""
    names = ("merge_commit_sha", "squash_commit_sha", "sha")
    commits = (str(getattr(merge, name, None) or "") for name in names)
    return next((commit for commit in commits if commit), "")


def path_of(client: gitlab.Gitlab, source: Any, project: Any, key: PullRequestKey) -> str | None:
    """The path of the source project; null if it was deleted or is not visible to the bot."""
    if source is None:
        return None
    if int(source) == int(project.id):
        return key.repository
    try:
        return str(client.projects.get(int(source)).path_with_namespace)
    except GitlabGetError as error:
        if error.response_code not in _NOT_FOR_US:
            raise
        return None


def open_pull_of(merge: Mapping[str, Any]) -> OpenPull:
    """An open merge request, from an item of a list."""
    return OpenPull(
        int(merge["iid"]),
        str(merge["sha"]),
        str(merge["target_branch"]),
        rfc3339(str(merge["updated_at"])),
    )
