"""GitHub's list of deliveries, and sending them again: of an App's hook or of a repository's own.

https://docs.github.com/en/rest/apps/webhooks, https://docs.github.com/en/rest/repos/webhooks: an
attempt is an entry, all of one event have one `guid`; three days are kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from bot.forge.github.client import errors_as_ours
from bot.forge.rest import RepositoryApi
from bot.forge.values import FailedDelivery, ForgeGoneError, ForgeRefusedError

# Answers that sending the same again does not change: no such event, no delivery, too large.
_FINAL = (400, 404, 413)


async def hooks_at(api: RepositoryApi, address: str) -> list[str]:
    """The paths of a repository's hooks that deliver to an address; none where they are not for us
    to see (only its administrators may)."""
    try:
        async with errors_as_ours(f"listing the hooks of {api.repository}"):
            found = [hook async for hook in api.pages("/hooks?per_page=100")]
    except (ForgeRefusedError, ForgeGoneError):
        return []
    ours = (h for h in found if str((h.get("config") or {}).get("url")).rstrip("/") == address)
    return [api.path(f"/hooks/{int(hook['id'])}") for hook in ours]


async def failed(
    entries: AsyncIterator[Mapping[str, Any]], path: str, since: float
) -> list[FailedDelivery]:
    """The events of which no attempt was taken, from a hook's list, newest first; `path` is the
    hook's."""
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    async for entry in entries:
        if _seconds(entry) < since:
            break
        attempts.setdefault(str(entry["guid"]), []).append(entry)
    return [
        FailedDelivery(
            guid,
            f"{path}/deliveries/{int(tried[0]['id'])}/attempts",
            len(tried),
            _seconds(tried[0]),
        )
        for guid, tried in attempts.items()
        if not any(200 <= int(one["status_code"]) < 300 for one in tried)
        and int(tried[0]["status_code"]) not in _FINAL
    ]


def _seconds(entry: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(str(entry["delivered_at"]).replace("Z", "+00:00")).timestamp()
