"""Our suggestions on lines of a merge request's diff on GitLab, as threads.

https://docs.gitlab.com/api/discussions/#merge-requests,
https://docs.gitlab.com/user/project/merge_requests/reviews/suggestions/. A thread follows its line
through later pushes. One that is not wanted any more is resolved, so that it holds up no merge.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import gitlab
from gitlab.exceptions import GitlabCreateError

from bot.forge.gitlab.client import GitLabClient
from bot.forge.values import (
    NOT_SUGGESTED,
    ForgeError,
    LineSuggestion,
    PullRequestKey,
    suggestion_body,
    suggestion_in,
)

LOG = logging.getLogger(__name__)
# The line itself alone, none above and none below it.
_BLOCK = "suggestion:-0+0"


class GitLabSuggestions:
    """`login` gives our own account's name."""

    def __init__(self, client: GitLabClient, login: Callable[[gitlab.Gitlab], str]) -> None:
        self._client = client
        self._login = login

    async def put(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Write those that are not there, edit those that are, and resolve all others."""
        doing = f"suggesting on {key}"

        def settle(client: gitlab.Gitlab) -> list[LineSuggestion]:
            merge = self._merge(client, key, lazy=True)
            wanted = {one.name: one for one in suggestions}
            for thread, note in _own(merge, self._login(client).casefold()):
                one = wanted.get(suggestion_in(str(note["body"])) or "")
                if one is not None and _is_at(note.get("position") or {}, sha, one):
                    del wanted[one.name]
                    _edit(thread, note, suggestion_body(one, _BLOCK))
                elif not note.get("resolved"):
                    _edit(thread, note, NOT_SUGGESTED)
                    merge.discussions.update(thread.id, {"resolved": True})
            return list(wanted.values())

        def create(client: gitlab.Gitlab) -> None:
            merge = self._merge(client, key)
            if merge.diff_refs["head_sha"] != sha:
                raise ForgeError(f"GitLab has not got the diff of {sha[:12]} yet ({doing}).")
            for one in missing:
                _create(merge, key, one)

        # No second try: whoever waited must look at the head again before writing.
        missing = await self._client.ask(doing, settle, attempts=1)
        if missing:
            # They may have been written although the answer was lost: not without looking.
            await self._client.ask(doing, create, again=False)

    def _merge(self, client: gitlab.Gitlab, key: PullRequestKey, *, lazy: bool = False) -> Any:
        project = self._client.projects.project(client, key.repository, lazy=True)
        return project.mergerequests.get(key.number, lazy=lazy)


def _own(merge: Any, login: str) -> Iterable[tuple[Any, Mapping[str, Any]]]:
    """Our threads with a suggestion, each with its first note."""
    for thread in merge.discussions.list(iterator=True):
        notes = thread.attributes["notes"]
        author = str((notes[0].get("author") or {}).get("username") or "") if notes else ""
        if author.casefold() == login and suggestion_in(str(notes[0].get("body") or "")):
            yield thread, notes[0]


def _is_at(position: Mapping[str, Any], sha: str, suggestion: LineSuggestion) -> bool:
    """Return whether a thread is on the suggestion's line: an outdated one has an old commit."""
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
        # A line that both sides have is named on both.
        position["old_line"] = suggestion.base_line
    try:
        merge.discussions.create(
            {"body": suggestion_body(suggestion, _BLOCK), "position": position}
        )
    except GitlabCreateError as error:
        if error.response_code != HTTPStatus.BAD_REQUEST:
            raise
        # "must be a valid line code": GitLab shows less of the diff than we thought.
        place = f"{suggestion.path}:{suggestion.line}"
        LOG.info("%s takes no suggestion on %s: %s", key, place, error)
