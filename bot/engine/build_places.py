"""Build places: an architecture, native or emulated, each with a queue. Every process of the engine
states its places in its lease.

A change is built for each architecture that has a place, native before emulated; results are
transferred to the others.
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
    """An architecture, and whether it is built natively or under emulation."""

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
        """The place of a build queue; ValueError for another queue."""
        kind, _, arch = queue.partition("-")
        if kind not in ("builds", "emulated") or not arch:
            raise ValueError(f"{queue} is no queue of builds.")
        return cls(arch, "native" if kind == "builds" else "emulated")


def build_id(check: str, arch: str = "") -> str:
    """The id of the workflow that builds a check for `arch`, one of several architectures; without
    `arch`, the prefix of all these ids."""
    return f"{check}-build-{arch}"


def check_of_build(workflow: str) -> str:
    """The id of the check that a build workflow belongs to; any other id is returned unchanged."""
    return re.sub(r"-build-\w+$", "", workflow)


def places_here(settings: Settings) -> tuple[BuildPlace, ...]:
    """The build places of this process by its settings; none if it builds nothing.

    An architecture whose programs do not run here is left out with a warning, or raises UsageError
    if it is the only one. UsageError also for an architecture that is neither this machine's nor in
    `build.emulated`.
    """
    if settings.engine.builds == 0:
        return ()
    native = native_architecture()
    wanted = settings.engine.architectures or (native,)
    places = []
    for arch in dict.fromkeys(wanted):
        if arch == native:
            places.append(BuildPlace(arch))
            continue
        if arch not in settings.build.emulated:
            raise UsageError(
                f"This machine is {native}, and the settings do not allow to emulate {arch}.",
                f"Run this on {arch}, or let the settings say `build: {{emulated: [{arch}]}}`.",
            )
        if (reason := why_not_run(arch)) is None:
            places.append(BuildPlace(arch, "emulated"))
            continue
        LOG.warning("Nothing is built for %s here: %s", arch, reason)
        if len(wanted) == 1:
            raise UsageError(reason.what, reason.hint)
    return tuple(places)


def plan_of(arches: Iterable[str], places: Collection[BuildPlace]) -> tuple[BuildPlace, ...]:
    """The build places for `arches`: at most one for each architecture, native before emulated.
    Results are transferred to other architectures from the first."""
    best: dict[str, BuildPlace] = {}
    wanted = frozenset(arches)
    for place in sorted(places, key=lambda place: place.order):
        if place.arch in wanted:
            best.setdefault(place.arch, place)
    return tuple(sorted(best.values(), key=lambda place: place.order))
