"""GitLab's list of a project hook's deliveries, for its maintainers, and sending them again.

https://docs.gitlab.com/api/project_webhooks/ (events of seven days; five are sent again a minute).
Its example of an event, as older releases answer, has no `created_at`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypedDict, cast

import gitlab
from gitlab.exceptions import GitlabError

from bot.forge.gitlab.events import delivery_id
from bot.forge.values import FailedDelivery

# Not there (an older GitLab), or for maintainers alone.
_NOT_FOR_US = (401, 403, 404)
# Of the events of a hook that is called all the time.
_MOST = 500
# Tries of an event of which it is not known when it was: it is due at each look.
_UNTIMED = 8


class _Event(TypedDict, total=False):
    id: int
    created_at: str | None
    request_headers: dict[str, str] | None
    response_status: str | int


def failed_of_project(
    client: gitlab.Gitlab, project: int, hook: str, since: float
) -> list[FailedDelivery]:
    """The failed deliveries of a project's hooks to the address `hook`, none where they are not for
    us to see."""
    path = f"/projects/{project}/hooks"
    found: list[FailedDelivery] = []
    try:
        for one in client.http_list(path, iterator=True):
            if str(one["url"]).rstrip("/") == hook:
                found += _failed(client, f"{path}/{int(one['id'])}", since)
    except GitlabError as error:
        if error.response_code not in _NOT_FOR_US:
            raise
    return found


def _failed(client: gitlab.Gitlab, path: str, since: float) -> list[FailedDelivery]:
    attempts: dict[str, list[_Event]] = {}
    listed = client.http_list(f"{path}/events", iterator=True, per_page=100)
    for number, event in enumerate(cast(Iterator[_Event], listed)):  # newest first
        at = _seconds(event)
        if number >= _MOST or (at is not None and at < since):
            break
        headers = {str(k).lower(): str(v) for k, v in (event.get("request_headers") or {}).items()}
        attempts.setdefault(delivery_id(headers, b""), []).append(event)
    return [
        FailedDelivery(
            name, f"{path}/events/{int(tried[0]['id'])}/resend", len(tried), _seconds(tried[0]) or 0
        )
        for name, tried in attempts.items()
        if not any(_taken(one) for one in tried)
        and (_seconds(tried[0]) is not None or len(tried) < _UNTIMED)
    ]


def _taken(event: _Event) -> bool:
    """Return whether a delivery was taken, or refused for what no other try changes."""
    status = str(event.get("response_status"))
    return status.startswith("2") or status in ("400", "404", "413")


def _seconds(event: _Event) -> float | None:
    """The time of a delivery in seconds since 1970, UTC; null where this GitLab does not say."""
    at = str(event.get("created_at") or "")
    return datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() if at else None
