"""The places where a change is built: an architecture, native or emulated, each with a queue.

Every process of the engine says in its lease where it builds. A change is built for each
architecture that has a place, native before emulated; what has none is transferred.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Self, get_args

from bot.errors import UsageError
from bot.model.architecture import architecture_order
from bot.sandbox.emulation import native_architecture, why_not_run
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
Mode = Literal["native", "emulated"]


@dataclass(frozen=True, slots=True)
class BuildPlace:
    """An architecture, and whether machines of it build for it or others emulate it."""

    arch: str
    mode: Mode = "native"

    @property
    def queue(self) -> str:
        """The name of the queue of its builds."""
        return f"{'builds' if self.mode == 'native' else self.mode}-{self.arch}"

    @property
    def order(self) -> tuple[int, int, str]:
        """A sort key: native first, then architectures as people list them."""
        return (get_args(Mode).index(self.mode), *architecture_order(self.arch))

    @classmethod
    def of_queue(cls, queue: str) -> Self:
        """The place whose builds a queue has; ValueError for another queue."""
        kind, _, arch = queue.partition("-")
        if kind not in ("builds", "emulated") or not arch:
            raise ValueError(f"{queue} is no queue of builds.")
        return cls(arch, "native" if kind == "builds" else "emulated")


def build_id(check: str, arch: str = "") -> str:
    """The id of a check's workflow that builds for one of several architectures; without one, how
    all those begin."""
    return f"{check}-build-{arch}"


def check_of_build(workflow: str) -> str:
    """The id of the check that a workflow builds for; any other id as it is."""
    return re.sub(r"-build-\w+$", "", workflow)


def places_here(settings: Settings) -> tuple[BuildPlace, ...]:
    """The places where this process builds, by its settings; none where it builds nothing.

    An architecture whose programs do not run here is left out, and logged. UsageError for one that
    is neither this machine's nor may be emulated, or where none is left.
    """
    if settings.engine.builds == 0:
        return ()
    native = native_architecture()
    wanted = settings.engine.architectures or (native,)
    found = []
    for arch in dict.fromkeys(wanted):
        if arch == native:
            found.append(BuildPlace(arch))
            continue
        if arch not in settings.build.emulated:
            raise UsageError(
                f"This machine is {native}, and the settings do not allow to emulate {arch}.",
                f"Run this on {arch}, or let the settings say `build: {{emulated: [{arch}]}}`.",
            )
        if (reason := why_not_run(arch)) is None:
            found.append(BuildPlace(arch, "emulated"))
            continue
        LOG.warning("Nothing is built for %s here: %s", arch, reason)
        if len(wanted) == 1:
            raise UsageError(reason.what, reason.hint)
    return tuple(found)


def plan_of(arches: Iterable[str], places: Collection[BuildPlace]) -> tuple[BuildPlace, ...]:
    """The places where a change for `arches` is built, the first being that which the others are
    transferred from: one for each architecture that has one, native before emulated."""
    best: dict[str, BuildPlace] = {}
    wanted = frozenset(arches)
    for place in sorted(places, key=lambda place: place.order):
        if place.arch in wanted:
            best.setdefault(place.arch, place)
    return tuple(sorted(best.values(), key=lambda place: place.order))
