"""Forgejo's and Gitea's webhooks: identity of the carried object, and the event as a value.

https://forgejo.org/docs/latest/user/webhooks/, https://docs.gitea.com/usage/webhooks
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.forge.events import (
    MISSHAPEN,
    ChecksEvent,
    CommentEvent,
    Event,
    PushEvent,
    RepositoriesEvent,
    is_unedited,
    new_delivery,
)
from bot.forge.forgejo.pulls import is_private, is_program, utc
from bot.forge.forgejo.signatures import header
from bot.forge.values import (
    STATUS_NAME,
    IgnoredEvent,
    PullRequestEvent,
    PullRequestKey,
    WebhookRefusedError,
)
from bot.store.records import NewDelivery

_LONGEST_NAME = 200
_BRANCH = "refs/heads/"
# The words of a draft's title, as an instance has them by itself (WORK_IN_PROGRESS_PREFIXES).
_DRAFT = re.compile(r"\s*(WIP:|\[WIP\])", re.IGNORECASE)
# Actions of a pull request that a check must see, by GitHub's names for them.
_STARTED = {"opened": "opened", "reopened": "reopened", "synchronized": "synchronize"}


def read_delivery(forge: str, headers: Mapping[str, str], body: bytes) -> NewDelivery:
    """The delivery of a verified body; WebhookRefusedError 400 if it is not what it says."""
    event, identity = header(headers, "event"), header(headers, "delivery")
    for name, text in (("Event", event), ("Delivery", identity)):
        if not 0 < len(text) <= _LONGEST_NAME:
            raise WebhookRefusedError(400, f"The header X-Gitea-{name} is missing or too long.")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookRefusedError(400, "The body is no JSON.") from error
    if not isinstance(data, dict):
        raise WebhookRefusedError(400, "The body is no JSON object.")
    try:
        carried = carried_object(event, data)
        parse_event(forge, event, data)
    except MISSHAPEN as error:
        raise WebhookRefusedError(400, f"The body is not that of the event {event}.") from error
    return new_delivery(forge, event, identity, body, carried)


def carried_object(event: str, data: Mapping[str, Any]) -> str | None:
    """The identity of a delivery's object, so that a repository's hook and its owner's count once.

    A delivery that is sent again from the forge's page has another id, and the same object. None
    for what repeats only by its delivery id.
    """
    number = (data.get("repository") or {}).get("id", "")
    if event == "pull_request":
        pull = data["pull_request"]
        parts = (data["action"], pull["number"], pull["head"]["sha"], pull.get("updated_at", ""))
    elif event == "issue_comment":
        comment = data["comment"]
        # Two edits within a second have one time.
        text = hashlib.sha256(str(comment.get("body")).encode(errors="replace")).hexdigest()[:16]
        parts = (data["action"], comment["id"], comment["updated_at"], text)
    else:
        return None
    return " ".join([event, str(number), *map(str, parts)])


def parse_event(forge: str, event: str, data: Mapping[str, Any]) -> Event:
    """The event of a delivery. Raises one of MISSHAPEN if the body is not that event."""
    parser = _PARSERS.get(event)
    if parser is None:
        return IgnoredEvent(f"The event {event} asks nothing of the bot.")
    return parser(forge, data)


def _pull_request(forge: str, data: Mapping[str, Any]) -> Event:
    pull, action = data["pull_request"], str(data["action"])
    key = PullRequestKey(forge, _name(data), int(pull["number"]))
    head = str(pull["head"]["sha"])
    if action == "closed":
        merged = utc(pull.get("merged_at")) if pull.get("merged") else ""
        return PullRequestEvent(key, "stop", head, action, merged)
    changed = _edited(data) if action == "edited" else _STARTED.get(action)
    if changed is None:
        return IgnoredEvent(f"The action {action} of a pull request changes no package.")
    # Of the other actions the sender is who did that, not who pushed.
    pusher = (data.get("sender") or {}).get("login") if changed == "synchronize" else None
    base = str(pull["base"]["ref"])
    return PullRequestEvent(key, "check", head, changed, base_ref=base, pusher=str(pusher or ""))


def _edited(data: Mapping[str, Any]) -> str | None:
    """The part of an edit that a check must see, by GitHub's name for it."""
    changes = data.get("changes") or {}
    if changes.get("ref"):
        return "edited (base)"
    before = str((changes.get("title") or {}).get("from") or "")
    # A draft is one by its title.
    ready = _DRAFT.match(before) and not _DRAFT.match(str(data["pull_request"].get("title") or ""))
    return "ready_for_review" if ready else None


def _issue_comment(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    if action not in ("created", "edited"):
        return IgnoredEvent(f"The action {action} of a comment says nothing new.")
    issue = data["issue"]
    if not (data.get("is_pull") or issue.get("pull_request")):
        return IgnoredEvent("The comment is on an issue, not on a pull request.")
    key = PullRequestKey(forge, _name(data), int(issue["number"]))
    sender = str((data.get("sender") or {}).get("login") or "")
    return _comment(key, data["comment"], sender, edited=action == "edited")


def unedited(
    key: PullRequestKey, listed: Iterable[Mapping[str, Any]], since: str
) -> tuple[CommentEvent, ...]:
    """Those of the API's comments that were written `since` then, and that nobody has edited."""
    return tuple(
        _comment(key, one, str((one.get("user") or {}).get("login") or ""), edited=False)
        for one in listed
        if is_unedited(one, since)
    )


def _comment(
    key: PullRequestKey, comment: Mapping[str, Any], sender: str, *, edited: bool
) -> CommentEvent:
    author = str((comment.get("user") or {}).get("login") or "")
    return CommentEvent(
        key=key,
        comment=str(int(comment["id"])),
        author=author,
        sender=sender,
        author_is_bot=is_program(author),
        body=str(comment.get("body") or ""),
        action="edited" if edited else "created",
        updated=utc(comment["updated_at"]),
        url=str(comment.get("html_url") or ""),
    )


def _push(forge: str, data: Mapping[str, Any]) -> Event:
    ref, repository = str(data["ref"]), data["repository"]
    if not ref.startswith(_BRANCH):
        return IgnoredEvent(f"{ref} is no branch.")
    branch = ref.removeprefix(_BRANCH)
    return push_of(forge, repository, branch, str(data["before"]), str(data["after"]))


def push_of(
    forge: str, repository: Mapping[str, Any], branch: str, before: str, after: str
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
        private=is_private(repository),
        commits_url=f"{page}/commit" if page else "",
    )


def _status(forge: str, data: Mapping[str, Any]) -> Event:
    """A commit status, which Gitea 1.24 and newer tell of."""
    if data["state"] == "pending":
        return IgnoredEvent("The status is pending: there is nothing to look at yet.")
    if data["context"] == STATUS_NAME:
        return IgnoredEvent("The status is our own.")
    return ChecksEvent(forge, _name(data), str(data["sha"]), (str(data["context"]),))


def _run_over(forge: str, data: Mapping[str, Any]) -> Event:
    """The end of a run of Forgejo Actions, several jobs of which have statuses of their own."""
    run = data["run"]
    return ChecksEvent(forge, str(run["repository"]["full_name"]), str(run["commit_sha"]))


def _repository(forge: str, data: Mapping[str, Any]) -> Event:
    action, name = str(data["action"]), _name(data)
    if action == "deleted":
        return RepositoriesEvent(forge, removed=(name,))
    return IgnoredEvent(f"{name} was {action}: its pull requests are the same.")


def _name(data: Mapping[str, Any]) -> str:
    return str(data["repository"]["full_name"])


_PARSERS: Mapping[str, Callable[[str, Mapping[str, Any]], Event]] = {
    "action_run_failure": _run_over,
    "action_run_recover": _run_over,
    "action_run_success": _run_over,
    "issue_comment": _issue_comment,
    "pull_request": _pull_request,
    "push": _push,
    "repository": _repository,
    "status": _status,
}
