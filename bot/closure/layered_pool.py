"""The published packages of a snapshot, and the layers over them: which packages are enabled.

A view is cached for as long as libsolv's numbers and provides mean the same.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from bot.closure.dependencies import (
    FormerDependencies,
    add_suggestions,
    put_back,
    take_requirements,
)
from bot.closure.edges import EdgeFinder
from bot.closure.evr import newest
from bot.closure.overlay_pool import OverlayPool
from bot.closure.packages import LayerSpec, placeholder_layer
from bot.closure.requests import View
from bot.closure.solvcache import MetadataFile
from bot.model.architecture import native_arches
from bot.model.closure import Requirement, SnapshotState
from bot.model.image import ImageRequest, PlaceholderPackage
from bot.model.nevra import Nevra
from bot.model.package import Overlay, Package

if TYPE_CHECKING:
    from bot.closure.comps import Comps
    from bot.distro.snapshot import Snapshot

_DEBUG = ("-debuginfo", "-debugsource")


class LayeredPool:
    """A loaded snapshot of one architecture, over which overlays and placeholders can be active.

    Safe for several threads; one works at a time.
    """

    def __init__(self, snapshot: Snapshot, overlays: OverlayPool, file_of: MetadataFile) -> None:
        self.arch: str = snapshot.arch
        self.state: SnapshotState = snapshot.state
        self.snapshot = snapshot
        self._overlay_pool = overlays
        self._file_of = file_of
        self._lock = RLock()
        self._comps: Comps | None = None
        self._views = Views(overlays)
        self._hidden: dict[frozenset[str], frozenset[int]] = {}

    @contextmanager
    def keeping_layers(self) -> Iterator[None]:
        """Keep the numbers of the packages of overlays and placeholders while this is open."""
        with self._lock:
            self._overlay_pool.keepers += 1
        try:
            yield
        finally:
            with self._lock:
                self._overlay_pool.keepers -= 1

    @contextmanager
    def opened(
        self, overlay: Overlay | None = None, exclude: Collection[str] = ()
    ) -> Iterator[OverlayPool]:
        """Open the pool in libsolv's numbers, with this overlay, without packages so named.

        No other thread uses it while it is open.
        """
        with self._lock, self._active_overlays(overlay, (), (), exclude):
            yield self._overlay_pool

    def hold(self, overlays: Iterable[Overlay], requests: Iterable[ImageRequest] = ()) -> None:
        """Add several overlays, and the placeholders of several requests, at once.

        That is faster than adding each with its first solve.
        """
        with self._lock:
            layers = [self._overlay_layer(overlay) for overlay in overlays]
            placeholders = dict.fromkeys(r.placeholders for r in requests if r.placeholders)
            layers += [placeholder_layer(self._overlay_pool, group) for group in placeholders]
            self._overlay_pool.hold(layers)

    def published(self, source: str) -> tuple[Package, ...]:
        """Return all published binary packages of a source, also excluded ones, by NEVRA.

        Their `files` are all that filelists.xml lists, as an overlay needs them.
        """
        with self._lock:
            files = self._overlay_pool.files(self._overlay_pool.published(source))
            packages = [
                replace(self._overlay_pool.package(n), files=own) for n, own in files.items()
            ]
        return tuple(sorted(packages, key=lambda p: p.nevra))

    def newest_published(self, source: str) -> tuple[Package, ...]:
        """Return a source's newest published packages for this architecture and noarch.

        A package that excludes or a module filter hide counts only where its name has no other: a
        change does not start from what no image can install.
        """
        with self._lock:
            visible = {
                self._overlay_pool.package(n).nevra
                for n in self._overlay_pool.published(source)
                if not self._overlay_pool.is_excluded(n)
            }
        published = self.published(source)
        native = native_arches(self.arch)
        names = {nevra.name for nevra in visible if nevra.arch in native}
        usable = [p for p in published if p.nevra in visible or p.nevra.name not in names]
        return newest(usable, self.arch)

    @property
    def packages(self) -> int:
        """The number of packages in the snapshot, of every version and architecture."""
        return sum(self._overlay_pool.index.counts)

    def owning_below(self, directories: Sequence[str]) -> frozenset[Nevra]:
        """Return the published packages that own a file below one of `directories`.

        It reads filelists.xml; packages of a repository without one are not found. Directories end
        in a slash (`/usr/lib/rpm/`).
        """
        with self._lock:
            numbers = self._overlay_pool.owners_below(directories)
            return frozenset(self._overlay_pool.package(number).nevra for number in numbers)

    @contextmanager
    def _active_overlays(
        self,
        overlay: Overlay | None,
        placeholders: Sequence[PlaceholderPackage],
        drop: Collection[Requirement],
        exclude: Collection[str] = (),
        installed: tuple[Package, ...] = (),
    ) -> Iterator[None]:
        layers = []
        if installed:
            # A published package of the same NEVRA is no alternative.
            key = "installed", tuple(p.nevra for p in installed)
            same = frozenset(number for p in installed for number in self._published_as(p))
            layers.append(LayerSpec(key, installed, same))
        if overlay is not None:
            layers.append(self._overlay_layer(overlay))
        if placeholders:
            layers.append(placeholder_layer(self._overlay_pool, tuple(placeholders)))
        self._overlay_pool.set_active_overlays(layers, frozenset(exclude))
        undo: list[FormerDependencies] = []
        try:
            if drop:
                undo = self._ignore(drop)
            yield
        finally:
            put_back(undo)
            self._views.finder().forget({former.solvable.id for former in undo})

    def _published_as(self, package: Package) -> Iterator[int]:
        """Yield the published packages with the NEVRA of an installed one."""
        for number in self._overlay_pool.published(package.source):
            if self._overlay_pool.package(number).nevra == package.nevra:
                yield number

    @contextmanager
    def _suggesting(self, suggests: Collection[tuple[Nevra, str]]) -> Iterator[None]:
        undo = add_suggestions(self._overlay_pool.pool, suggests, self._views.find)
        try:
            yield
        finally:
            put_back(undo)

    def _overlay_layer(self, overlay: Overlay) -> LayerSpec:
        hides = self._hidden.get(overlay.sources)
        if hides is None:
            hides = frozenset(n for s in overlay.sources for n in self._overlay_pool.published(s))
            self._hidden[overlay.sources] = hides
        packages = [p for p in overlay.packages if not p.nevra.name.endswith(_DEBUG)]
        return LayerSpec(("overlay", id(overlay)), packages, hides, overlay)

    def _ignore(self, drop: Collection[Requirement]) -> list[FormerDependencies]:
        """Take requirements from packages, and return what to put back."""
        undo = take_requirements(self._overlay_pool.pool, drop, self._views.find)
        self._views.finder().forget({former.solvable.id for former in undo})
        return undo


class _Sight(NamedTuple):
    """A view with some overlays active, and the package numbers found in it by NEVRA."""

    view: View
    numbers: dict[Nevra, tuple[int, ...]]


class Views:
    """The views of a pool for each set of active overlays. Not safe for several threads."""

    def __init__(self, overlays: OverlayPool) -> None:
        self._overlay_pool = overlays
        self._edges = EdgeFinder(overlays.pool, overlays.providers)
        self._generation = overlays.generation
        self._sights: dict[tuple[Hashable, ...], _Sight] = {}

    def view(self) -> View:
        """Return the view with the active overlays."""
        return self._sight().view

    def finder(self) -> EdgeFinder:
        """Return the finder of edges, without cached entries that are out of date."""
        self._renew()
        return self._edges

    def numbers_of(self, packages: Iterable[Package]) -> dict[int, Nevra]:
        """Return the numbers of packages of a closure, with their NEVRAs."""
        nevras: dict[int, Nevra] = {}
        for package in packages:
            number = self._overlay_pool.number(package)
            if number is not None:
                nevras[number] = package.nevra
                continue
            for candidate in self.find(package.nevra):
                if self._overlay_pool.package(candidate).repository == package.repository:
                    nevras[candidate] = package.nevra
        return nevras

    def find(self, nevra: Nevra) -> tuple[int, ...]:
        """Return the packages of a NEVRA that are not hidden and not of an inactive layer."""
        numbers = self._sight().numbers
        if nevra not in numbers:
            overlays = self._overlay_pool
            name = overlays.pool.str2id(nevra.name)
            numbers[nevra] = tuple(
                number
                for number in overlays.providers(name)
                if not overlays.hidden(number)
                and overlays.pool.id2solvable(number).nameid == name
                and overlays.package(number).nevra == nevra
            )
        return numbers[nevra]

    def _sight(self) -> _Sight:
        overlays = self._overlay_pool
        self._renew()
        sight = self._sights.get(overlays.active_key)
        if sight is None:
            view = View(overlays.pool, overlays.enabled, overlays.obsoleters, overlays.owners, {})
            sight = self._sights[overlays.active_key] = _Sight(view, {})
        return sight

    def _renew(self) -> None:
        if self._generation != self._overlay_pool.generation:
            self._generation = self._overlay_pool.generation
            self._sights.clear()
            self._edges.forget()
