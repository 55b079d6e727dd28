"""Pull requests that no webhook told of: deliveries of the bot's own, stored like others.

They wait, are tried again and are settled as a forge's are; one name is one delivery.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal

from bot.forge.values import PullRequestEvent, PullRequestKey
from bot.store.records import NewDelivery

FOUND_EVENT = "minimize found"
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


def found_event(forge: str, body: bytes) -> PullRequestEvent:
    """The event of such a delivery."""
    data = json.loads(body)
    key = PullRequestKey(forge, data["repository"], data["number"])
    return PullRequestEvent(
        key,
        "check",
        data["head_sha"],
        data["action"],
        base_ref=data["base_ref"],
        base_sha=data["base_sha"],
    )
