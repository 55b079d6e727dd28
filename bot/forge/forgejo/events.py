"""Forgejo's and Gitea's webhooks: identities of their objects, and their events as values.

https://forgejo.org/docs/latest/user/webhooks/, https://docs.gitea.com/usage/webhooks. Messages are
forwarded webhooks with their headers, as Fedora's forge publishes them:
https://docs.fedoraproject.org/sw/forge-documentation/webhook_to_fedora_messaging/, a topic such as
`org.fedoraproject.prod.forgejo.pull_request`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from bot.forge import rest_events
from bot.forge.bodies import Message
from bot.forge.events import (
    ChecksEvent,
    Event,
    Parsers,
    PushEvent,
    RepositoriesEvent,
    json_object,
    parse_by,
    parse_push,
    parsed_delivery,
    utc,
)
from bot.forge.forgejo.client import is_private, is_program
from bot.forge.forgejo.webhooks import header
from bot.forge.rest_events import login_of, pusher_in, repository_of
from bot.forge.values import (
    STATUS_NAME,
    IgnoredEvent,
    PullRequestEvent,
    PullRequestKey,
    WebhookRefusedError,
)
from bot.limits import WEBHOOK_NAME
from bot.store.records import NewDelivery

# Prefixes of a draft's title: the default of WORK_IN_PROGRESS_PREFIXES.
_DRAFT = re.compile(r"\s*(WIP:|\[WIP\])", re.IGNORECASE)
# Actions of a pull request that concern a check, by GitHub's names.
_STARTED = {"opened": "opened", "reopened": "reopened", "synchronized": "synchronize"}


def read_delivery(forge: str, headers: Mapping[str, str], body: bytes) -> NewDelivery:
    """The delivery of a verified body; WebhookRefusedError 400 if it does not fit its headers."""
    event, identity = header(headers, "event"), header(headers, "delivery")
    for name, text in (("Event", event), ("Delivery", identity)):
        if not 0 < len(text) <= WEBHOOK_NAME:
            raise WebhookRefusedError(400, f"The header X-Gitea-{name} is missing or too long.")
    return parsed_delivery(
        forge, event, identity, body, json_object(body), _PARSERS, carried_object
    )


def carried_object(event: str, data: Mapping[str, Any]) -> str | None:
    """The identity of a delivery's object, so that deliveries of a repository's hook and its
    owner's are taken once.

    A redelivery from the forge's page has another id, but the same object. None for events that
    repeat only by their delivery id.
    """
    if event == "pull_request":
        pull = data["pull_request"]
        parts = (data["action"], pull["number"], pull["head"]["sha"], pull.get("updated_at", ""))
        return rest_events.identity_of(event, data, *parts)
    return rest_events.comment_identity(event, data) if event == "issue_comment" else None


def parse_event(forge: str, event: str, data: Mapping[str, Any]) -> Event:
    """The event of a delivery. Raises one of MISSHAPEN if the body is not that event."""
    return parse_by(_PARSERS, forge, event, data)


def _pull_request(forge: str, data: Mapping[str, Any]) -> Event:
    pull, action = data["pull_request"], str(data["action"])
    key = PullRequestKey(forge, repository_of(data), int(pull["number"]))
    head = str(pull["head"]["sha"])
    if action == "closed":
        merged = utc(pull.get("merged_at")) if pull.get("merged") else ""
        return PullRequestEvent(key, "stop", head, action, merged)
    change = _edit_action(data) if action == "edited" else _STARTED.get(action)
    if change is None:
        return IgnoredEvent(f"The action {action} of a pull request changes no package.")
    base, pusher = str(pull["base"]["ref"]), pusher_in(data, change)
    return PullRequestEvent(key, "check", head, change, base_ref=base, pusher=pusher)


def _edit_action(data: Mapping[str, Any]) -> str | None:
    """The action of an edit that concerns a check, by GitHub's name; None for others."""
    changes = data.get("changes") or {}
    if changes.get("ref"):
        return "edited (base)"
    old_title = str((changes.get("title") or {}).get("from") or "")
    # Drafts are marked in the title alone.
    ready = _DRAFT.match(old_title) and not _DRAFT.match(
        str(data["pull_request"].get("title") or "")
    )
    return "ready_for_review" if ready else None


def is_users_program(user: Mapping[str, Any]) -> bool:
    """Return whether a user is a program, by its name: the API does not mark them."""
    return is_program(login_of(user))


def _issue_comment(forge: str, data: Mapping[str, Any]) -> Event:
    return rest_events.issue_comment(forge, data, is_users_program, utc)


def _push(forge: str, data: Mapping[str, Any]) -> Event:
    return parse_push(forge, data, "repository", push_of)


def push_of(
    forge: str, repository: Mapping[str, Any], branch: str, before: str, after: str
) -> PushEvent:
    """The move of a branch of a repository as the API describes it."""
    private = is_private(repository)
    return rest_events.push_of(forge, repository, branch, before, after, private=private)


def _status(forge: str, data: Mapping[str, Any]) -> Event:
    """The event of a commit status, which Gitea 1.24 and newer send."""
    if data["state"] == "pending":
        return IgnoredEvent("The status is pending: there is nothing to look at yet.")
    if data["context"] == STATUS_NAME:
        return IgnoredEvent("The status is our own.")
    return ChecksEvent(forge, repository_of(data), str(data["sha"]), (str(data["context"]),))


def _run_over(forge: str, data: Mapping[str, Any]) -> Event:
    """The end of a run of Forgejo Actions, whose jobs have statuses of their own."""
    run = data["run"]
    return ChecksEvent(forge, str(run["repository"]["full_name"]), str(run["commit_sha"]))


def _repository(forge: str, data: Mapping[str, Any]) -> Event:
    action, name = str(data["action"]), repository_of(data)
    if action == "deleted":
        return RepositoriesEvent(forge, removed=(name,))
    return IgnoredEvent(f"{name} was {action}: its pull requests are the same.")


_PARSERS: Parsers = {
    "action_run_failure": _run_over,
    "action_run_recover": _run_over,
    "action_run_success": _run_over,
    "issue_comment": _issue_comment,
    "pull_request": _pull_request,
    "push": _push,
    "repository": _repository,
    "status": _status,
}


class _ForwardedWebhook(BaseModel):
    """A forwarded webhook."""

    body: dict[str, JsonValue]
    headers: dict[str, str]


def read_message(forge: str, message: Message) -> NewDelivery:
    """The delivery of a message, with the id and object of the webhook."""
    message.topic_after("forgejo")
    try:
        webhook = _ForwardedWebhook.model_validate(message.body)
    except ValidationError as error:
        raise WebhookRefusedError(400, "The message is no forwarded webhook.") from error
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    return read_delivery(forge, headers, json.dumps(webhook.body).encode())
