"""Several changes that are checked as one: which, and what only all of them do."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.model.nevra import Nevra


@dataclass(frozen=True, slots=True)
class OtherChange:
    """A change that is checked together with the one of a check.

    `name` stands as it was written: `REPO:REV`, `OWNER/REPO#N`, `GROUP/PROJECT!N`. Paths of
    its files have it before them. `base`, `head` and `merge_base` are commit ids, `specs` the paths
    of its changed specs, `sources` the source packages that they make, as in a check.
    """

    name: str
    base: str
    head: str
    merge_base: str
    specs: tuple[str, ...] = ()
    sources: dict[str, str | None] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class OnlyTogether:
    """The packages that all changes together add to an image, or remove, and none of them alone."""

    added: tuple[Nevra, ...] = ()
    removed: tuple[Nevra, ...] = ()
