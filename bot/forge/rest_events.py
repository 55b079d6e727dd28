"""Parts of webhooks and API answers that are common to GitHub, Forgejo and Gitea."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.forge.events import CommentEvent, Event, PushEvent, is_unedited
from bot.forge.values import IgnoredEvent, PullRequestKey

_Body = Mapping[str, Any]
# Function that returns whether a user of the API's answer is a program.
IsProgram = Callable[[_Body], bool]


def repository_of(data: _Body) -> str:
    """The name (owner/name) of the repository that a delivery is about."""
    return str(data["repository"]["full_name"])


def login_of(user: _Body | None) -> str:
    """The name of a user; empty if the account was deleted."""
    return str((user or {}).get("login") or "")


def identity_of(event: str, data: _Body, *parts: object) -> str:
    """The identity of a delivery's object: its repository and `parts`."""
    number = (data.get("repository") or {}).get("id", "")
    return " ".join([event, str(number), *map(str, parts)])


def comment_identity(event: str, data: _Body) -> str:
    """The identity of a version of a comment."""
    comment = data["comment"]
    # Two edits within a second have the same time.
    text = hashlib.sha256(str(comment.get("body")).encode(errors="replace")).hexdigest()[:16]
    return identity_of(event, data, data["action"], comment["id"], comment["updated_at"], text)


def pusher_in(data: _Body, action: str) -> str:
    """The user who pushed a pull request's head; empty if the action is not a push."""
    return login_of(data.get("sender")) if action == "synchronize" else ""


def issue_comment(
    forge: str, data: _Body, is_program: IsProgram, time: Callable[[str], str] = str
) -> Event:
    """The event of a comment on a pull request; GitHub marks that in the issue, Forgejo also
    beside.

    `time` converts the forge's times to UTC.
    """
    action = str(data["action"])
    if action not in ("created", "edited"):
        return IgnoredEvent(f"The action {action} of a comment brings no new text.")
    issue = data["issue"]
    if not (data.get("is_pull") or issue.get("pull_request")):
        return IgnoredEvent("The comment is on an issue, not on a pull request.")
    key = PullRequestKey(forge, repository_of(data), int(issue["number"]))
    sender = login_of(data.get("sender"))
    return _comment(key, data["comment"], sender, is_program, time, edited=action == "edited")


def unedited(
    key: PullRequestKey,
    comments: Iterable[_Body],
    since: str,
    is_program: IsProgram,
    time: Callable[[str], str] = str,
) -> tuple[CommentEvent, ...]:
    """The API's comments that were written at `since` or later and nobody has edited."""
    return tuple(
        _comment(key, comment, login_of(comment.get("user")), is_program, time, edited=False)
        for comment in comments
        if is_unedited(comment, since)
    )


def _comment(
    key: PullRequestKey,
    comment: _Body,
    sender: str,
    is_program: IsProgram,
    time: Callable[[str], str],
    *,
    edited: bool,
) -> CommentEvent:
    # The author's account may have been deleted.
    user = comment.get("user") or {}
    return CommentEvent(
        key=key,
        comment=str(int(comment["id"])),
        author=login_of(user),
        sender=sender,
        author_is_bot=is_program(user),
        body=str(comment.get("body") or ""),
        action="edited" if edited else "created",
        updated=time(comment["updated_at"]),
        url=str(comment.get("html_url") or ""),
    )


def push_of(
    forge: str, repository: _Body, branch: str, before: str, after: str, *, private: bool
) -> PushEvent:
    """The move of a branch of a repository as the API describes it."""
    page = str(repository.get("html_url") or "")
    return PushEvent(
        forge,
        str(repository["full_name"]),
        branch,
        before=before,
        after=after,
        default_branch=str(repository.get("default_branch") or ""),
        private=private,
        commits_url=f"{page}/commit" if page else "",
    )
