"""GitHub's webhooks: identities of their objects, and their events as values.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import gidgethub
from gidgethub import sansio

from bot import limits
from bot.forge import rest_events
from bot.forge.events import (
    MERGE_GROUP_CHECK,
    MISSHAPEN,
    ChecksEvent,
    Event,
    MergeGroupEvent,
    Parsers,
    PushEvent,
    RepositoriesEvent,
    RerunEvent,
    parse_by,
    parse_push,
    parsed_delivery,
)
from bot.forge.github.app import Installation
from bot.forge.rest_events import login_of, pusher_in, repository_of
from bot.forge.values import (
    STATUS_NAME,
    IgnoredEvent,
    PullRequestEvent,
    PullRequestKey,
    WebhookRefusedError,
)
from bot.store.records import NewDelivery

# A merge queue's branch is named after the last pull request of its group.
_QUEUE = re.compile(r"(?:refs/heads/)?gh-readonly-queue/(.+)/pr-(\d+)-[0-9a-f]+")
_BRANCH = "refs/heads/"
_CHECK_ACTIONS = ("opened", "synchronize", "reopened", "ready_for_review")


def read_delivery(forge: str, headers: Mapping[str, str], body: bytes) -> NewDelivery:
    """The delivery of a verified body; WebhookRefusedError 400 if it does not fit its headers."""
    for name in ("x-github-event", "x-github-delivery"):
        if not 0 < len(headers.get(name, "")) <= limits.WEBHOOK_NAME:
            raise WebhookRefusedError(400, f"The header {name} is missing or too long.")
    try:
        # The signature was verified; gidgethub decodes JSON and form bodies.
        unsigned = {k: v for k, v in headers.items() if not k.startswith("x-hub-signature")}
        event = sansio.Event.from_http(unsigned, body)
    except (gidgethub.BadRequest, LookupError, ValueError, RecursionError) as error:
        raise WebhookRefusedError(400, "The body is not of its content type.") from error
    if not isinstance(event.data, dict):
        raise WebhookRefusedError(400, "The body is no JSON object.")
    content = body if _is_json(headers) else json.dumps(event.data).encode()
    return parsed_delivery(
        forge, event.event, event.delivery_id, content, event.data, _PARSERS, carried_object
    )


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/json")


def carried_object(event: str, data: Mapping[str, Any]) -> str | None:
    """The identity of a delivery's object, so that deliveries of a repository's hook and an App's
    are taken once.

    None for events that repeat only by their delivery id. The time of the pull request is part of
    it: of force-pushes A, B, A, B each is a new event.
    """
    if event == "pull_request":
        pull = data["pull_request"]
        parts = (data["action"], pull["number"], data.get("before", ""), pull["head"]["sha"])
        return rest_events.identity_of(event, data, *parts, pull.get("updated_at", ""))
    return rest_events.comment_identity(event, data) if event == "issue_comment" else None


def parse_event(forge: str, event: str, data: Mapping[str, Any]) -> Event:
    """The event of a delivery. Raises one of MISSHAPEN if the body is not that event."""
    return parse_by(_PARSERS, forge, event, data)


def installation_of(data: Mapping[str, Any]) -> tuple[str, Installation] | None:
    """The repository and the App installation that a delivery names, or None."""
    try:
        repository = data["repository"]
        numbers = Installation(int(data["installation"]["id"]), int(repository["id"]))
        return str(repository["full_name"]), numbers
    except MISSHAPEN:
        return None


def _pull_request(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    pull = data["pull_request"]
    key = PullRequestKey(forge, repository_of(data), int(pull["number"]))
    head = str(pull["head"]["sha"])
    if action == "closed":
        return PullRequestEvent(key, "stop", head, action, str(pull.get("merged_at") or ""))
    if action == "edited" and "base" in (data.get("changes") or {}):
        action = "edited (base)"
    elif action not in _CHECK_ACTIONS:
        return IgnoredEvent(f"The action {action} of a pull request changes no package.")
    base, pusher = str(pull["base"]["ref"]), pusher_in(data, action)
    return PullRequestEvent(key, "check", head, action, base_ref=base, pusher=pusher)


def is_users_program(user: Mapping[str, Any]) -> bool:
    """Return whether a user is an App or a program's account."""
    return user.get("type") == "Bot"


def _issue_comment(forge: str, data: Mapping[str, Any]) -> Event:
    return rest_events.issue_comment(forge, data, is_users_program)


def _check_run(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    run = data["check_run"]
    if action == "completed":
        return _ended(forge, data, str(run["head_sha"]), str(run["name"]))
    if action != "rerequested":
        return IgnoredEvent(f"The action {action} of a check run asks nothing of the bot.")
    check = str(run.get("external_id") or "")
    if not check:
        return IgnoredEvent("The check run is not the bot's.")
    # `pull_requests` is empty for forks: the bot's id in it identifies the pull request.
    return _rerun(forge, data, check, str(run["head_sha"]), run.get("check_suite"))


def _check_suite(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    if action == "completed":
        return _ended(forge, data, str(data["check_suite"]["head_sha"]))
    if action != "rerequested":
        return IgnoredEvent(f"The action {action} of a check suite asks nothing of the bot.")
    suite = data["check_suite"]
    return _rerun(forge, data, None, str(suite["head_sha"]), suite)


def _status(forge: str, data: Mapping[str, Any]) -> Event:
    if data["state"] == "pending":
        return IgnoredEvent("The status is pending: there is nothing to look at yet.")
    return _ended(forge, data, str(data["sha"]), str(data["context"]))


def _ended(forge: str, data: Mapping[str, Any], sha: str, *names: str) -> Event:
    if names == (STATUS_NAME,):
        return IgnoredEvent("The check is the bot's own.")
    return ChecksEvent(forge, repository_of(data), sha, names)


def _rerun(
    forge: str, data: Mapping[str, Any], check: str | None, head: str, suite: Any
) -> RerunEvent | MergeGroupEvent:
    repository = repository_of(data)
    queue = _QUEUE.match(str((suite or {}).get("head_branch") or ""))
    if queue and (check is None or check.startswith(MERGE_GROUP_CHECK)):
        key = PullRequestKey(forge, repository, int(queue[2]))
        return MergeGroupEvent(key, head, f"{_BRANCH}{queue[1]}", again=True)
    sender = login_of(data.get("sender"))
    return RerunEvent(forge, repository, check, head, sender)


def _merge_group(forge: str, data: Mapping[str, Any]) -> Event:
    action = str(data["action"])
    if action != "checks_requested":
        return IgnoredEvent(f"The action {action} of a merge group asks nothing of the bot.")
    group = data["merge_group"]
    queue = _QUEUE.match(str(group["head_ref"]))
    repository = repository_of(data)
    key = PullRequestKey(forge, repository, int(queue[2]) if queue else 0)
    return MergeGroupEvent(key, str(group["head_sha"]), str(group["base_ref"]))


def _push(forge: str, data: Mapping[str, Any]) -> Event:
    return parse_push(forge, data, "repository", push_of)


def push_of(
    forge: str, repository: Mapping[str, Any], branch: str, before: str, after: str
) -> PushEvent:
    """The move of a branch of a repository; whether that is private is in the payload."""
    private = bool(repository.get("private"))
    return rest_events.push_of(forge, repository, branch, before, after, private=private)


def _installation(forge: str, data: Mapping[str, Any]) -> Event:
    action, names = str(data["action"]), _names(data.get("repositories"))
    if action in ("deleted", "suspend"):
        return RepositoriesEvent(forge, removed=names)
    if action in ("created", "unsuspend"):
        return RepositoriesEvent(forge, added=names)
    account = (data["installation"].get("account") or {}).get("login") or "an account"
    return IgnoredEvent(f"The App's installation at {account}: {action}.")


def _installation_repositories(forge: str, data: Mapping[str, Any]) -> Event:
    added, removed = data.get("repositories_added"), data.get("repositories_removed")
    return RepositoriesEvent(forge, _names(added), _names(removed))


def _repository(forge: str, data: Mapping[str, Any]) -> Event:
    action, name = str(data["action"]), repository_of(data)
    changes = data.get("changes") or {}
    if action == "deleted":
        return RepositoriesEvent(forge, removed=(name,))
    if action == "renamed":
        owner = name.partition("/")[0]
        old_name = f"{owner}/{changes['repository']['name']['from']}"
        return RepositoriesEvent(forge, (name,), (old_name,))
    if action == "transferred":
        owners = changes["owner"]["from"]
        owner = (owners.get("user") or owners.get("organization"))["login"]
        return RepositoriesEvent(forge, (name,), (f"{owner}/{name.partition('/')[2]}",))
    return IgnoredEvent(f"{name} was {action}: its pull requests are the same.")


def _names(repositories: Any) -> tuple[str, ...]:
    return tuple(str(repository["full_name"]) for repository in repositories or ())


def _ping(forge: str, data: Mapping[str, Any]) -> Event:
    del forge, data
    return IgnoredEvent("A ping: the webhook reaches the bot and its secret is right.")


_PARSERS: Parsers = {
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
