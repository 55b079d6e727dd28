"""An opportunity: an edit that would make images smaller, from when it is found until it landed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from bot.model.advice import Change

OpportunityState = Literal["found", "proposed", "declined", "landed"]


@dataclass(frozen=True, slots=True)
class OpportunityImage:
    """An image that an edit makes smaller, and by how many bytes on `arches` together."""

    workload: str
    environment: str
    arches: tuple[str, ...]
    saves: int


@dataclass(frozen=True, slots=True)
class Opportunity:
    """An edit of a distribution, known by its repository document, package and capability.

    `found` and `changed` are when it was found and when its state changed (RFC 3339 UTC). `url` is
    the issue, pull request or comment of its state, `reason` and `user` of one that was declined.
    `saved` is what its landing saved in all images, measured by solving them with the edit undone;
    null where it has not landed, or an image could not be solved.
    """

    repository: str
    change: Change
    state: OpportunityState
    found: str
    changed: str
    images: tuple[OpportunityImage, ...] = ()
    url: str = ""
    reason: str = ""
    user: str = ""
    saved: int | None = None

    @property
    def edit(self) -> str:
        """The name of the edit in commands: `nginx:systemd`."""
        return edit_name(self.change.package, self.change.capability)

    @property
    def id(self) -> str:
        """The name of the opportunity in addresses."""
        key = "\0".join((self.repository, self.change.package, self.change.capability))
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    @property
    def saves(self) -> int:
        """Bytes that it saves in all images today."""
        return sum(image.saves for image in self.images)


def edit_name(package: str, capability: str) -> str:
    """`PACKAGE:CAPABILITY`, one word: blanks of a rich dependency are left out."""
    return f"{package}:{''.join(capability.split())}"
