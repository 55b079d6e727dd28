"""GitHub's webhooks: verification, identity of the carried object, and the event as a value.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gidgethub
from gidgethub import sansio

from bot import limits
from bot.forge.events import (
    MERGE_GROUP_CHECK,
    MISSHAPEN,
    ChecksEvent,
    CommentEvent,
    Event,
    MergeGroupEvent,
    PushEvent,
    RepositoriesEvent,
    RerunEvent,
    is_unedited,
    new_delivery,
)
from bot.forge.github.app import Installation
from bot.forge.github.signatures import begin
from bot.forge.values import (
    STATUS_NAME,
    IgnoredEvent,
    PullRequestEvent,
    PullRequestKey,
    WebhookRefusedError,
)
from bot.store.records import NewDelivery

# A merge queue's branch names the last pull request of its group.
_QUEUE = re.compile(r"(?:refs/heads/)?gh-readonly-queue/(.+)/pr-(\d+)-[0-9a-f]+")
_BRANCH = "refs/heads/"
_CHECKED = ("opened", "synchronize", "reopened", "ready_for_review")


def accept(
    forge: str, secrets: Sequence[str], headers: Mapping[str, str], body: bytes
) -> NewDelivery:
    """The delivery; WebhookRefusedError: 401 if not signed, 400 if it is not what it says."""
    verification = begin(secrets, headers)
    verification.update(body)
    verification.finish()
    return read_delivery(forge, headers, body)


def read_delivery(forge: str, headers: Mapping[str, str], body: bytes) -> NewDelivery:
    """The delivery of a verified body; WebhookRefusedError 400 if it is not what it says."""
    for name in ("x-github-event", "x-github-delivery"):
        if not 0 < len(headers.get(name, "")) <= limits.WEBHOOK_NAME:
            raise WebhookRefusedError(400, f"The header {name} is missing or too long.")
    try:
        # Signed already: gidgethub decodes JSON and form bodies as GitHub sends them.
        unsigned = {k: v for k, v in headers.items() if not k.startswith("x-hub-signature")}
        event = sansio.Event.from_http(unsigned, body)
    except (gidgethub.BadRequest, LookupError, ValueError, RecursionError) as error:
        raise WebhookRefusedError(400, "The body is no JSON of the type that it says.") from error
    if not isinstance(event.data, dict):
        raise WebhookRefusedError(400, "The body is no JSON object.")
    try:
        carried = carried_object(event.event, event.data)
        parse_event(forge, event.event, event.data)
    except MISSHAPEN as error:
        raise WebhookRefusedError(
            400, f"The body is not that of the event {event.event}."
        ) from error
    content = body if _is_json(headers) else json.dumps(event.data).encode()
    return new_delivery(forge, event.event, event.delivery_id, content, carried)


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/json")


def carried_object(event: str, data: Mapping[str, Any]) -> str | None:
    """The identity of a delivery's object, so that a repository's hook and an App's hook count
    once.

    None for what repeats only by its delivery id. The time of the pull request is part of it:
    force-pushes A, B, A, B carry the same commits, and each is news.
    """
    repository = data.get("repository") or {}
    if event == "pull_request":
        pull = data["pull_request"]
        parts = (data["action"], pull["number"], data.get("before", ""), pull["head"]["sha"])
        return _name(event, repository, *parts, pull.get("updated_at", ""))
    if event == "issue_comment":
        comment = data["comment"]
        # Two edits within a second have one time.
        text = hashlib.sha256(str(comment.get("body")).encode(errors="replace")).hexdigest()[:16]
        parts = (data["action"], comment["id"], comment["updated_at"], text)
        return _name(event, repository, *parts)
    return None


def _name(event: str, repository: Mapping[str, Any], *parts: object) -> str:
    return " ".join([event, str(repository.get("id", "")), *map(str, parts)])


def parse_event(forge: str, event: str, data: Mapping[str, Any]) -> Event:
    """The event of a delivery. Raises one of MISSHAPEN if the body is not that event."""
    parser = _PARSERS.get(event)
    if parser is None:
        return IgnoredEvent(f"The event {event} asks nothing of the bot.")
    return parser(forge, data)


def installation_of(data: Mapping[str, Any]) -> tuple[str, Installation] | None:
    """The repository and the App installation that a delivery names, if it does."""
    try:
        repository = data["repository"]
        numbers = Installation(int(data["installation"]["id"]), int(repository["id"]))
        return str(repository["full_name"]), numbers
    except MISSHAPEN:
        return None


def _pull_request(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    pull = data["pull_request"]
    key = PullRequestKey(forge, str(data["repository"]["full_name"]), int(pull["number"]))
    head = str(pull["head"]["sha"])
    if action == "closed":
        return PullRequestEvent(key, "stop", head, action, str(pull.get("merged_at") or ""))
    if action == "edited" and "base" in (data.get("changes") or {}):
        action = "edited (base)"
    elif action not in _CHECKED:
        return IgnoredEvent(f"The action {action} of a pull request changes no package.")
    # Of the other actions the sender is who did that, not who pushed.
    pusher = (data.get("sender") or {}).get("login") if action == "synchronize" else None
    base = str(pull["base"]["ref"])
    return PullRequestEvent(key, "check", head, action, base_ref=base, pusher=str(pusher or ""))


def _issue_comment(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    if action not in ("created", "edited"):
        return IgnoredEvent(f"The action {action} of a comment says nothing new.")
    issue = data["issue"]
    if not issue.get("pull_request"):
        return IgnoredEvent("The comment is on an issue, not on a pull request.")
    key = PullRequestKey(forge, str(data["repository"]["full_name"]), int(issue["number"]))
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
    # The account of who wrote it may be gone.
    user = comment.get("user") or {}
    return CommentEvent(
        key=key,
        comment=str(int(comment["id"])),
        author=str(user.get("login") or ""),
        sender=sender,
        author_is_bot=user.get("type") == "Bot",
        body=str(comment.get("body") or ""),
        action="edited" if edited else "created",
        updated=str(comment["updated_at"]),
        url=str(comment.get("html_url") or ""),
    )


def _check_run(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    run = data["check_run"]
    if action == "completed":
        return _over(forge, data, str(run["head_sha"]), str(run["name"]))
    if action != "rerequested":
        return IgnoredEvent(f"The action {action} of a check run asks nothing of the bot.")
    check = str(run.get("external_id") or "")
    if not check:
        return IgnoredEvent("The check run is none of ours.")
    # `pull_requests` is empty for forks: our own id in it tells which one it is.
    return _rerun(forge, data, check, str(run["head_sha"]), run.get("check_suite"))


def _check_suite(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    if action == "completed":
        return _over(forge, data, str(data["check_suite"]["head_sha"]))
    if action != "rerequested":
        return IgnoredEvent(f"The action {action} of a check suite asks nothing of the bot.")
    suite = data["check_suite"]
    return _rerun(forge, data, None, str(suite["head_sha"]), suite)


def _status(forge: str, data: Mapping[str, Any]) -> Event:
    if data["state"] == "pending":
        return IgnoredEvent("The status is pending: there is nothing to look at yet.")
    return _over(forge, data, str(data["sha"]), str(data["context"]))


def _over(forge: str, data: Mapping[str, Any], sha: str, *names: str) -> Event:
    if names == (STATUS_NAME,):
        return IgnoredEvent("The check is our own.")
    return ChecksEvent(forge, str(data["repository"]["full_name"]), sha, names)


def _rerun(
    forge: str, data: Mapping[str, Any], check: str | None, head: str, suite: Any
) -> RerunEvent | MergeGroupEvent:
    repository = str(data["repository"]["full_name"])
    named = _QUEUE.match(str((suite or {}).get("head_branch") or ""))
    if named and (check is None or check.startswith(MERGE_GROUP_CHECK)):
        key = PullRequestKey(forge, repository, int(named[2]))
        return MergeGroupEvent(key, head, f"{_BRANCH}{named[1]}", again=True)
    sender = str((data.get("sender") or {}).get("login") or "")
    return RerunEvent(forge, repository, check, head, sender)


def _merge_group(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    if action != "checks_requested":
        return IgnoredEvent(f"The action {action} of a merge group asks nothing of the bot.")
    group = data["merge_group"]
    named = _QUEUE.match(str(group["head_ref"]))
    repository = str(data["repository"]["full_name"])
    key = PullRequestKey(forge, repository, int(named[2]) if named else 0)
    return MergeGroupEvent(key, str(group["head_sha"]), str(group["base_ref"]))


def _push(forge: str, data: Mapping[str, Any]) -> Event:
    ref = str(data["ref"])
    if not ref.startswith(_BRANCH):
        return IgnoredEvent(f"{ref} is no branch.")
    branch = ref.removeprefix(_BRANCH)
    return push_of(forge, data["repository"], branch, str(data["before"]), str(data["after"]))


def push_of(
    forge: str, repository: Mapping[str, Any], branch: str, before: str, after: str
) -> PushEvent:
    """The move of a branch of a repository as the API describes it."""
    page = str(repository.get("html_url") or "")
    return PushEvent(
        forge,
        str(repository["full_name"]),
        branch,
        before,
        after,
        default_branch=str(repository.get("default_branch") or ""),
        private=bool(repository.get("private")),
        commits_url=f"{page}/commit" if page else "",
    )


def _installation(forge: str, data: Mapping[str, Any]) -> Event:
    action, named = str(data["action"]), _names(data.get("repositories"))
    if action in ("deleted", "suspend"):
        return RepositoriesEvent(forge, removed=named)
    if action in ("created", "unsuspend"):
        return RepositoriesEvent(forge, added=named)
    account = (data["installation"].get("account") or {}).get("login") or "an account"
    return IgnoredEvent(f"The App's installation at {account}: {action}.")


def _installation_repositories(forge: str, data: Mapping[str, Any]) -> Event:
    added, removed = data.get("repositories_added"), data.get("repositories_removed")
    return RepositoriesEvent(forge, _names(added), _names(removed))


def _repository(forge: str, data: Mapping[str, Any]) -> Event:
    action, name = str(data["action"]), str(data["repository"]["full_name"])
    changes = data.get("changes") or {}
    if action == "deleted":
        return RepositoriesEvent(forge, removed=(name,))
    if action == "renamed":
        owner = name.partition("/")[0]
        before = f"{owner}/{changes['repository']['name']['from']}"
        return RepositoriesEvent(forge, (name,), (before,))
    if action == "transferred":
        owners = changes["owner"]["from"]
        owner = (owners.get("user") or owners.get("organization"))["login"]
        return RepositoriesEvent(forge, (name,), (f"{owner}/{name.partition('/')[2]}",))
    return IgnoredEvent(f"{name} was {action}: its pull requests are the same.")


def _names(repositories: Any) -> tuple[str, ...]:
    return tuple(str(one["full_name"]) for one in repositories or ())


def _ping(forge: str, data: Mapping[str, Any]) -> Event:
    del forge, data
    return IgnoredEvent("A ping: the webhook reaches the bot and its secret is right.")


_PARSERS: Mapping[str, Callable[[str, Mapping[str, Any]], Event]] = {
    "check_run": _check_run,
    "check_suite": _check_suite,
    "installation": _installation,
    "installation_repositories": _installation_repositories,
    "issue_comment": _issue_comment,
    "merge_group": _merge_group,
    "ping": _ping,
    "pull_request": _pull_request,
    "push": _push,
    "repository": _repository,
    "status": _status,
}
