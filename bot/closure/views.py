"""Views of a pool: the packages that take part now, by their values, and the edges between them.

A view stays for as long as libsolv's numbers and provides mean the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from bot.closure.edges import EdgeFinder
from bot.closure.overlay_pool import OverlayPool
from bot.closure.requests import View
from bot.model.nevra import Nevra
from bot.model.package import Package


class _Sight(NamedTuple):
    """A view with some overlays active, and the numbers of packages that were looked up in it."""

    view: View
    numbers: dict[Nevra, tuple[int, ...]]


class Views:
    """The views of a pool with whatever overlays are active. Not safe for several threads."""

    def __init__(self, overlays: OverlayPool) -> None:
        self._overlay_pool = overlays
        self._edges = EdgeFinder(overlays.pool, overlays.providers)
        self._generation = overlays.generation
        self._sights: dict[tuple[Hashable, ...], _Sight] = {}

    def view(self) -> View:
        """The view with the active overlays."""
        return self._sight().view

    def finder(self) -> EdgeFinder:
        """The finder of edges, which knows nothing any more that no longer holds."""
        self._renew()
        return self._edges

    def numbers_of(self, packages: Iterable[Package]) -> dict[int, Nevra]:
        """The numbers of packages of a closure, with their NEVRAs."""
        found: dict[int, Nevra] = {}
        for package in packages:
            number = self._overlay_pool.number(package)
            if number is not None:
                found[number] = package.nevra
                continue
            for each in self.find(package.nevra):
                if self._overlay_pool.package(each).repository == package.repository:
                    found[each] = package.nevra
        return found

    def find(self, nevra: Nevra) -> tuple[int, ...]:
        """The packages of a NEVRA that no active overlay hides, those of others left out."""
        known = self._sight().numbers
        if nevra not in known:
            overlays = self._overlay_pool
            name = overlays.pool.str2id(nevra.name)
            known[nevra] = tuple(
                number
                for number in overlays.providers(name)
                if not overlays.hidden(number)
                and overlays.pool.id2solvable(number).nameid == name
                and overlays.package(number).nevra == nevra
            )
        return known[nevra]

    def _sight(self) -> _Sight:
        overlays = self._overlay_pool
        self._renew()
        found = self._sights.get(overlays.active_key)
        if found is None:
            view = View(overlays.pool, overlays.enabled, overlays.obsoleters, overlays.owners, {})
            found = self._sights[overlays.active_key] = _Sight(view, {})
        return found

    def _renew(self) -> None:
        if self._generation != self._overlay_pool.generation:
            self._generation = self._overlay_pool.generation
            self._sights.clear()
            self._edges.forget()
