"""The checks of a commit on GitHub, and the bot's own: a check run or a commit status.

The latter if the bot may not make check runs; a commit has one of the two.
https://docs.github.com/en/rest/checks/runs, https://docs.github.com/en/rest/commits/statuses
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NotRequired, TypeVar

from typing_extensions import TypedDict

from bot.forge.github.client import github_errors
from bot.forge.rest import OpenApi, RepositoryApi, quoted
from bot.forge.values import (
    STATUS_NAME,
    CheckState,
    CommitCheck,
    ForgeGoneError,
    ForgeRefusedError,
    PullRequestKey,
    StatusReport,
    remember,
    status_fields,
)
from bot.report.annotations import Annotation

LOG = logging.getLogger(__name__)
T = TypeVar("T")
_DESCRIPTION = 140  # characters of a commit status
_TEXT = 65_000  # characters of a check run's summary; GitHub takes 65,535
_ANNOTATIONS = 50  # annotations that GitHub takes in one request
_PAUSE = 1.0  # seconds before a refused request is repeated
# GitHub's answer to an App without the permission for check runs, or to a token.
_NOT_ALLOWED = re.compile(
    r"403 .*(resource not accessible|must authenticate via a github app)", re.IGNORECASE
)
StatusKind = Literal["run", "status"]


class _Note(TypedDict):
    path: str
    start_line: int
    end_line: int
    annotation_level: str
    title: str
    message: str


class _Output(TypedDict):
    title: str
    summary: str
    annotations: NotRequired[list[_Note]]


class _CheckRun(TypedDict):
    """A check run as we write it; fields without a value stay out."""

    name: str
    external_id: str
    status: str
    output: _Output
    details_url: NotRequired[str]
    conclusion: NotRequired[str]


# A run that waits for somebody's click may still succeed.
_WAITING = ("action_required",)


class GitHubStatus:
    """The bot's statuses of commits; remembers which of the two kinds recent commits have."""

    def __init__(
        self,
        api: OpenApi,
        login: Callable[[], Awaitable[str]],
        app_id: str | None,
        *,
        pause: float = _PAUSE,
    ) -> None:
        """`api` gives the API of a repository, `login` the bot's account name; `pause` is the
        seconds before a refused request is repeated."""
        self._api = api
        self._login = login
        self._app_id = app_id
        self._pause = pause
        self._kinds: OrderedDict[tuple[str, str], StatusKind] = OrderedDict()

    async def set(
        self, key: PullRequestKey, sha: str, report: StatusReport, *, fall_back: bool
    ) -> None:
        """Set the bot's check run. `fall_back`: or a commit status, if the bot may not make check
        runs. The fallback is for this commit alone, and never for one with a check run of the bot.

        ForgeRefusedError if the check run is refused twice for another reason.
        """
        if fall_back and self._kinds.get((key.repository, sha)) == "status":
            await self.set_commit_status(key, sha, report)
            return
        try:
            kind = await self._set_check_run(key, sha, report, fall_back=fall_back)
        except ForgeRefusedError as error:
            has_run = self._kinds.get((key.repository, sha)) == "run"
            if has_run or not fall_back or not _NOT_ALLOWED.search(error.what):
                raise
            LOG.warning("%s This commit gets a commit status.", error)
            kind = "status"
        if kind == "status":
            await self.set_commit_status(key, sha, report)
        self._remember(key, sha, kind)

    async def set_commit_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Set the bot's commit status."""
        data = status_fields(report, "context", _DESCRIPTION)
        api = await self._api(key.repository)
        # Each write is an entry, of which GitHub allows a thousand.
        newest = await self._commit_status(key, sha)
        if newest is not None and all((newest.get(n) or None) == v for n, v in data.items()):
            return
        await api.post(f"/statuses/{sha}", data)

    async def _set_check_run(
        self, key: PullRequestKey, sha: str, report: StatusReport, *, fall_back: bool
    ) -> StatusKind:
        """Set the check run; return the kind that the commit has (`status`: it has a commit
        status)."""
        data: _CheckRun = {
            "name": STATUS_NAME,
            "external_id": report.check,
            "status": "in_progress" if report.state == "pending" else "completed",
            "output": {"title": report.title[:255], "summary": report.summary[:_TEXT]},
        }
        if report.url:
            data["details_url"] = report.url
        if report.state != "pending":
            data["conclusion"] = report.state
        notes = [] if report.state == "pending" else [_annotation(a) for a in report.annotations]
        runs = await self._with_fallback(
            f"listing the check runs of {sha[:12]} on {key}", lambda _: self._check_runs(key, sha)
        )
        if runs:
            self._remember(key, sha, "run")
            # GitHub shows the newest of a name; others are of an old release, which made one for
            # each check, or of an interrupted write.
            *older, run = runs
            await self._edit(key, run, data, notes)
            for old_run in older:
                if report.state != "pending" and old_run.get("status") != "completed":
                    await self._patch(key, old_run, data, [])
            return "run"
        if fall_back and await self._has_commit_status(key, sha):
            return "status"
        created, complete = await self._create(key, sha, data, notes[:_ANNOTATIONS])
        self._remember(key, sha, "run")
        if complete:
            await self._add(key, created, data, notes[_ANNOTATIONS:])
        return "run"

    async def _edit(
        self, key: PullRequestKey, run: Any, data: _CheckRun, notes: list[_Note]
    ) -> None:
        if not notes and _is_same(run, data):
            return
        # GitHub appends annotations: an earlier try may have sent some.
        count = min(int((run.get("output") or {}).get("annotations_count") or 0), len(notes))
        first, rest = notes[count : count + _ANNOTATIONS], notes[count + _ANNOTATIONS :]
        if await self._patch(key, run, data, first):
            await self._add(key, run, data, rest)

    async def _add(
        self, key: PullRequestKey, run: Any, data: _CheckRun, notes: list[_Note]
    ) -> None:
        for start in range(0, len(notes), _ANNOTATIONS):
            if not await self._patch(key, run, data, notes[start : start + _ANNOTATIONS]):
                return

    async def _create(
        self, key: PullRequestKey, sha: str, data: _CheckRun, notes: list[_Note]
    ) -> tuple[Any, bool]:
        """Create the check run; return it, and whether its annotations were taken."""

        async def send(first: bool) -> tuple[Any, bool]:
            output = _output(data, notes if first else [])
            api = await self._api(key.repository)
            run = await api.post("/check-runs", {**data, "head_sha": sha, "output": output})
            return run, first or not notes

        return await self._write(f"making the check run of {sha[:12]} on {key}", send)

    async def _patch(
        self, key: PullRequestKey, run: Any, data: _CheckRun, notes: list[_Note]
    ) -> bool:
        """Edit the check run; return whether its annotations were taken."""

        async def send(first: bool) -> bool:
            output = _output(data, notes if first else [])
            api = await self._api(key.repository)
            await api.patch(f"/check-runs/{run['id']}", {**data, "output": output})
            return first or not notes

        return await self._write(f"editing the check run {run['id']} of {key}", send)

    async def _write(self, doing: str, send: Callable[[bool], Awaitable[T]]) -> T:
        """Send with annotations, or, if refused, without. As the commit exists, 404 is a
        refusal."""
        try:
            return await self._with_fallback(doing, send)
        except ForgeGoneError as error:
            raise ForgeRefusedError(error.what, error.hint) from error

    async def _with_fallback(self, doing: str, call: Callable[[bool], Awaitable[T]]) -> T:
        """Call with True, or, if refused, after a pause with False. Refused calls have no
        effect."""
        try:
            async with github_errors(doing):
                return await call(True)
        except (ForgeRefusedError, ForgeGoneError) as error:
            LOG.info("%s is repeated: %s", doing, error.what)
        await asyncio.sleep(self._pause)
        async with github_errors(doing):
            return await call(False)

    async def _check_runs(self, key: PullRequestKey, sha: str) -> list[Any]:
        """The bot's check runs on a commit, oldest first; normally one."""
        api = await self._api(key.repository)
        query = f"check_name={STATUS_NAME}&filter=all&per_page=100"
        if self._app_id is not None:
            query += f"&app_id={self._app_id}"
        runs = [
            run
            async for run in api.pages(f"/commits/{sha}/check-runs?{query}", "check_runs")
            if run.get("name") == STATUS_NAME and self._is_ours(run)
        ]
        return sorted(runs, key=lambda run: int(run["id"]))

    def _is_ours(self, run: Any) -> bool:
        app = (run.get("app") or {}).get("id")
        return app is None or self._app_id is None or str(app) == self._app_id

    async def _has_commit_status(self, key: PullRequestKey, sha: str) -> bool:
        """Return whether the commit has a commit status of the bot."""
        try:
            async with github_errors(f"listing the statuses of {sha[:12]} on {key}"):
                status = await self._commit_status(key, sha)
                if status is None:
                    return False
                author = str((status.get("creator") or {}).get("login") or "")
                return author.lower() == (await self._login()).lower()
        except (ForgeRefusedError, ForgeGoneError):
            return False  # without the permission to read them the bot has made none

    async def _commit_status(self, key: PullRequestKey, sha: str) -> Any:
        """The newest commit status with the bot's name, or None."""
        api = await self._api(key.repository)
        async for status in api.pages(f"/commits/{sha}/statuses?per_page=100"):  # newest first
            if status.get("context") == STATUS_NAME:
                return status
        return None

    def _remember(self, key: PullRequestKey, sha: str, kind: StatusKind) -> None:
        remember(self._kinds, (key.repository, sha), kind)


def _output(data: _CheckRun, notes: list[_Note]) -> _Output:
    output = data["output"]
    return {**output, "annotations": notes} if notes else output


def _annotation(note: Annotation) -> _Note:
    return {
        "path": note.path,
        "start_line": note.line,
        "end_line": note.line,
        "annotation_level": note.level,
        "title": note.title[:255],
        "message": note.message[:_TEXT],
    }


def _is_same(run: Any, data: _CheckRun) -> bool:
    """Return whether a check run is the same already."""
    output = run.get("output") or {}
    # The id of another check is a change: after Re-run, GitHub waits for a write.
    names = ("external_id", "status", "conclusion", "details_url")
    same = all(run.get(name) == data.get(name) for name in names)
    return same and all(output.get(name) == text for name, text in data["output"].items())


async def checks_of_commit(api: RepositoryApi, sha: str) -> list[CommitCheck]:
    """The newest check run of each App and name, then the newest status of each context."""
    commit = f"/commits/{quoted(sha)}"
    runs = api.pages(f"{commit}/check-runs?filter=latest&per_page=100", "check_runs")
    checks = [_of_run(run) async for run in runs]
    statuses = api.pages(f"{commit}/status?per_page=100", "statuses")
    return checks + [_of_status(status) async for status in statuses]


def _of_run(run: Mapping[str, Any]) -> CommitCheck:
    word = str(run.get("conclusion") or run["status"])
    state: CheckState = "failure"
    if run["status"] != "completed" or word in _WAITING:
        state = "pending"
    elif word == "success":
        state = "success"
    url = run.get("details_url") or run.get("html_url") or ""
    return CommitCheck(str(run["name"]), state, word, str(url))


def _of_status(status: Mapping[str, Any]) -> CommitCheck:
    word = str(status["state"])
    state: CheckState = "failure"
    if word in ("pending", "success"):
        state = "pending" if word == "pending" else "success"
    return CommitCheck(str(status["context"]), state, word, str(status.get("target_url") or ""))
