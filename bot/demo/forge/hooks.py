"""Webhooks of a repository, of its owner or of the whole forge, as GitLab and Forgejo have them.

GitHub's go to its Apps.
"""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from bot.demo.forge.traffic import Deliverer, Delivery
from bot.demo.forge.values import Json, Repository, WebHook


@dataclass(frozen=True, slots=True)
class PlacedHooks(ABC):
    """Delivers payloads to the hooks that hear of an event.

    `events` are those of a hook that names none; `indent` is how a payload is written.
    """

    events: ClassVar[Sequence[str]]
    indent: ClassVar[int | None] = None

    deliverer: Deliverer
    hooks: list[WebHook] = field(default_factory=list, kw_only=True)

    @abstractmethod
    def signed(self, event: str, body: bytes, hook: WebHook) -> tuple[str, dict[str, str]]:
        """The id of a delivery to a hook, and its headers."""

    def add_hook(
        self,
        url: str,
        secret: str | None = None,
        *,
        place: str = "",
        events: Sequence[str] | None = None,
    ) -> WebHook:
        """A hook of a repository or its owner (`place` is the name), or of all (no place)."""
        heard = tuple(self.events if events is None else events)
        hook = WebHook(url, secret or secrets.token_hex(20), place, heard)
        self.hooks.append(hook)
        return hook

    async def deliver(self, repository: Repository, event: str, payload: Json) -> list[Delivery]:
        """Delivers a payload to each hook that hears the event."""
        separators = (",", ":") if self.indent is None else None
        body = json.dumps(payload, indent=self.indent, separators=separators).encode()
        action = payload.get("object_attributes", payload).get("action")
        made = []
        for hook in self.hooks:
            if hook.hears(repository, event):
                identity, headers = self.signed(event, body, hook)
                send = (hook.url, identity, event, action, body, headers)
                made.append(await self.deliverer.send(*send))
        return made
