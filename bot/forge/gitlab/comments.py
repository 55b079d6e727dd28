"""The bot's comments on merge requests, their status line, suggestions, and issues on GitLab.

https://docs.gitlab.com/api/notes/, https://docs.gitlab.com/api/issues/. If a fork's commit takes no
status, it is one line of the comment, between two hidden markers. It belongs to one commit: later
texts of the comment include it while that is the head.

Suggestions on lines of the diff are threads:
https://docs.gitlab.com/api/discussions/#merge-requests,
https://docs.gitlab.com/user/project/merge_requests/reviews/suggestions/. A thread follows its line
through later pushes. A withdrawn one is resolved, so that it does not block a merge.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import gitlab
from gitlab.exceptions import GitlabCreateError, GitlabDeleteError

from bot.forge.events import Issue, Issues, IssueText, issue_of
from bot.forge.gitlab.client import GitLabClient
from bot.forge.gitlab.status import DESCRIPTION
from bot.forge.values import (
    NOT_SUGGESTED,
    Comment,
    ForgeError,
    LineSuggestion,
    PullRequestKey,
    StatusReport,
    remember,
    suggestion_body,
    suggestion_in,
    truncated,
)
from bot.report.render import COMMENT_MARKER

_NOT_FOUND = 404
_WORDS = {
    "pending": "is running",
    "success": "succeeded",
    "failure": "failed",
    "neutral": "did not evaluate it",
    "action_required": "waits for somebody to allow it",
}
_BLOCK = re.compile(
    r"<!-- minimize-status (?P<sha>[0-9a-f]{40,64}) -->\n(?P<line>[^\n]*)\n"
    r"<!-- /minimize-status -->\n\n"
)
# The text of a comment that only has the status of a fork's commit.
ALONE = f"{COMMENT_MARKER}\nThis fork takes no commit status from the bot, so it stands here.\n"


class GitLabComments:
    """The bot's notes. `login` gives the bot's account name, `web_url` is the instance's."""

    def __init__(
        self, client: GitLabClient, login: Callable[[gitlab.Gitlab], str], web_url: str
    ) -> None:
        self._client = client
        self._login = login
        self._web_url = web_url
        # Statuses that fork's commits did not take, for later texts of the comment.
        self._untaken: OrderedDict[PullRequestKey, tuple[str, StatusReport]] = OrderedDict()

    def has_status(self, key: PullRequestKey) -> bool:
        """Return whether the comment has a status of this merge request."""
        return key in self._untaken

    def drop_status(self, key: PullRequestKey) -> None:
        """Forget the status of a merge request, whose commit has taken it by now."""
        self._untaken.pop(key, None)

    def notes(self, client: gitlab.Gitlab, key: PullRequestKey) -> Any:
        """The merge request's notes."""
        project = self._client.projects.project(client, key.repository, lazy=True)
        return project.mergerequests.get(key.number, lazy=True).notes

    async def find(self, key: PullRequestKey, marker: str) -> Comment | None:
        """The bot's oldest note with `marker`; those of other accounts are ignored."""

        def read(client: gitlab.Gitlab) -> Comment | None:
            notes = self._own(client, key, marker)
            return _comment(notes[0], key, self._web_url) if notes else None

        return await self._client.ask(f"looking for the comment on {key}", read)

    async def anybody_has(self, key: PullRequestKey, marker: str) -> bool:
        """Return whether there is a note with `marker`, whoever wrote it."""

        def look(client: gitlab.Gitlab) -> bool:
            notes = self.notes(client, key).list(iterator=True, activity_filter="only_comments")
            return any(marker in str(note.body or "") for note in notes)

        return await self._client.ask(f"looking for the comment on {key}", look)

    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Create or edit the bot's note; duplicates are deleted."""
        if marker not in body:
            raise ValueError("the comment does not contain its own marker")

        def look(client: gitlab.Gitlab) -> list[Any]:
            return self._own(client, key, marker)

        def create(client: gitlab.Gitlab) -> None:
            notes = self.notes(client, key)
            notes.create({"body": with_status(body, self._untaken.get(key), None)})

        def settle(client: gitlab.Gitlab) -> Comment:
            # Two runs may have created one at the same moment: the oldest stays, with this text.
            first, *surplus = self._own(client, key, marker)
            for note in surplus:
                _delete(note)
            text = with_status(body, self._untaken.get(key), status_block(first.body))
            if first.body != text:
                first.body = text
                first.save()
            return _comment(first, key, self._web_url)

        doing = f"commenting on {key}"
        if not await self._client.ask(doing, look):
            # Not repeated without looking: it may have been written although the answer was lost.
            await self._client.ask(doing, create, again=False)
        # No second try here: after a wait the caller has to compare the head commit again.
        return await self._client.ask(doing, settle, attempts=1)

    def _own(self, client: gitlab.Gitlab, key: PullRequestKey, marker: str) -> list[Any]:
        """The bot's notes with `marker`, over all pages, oldest first."""
        login = self._login(client).casefold()
        notes = self.notes(client, key).list(
            iterator=True, order_by="created_at", sort="asc", activity_filter="only_comments"
        )
        own = [
            note
            for note in notes
            if str((note.author or {}).get("username") or "").casefold() == login
            and marker in str(note.body or "")
        ]
        return sorted(own, key=lambda note: int(note.id))

    async def put_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Put the status into the bot's comment; if missing, it is created for important states."""
        remember(self._untaken, key, (sha, report))

        def write(client: gitlab.Gitlab) -> bool:
            notes = self._own(client, key, COMMENT_MARKER)
            if not notes:
                return False
            first = notes[0]
            text = with_status(first.body, (sha, report), None)
            if first.body != text:
                first.body = text
                first.save()
            return True

        doing = f"setting the status of {sha[:12]} on {key}"
        if await self._client.ask(doing, write) or report.state in ("pending", "success"):
            return
        await self.put(key, COMMENT_MARKER, ALONE)


def _delete(note: Any) -> None:
    try:
        note.delete()
    except GitlabDeleteError as error:
        if error.response_code != _NOT_FOUND:  # another run has deleted it
            raise


def _comment(note: Any, key: PullRequestKey, web_url: str) -> Comment:
    url = f"{web_url}/{key.repository}/-/merge_requests/{key.number}#note_{note.id}"
    return Comment(str(note.id), url, str(note.body or ""))


def status_line(sha: str, report: StatusReport) -> str:
    """The line (Markdown) of a status. The title is code: mentions and markup have no effect."""
    title = truncated(" ".join(report.title.split()), DESCRIPTION).replace("`", "'")
    link = f" ([details]({report.url}))" if report.url and _plain(report.url) else ""
    word = _WORDS[report.state]
    return f"{_line_start(sha)} {word}: `{title}`{link}"


def _line_start(sha: str) -> str:
    return f"**Status `minimize`** of `{sha[:12]}`"


def status_block(body: str) -> str | None:
    """The status block of a comment, with its markers; None if there is none."""
    match = _BLOCK.search(body)
    return match.group(0) if match else None


def with_status(body: str, untaken: tuple[str, StatusReport] | None, old_block: str | None) -> str:
    """`body` with the status of `untaken` (commit, report), or else `old_block`, in front of it.

    A block in `body` is replaced; without either, `body` is returned unchanged.
    """
    block = old_block
    if untaken is not None:
        sha, report = untaken
        line = status_line(sha, report)
        block = f"<!-- minimize-status {sha} -->\n{line}\n<!-- /minimize-status -->\n\n"
    if block is None:
        return body
    return block + _BLOCK.sub("", body)


def _plain(url: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9._~:/%-]+(\?[A-Za-z0-9._~=%-]+)?", url) is not None


class GitLabIssues(Issues):
    """`login` gives our own account's name."""

    def __init__(self, client: GitLabClient, login: Callable[[gitlab.Gitlab], str]) -> None:
        self._client = client
        self._login = login

    async def own(self, repository: str, marker: str) -> list[Issue]:
        def read(client: gitlab.Gitlab) -> list[Issue]:
            login = self._login(client)
            issues = self._issues(client, repository).list(
                iterator=True,
                author_username=login,
                scope="all",
                order_by="created_at",
                sort="asc",
            )
            own = [
                _issue(issue.attributes)
                for issue in issues
                if str((issue.author or {}).get("username") or "").casefold() == login.casefold()
                and marker in str(issue.description or "")
            ]
            return sorted(own, key=lambda issue: int(issue.id))

        return await self._client.ask(f"looking for the issue in {repository}", read)

    async def create(self, repository: str, text: IssueText) -> Issue:
        def write(client: gitlab.Gitlab) -> Issue:
            fields = {"title": text.title, "description": text.body}
            return _issue(self._issues(client, repository).create(fields).attributes)

        # Not repeated without looking: it may have been written although the answer was lost.
        return await self._client.ask(f"writing the issue in {repository}", write, again=False)

    async def edit(
        self, repository: str, issue: Issue, text: IssueText, *, surplus: bool = False
    ) -> Issue:
        del surplus  # GitLab has no reason for closing an issue
        fields = {"title": text.title, "description": text.body}
        if text.state is not None and text.state != issue.state:
            fields["state_event"] = "close" if text.state == "closed" else "reopen"

        def write(client: gitlab.Gitlab) -> Issue:
            return _issue(self._issues(client, repository).update(int(issue.id), fields))

        return await self._client.ask(f"writing the issue in {repository}", write)

    def _issues(self, client: gitlab.Gitlab, repository: str) -> Any:
        return self._client.projects.project(client, repository, lazy=True).issues


_issue = partial(issue_of, number="iid", url="web_url", body="description")


LOG = logging.getLogger(__name__)
# The line itself alone, none above and none below it.
_FENCE = "suggestion:-0+0"


class GitLabSuggestions:
    """`login` gives our own account's name."""

    def __init__(self, client: GitLabClient, login: Callable[[gitlab.Gitlab], str]) -> None:
        self._client = client
        self._login = login

    async def put(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Create missing suggestions, edit existing ones, and resolve all others."""
        doing = f"suggesting on {key}"

        def settle(client: gitlab.Gitlab) -> list[LineSuggestion]:
            merge = self._merge(client, key, lazy=True)
            pending = {suggestion.name: suggestion for suggestion in suggestions}
            for thread, note in _own(merge, self._login(client).casefold()):
                suggestion = pending.get(suggestion_in(str(note["body"])) or "")
                if suggestion is not None and _is_at(note.get("position") or {}, sha, suggestion):
                    del pending[suggestion.name]
                    _edit(thread, note, suggestion_body(suggestion, _FENCE))
                elif not note.get("resolved"):
                    _edit(thread, note, NOT_SUGGESTED)
                    merge.discussions.update(thread.id, {"resolved": True})
            return list(pending.values())

        def create(client: gitlab.Gitlab) -> None:
            merge = self._merge(client, key)
            if merge.diff_refs["head_sha"] != sha:
                raise ForgeError(f"GitLab does not have the diff of {sha[:12]} yet ({doing}).")
            for suggestion in missing:
                _create(merge, key, suggestion)

        # No second try: after a wait the caller has to compare the head commit again.
        missing = await self._client.ask(doing, settle, attempts=1)
        if missing:
            # Not repeated without looking: they may have been written although the answer was lost.
            await self._client.ask(doing, create, again=False)

    def _merge(self, client: gitlab.Gitlab, key: PullRequestKey, *, lazy: bool = False) -> Any:
        project = self._client.projects.project(client, key.repository, lazy=True)
        return project.mergerequests.get(key.number, lazy=lazy)


def _own(merge: Any, login: str) -> Iterable[tuple[Any, Mapping[str, Any]]]:
    """The bot's threads with a suggestion, each with its first note."""
    for thread in merge.discussions.list(iterator=True):
        notes = thread.attributes["notes"]
        author = str((notes[0].get("author") or {}).get("username") or "") if notes else ""
        if author.casefold() == login and suggestion_in(str(notes[0].get("body") or "")):
            yield thread, notes[0]


def _is_at(position: Mapping[str, Any], sha: str, suggestion: LineSuggestion) -> bool:
    """Return whether a thread is on the suggestion's line: outdated ones are of an old commit."""
    place = tuple(position.get(name) for name in ("head_sha", "new_path", "new_line"))
    return place == (sha, suggestion.path, suggestion.line)


def _edit(thread: Any, note: Mapping[str, Any], body: str) -> None:
    if note["body"] != body:
        thread.notes.update(note["id"], {"body": body})


def _create(merge: Any, key: PullRequestKey, suggestion: LineSuggestion) -> None:
    position = {
        **{name: merge.diff_refs[name] for name in ("base_sha", "start_sha", "head_sha")},
        "position_type": "text",
        "new_path": suggestion.path,
        "new_line": suggestion.line,
        "old_path": suggestion.base_path,
    }
    if suggestion.base_line is not None:
        # A line that is on both sides is given with both numbers.
        position["old_line"] = suggestion.base_line
    try:
        merge.discussions.create(
            {"body": suggestion_body(suggestion, _FENCE), "position": position}
        )
    except GitlabCreateError as error:
        if error.response_code != HTTPStatus.BAD_REQUEST:
            raise
        # "must be a valid line code": GitLab shows less context than expected.
        place = f"{suggestion.path}:{suggestion.line}"
        LOG.info("%s takes no suggestion on %s: %s", key, place, error)
