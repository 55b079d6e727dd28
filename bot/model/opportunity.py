"""Opportunities: edits that would make images smaller, from their discovery until they land."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bot.model.advice import Change

OpportunityState = Literal["found", "proposed", "declined", "landed"]


@dataclass(frozen=True, slots=True)
class OpportunityImage:
    """An image that an edit makes smaller, and by how many bytes on `arches` together.

    `before` and `after` are its sizes on them without and with the edit, measured when it landed;
    null where it has not landed, or the image could not be solved.
    """

    workload: str
    environment: str
    arches: tuple[str, ...]
    saves: int
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Opportunity:
    """An edit of a distribution, identified by repository document, package and capability.

    `found` and `changed` are the times of its discovery and of its last change of state (RFC 3339
    UTC). `url` is the issue, pull request, commit or comment of its state; `reason` and `user` are
    those of a declined one. `saved` are the bytes that it saved in all images when it landed: as
    measured by the check of the merged change, and once it is published by solving the images with
    the edit undone; null where it has not landed, or an image could not be solved. `published` is
    false from the merge until then.
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
    published: bool = True

    @property
    def edit(self) -> str:
        """The name of the edit in commands: `nginx:systemd`."""
        return edit_name(self.change.package, self.change.capability)

    @property
    def id(self) -> str:
        """The id of the opportunity in URLs."""
        key = "\0".join((self.repository, self.change.package, self.change.capability))
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    @property
    def saves(self) -> int:
        """The bytes that it would save in all images today."""
        return sum(image.saves for image in self.images)


@dataclass(frozen=True, order=True, slots=True)
class MadeEdit:
    """A change of a package's dependencies, by the names of the capabilities.

    `unrequired` are those that it no longer requires anywhere, `suggested` those that it newly
    suggests, on the architectures of a repository document. `replaced_by` are the packages that
    images request instead of it.
    """

    repository: str
    package: str
    unrequired: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()

    def makes(self, change: Change) -> bool:
        """Return whether it is an edit of the same package, capability and tag."""
        if change.package != self.package:
            return False
        if change.kind == "request":
            return change.to in self.replaced_by
        if change.kind == "prefer":
            return suggestion_of(change) in self.suggested
        return change.capability in self.unrequired


def suggestion_of(change: Change) -> str:
    """Return the name that an edit of the kind `prefer` suggests."""
    return change.to.partition(":")[2].strip()


# The URL of an opportunity's page, or the line of the text to copy.
_NAMED = re.compile(r"(?:/opportunities/|\bopportunity:\s{0,9})([0-9a-f]{12})\b", re.IGNORECASE)
# The largest number of ids that is read from one text.
_MOST_NAMED = 50


def named_opportunities(*texts: str) -> tuple[str, ...]:
    """Return the ids of the opportunities in texts: `Opportunity: ID`, or the page's URL."""
    ids = (match[1].lower() for text in texts for match in _NAMED.finditer(text))
    return tuple(dict.fromkeys(ids))[:_MOST_NAMED]


def makes_edit(opportunity: Opportunity, edits: Iterable[MadeEdit]) -> bool:
    """Return whether a change with these edits makes the edit of an opportunity."""
    return any(
        edit.repository == opportunity.repository and edit.makes(opportunity.change)
        for edit in edits
    )


def edit_name(package: str, capability: str) -> str:
    """Return `PACKAGE:CAPABILITY` as one word, without the blanks of a rich dependency."""
    return f"{package}:{''.join(capability.split())}"
