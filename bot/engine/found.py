"""Deliveries of the bot's own about what no webhook told of, stored like others.

They wait, are tried again and are settled as a forge's are; one name is one delivery.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

from bot.forge.events import CommentEvent, Event, PushEvent
from bot.forge.values import PullRequestEvent, PullRequestKey
from bot.store.records import NewDelivery

FOUND_EVENT = "minimize found"
FOUND_COMMENT = "minimize found comment"
FOUND_PUSH = "minimize found push"
FOUND_EVENTS = (FOUND_EVENT, FOUND_COMMENT, FOUND_PUSH)
# A head that has no check, or a pull request that is over; a base branch that has moved.
FoundAction = Literal["found", "base moved"]


def found_delivery(
    key: PullRequestKey,
    head_sha: str,
    base_ref: str,
    action: FoundAction,
    *,
    base_sha: str = "",
    at: float,
) -> NewDelivery:
    """A delivery about a pull request; the same within an hour (`at`, seconds since 1970) is one.

    `base_sha` is where the base branch has moved to.
    """
    hour = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H")
    name = f"{action} {key.repository}#{key.number} {head_sha} {base_ref} {base_sha or hour}"
    body = {
        "repository": key.repository,
        "number": key.number,
        "head_sha": head_sha,
        "base_ref": base_ref,
        "action": action,
        "base_sha": base_sha,
    }
    return NewDelivery(key.forge, FOUND_EVENT, name, json.dumps(body).encode())


def comment_delivery(comment: CommentEvent) -> NewDelivery:
    """A delivery about a comment; the same text of it is one."""
    name = f"comment {comment.key.repository}#{comment.key.number} {comment.comment}"
    body = json.dumps(asdict(comment)).encode()
    return NewDelivery(comment.key.forge, FOUND_COMMENT, f"{name} {comment.updated}", body)


def push_delivery(push: PushEvent) -> NewDelivery:
    """A delivery about a branch that moved; the same move is one."""
    name = f"push {push.repository} {push.branch} {push.before} {push.after}"
    return NewDelivery(push.forge, FOUND_PUSH, name, json.dumps(asdict(push)).encode())


def found_event(forge: str, event: str, body: bytes) -> Event:
    """The event of such a delivery."""
    data = json.loads(body)
    if event == FOUND_COMMENT:
        return CommentEvent(**{**data, "key": PullRequestKey(**data["key"])})
    if event == FOUND_PUSH:
        return PushEvent(**data)
    key = PullRequestKey(forge, data["repository"], data["number"])
    return PullRequestEvent(
        key,
        "check",
        data["head_sha"],
        data["action"],
        base_ref=data["base_ref"],
        base_sha=data["base_sha"],
    )
