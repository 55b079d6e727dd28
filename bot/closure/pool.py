"""A snapshot ready for solving: many images, with and without overlays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from bot.closure.affected import is_unmet, reaches, reaches_hidden
from bot.closure.dependencies import FormerDependencies, put_back, take_all, take_recommendations
from bot.closure.edges import Links, without_packages
from bot.closure.evr import newest
from bot.closure.filelists import in_primary
from bot.closure.files import FileOwners
from bot.closure.layered_pool import LayeredPool
from bot.closure.overlay_pool import OverlayPool
from bot.closure.requests import Want, best_solution, dependency_id, wants_of
from bot.closure.solvcache import MetadataFile, SnapshotCache
from bot.closure.solve import Solution, run
from bot.model.closure import Closure, Edge, Requirement
from bot.model.image import ImageKey, ImageRequest
from bot.model.nevra import Nevra
from bot.model.package import Overlay, Package
from bot.telemetry.measures import timed

if TYPE_CHECKING:
    from bot.closure.comps import Comps
    from bot.distro.cache import Cache
    from bot.distro.snapshot import Snapshot

# The sort key of packages by NEVRA: quicker than comparing Nevra values.
_IN_ORDER = attrgetter(*(f"nevra.{field.name}" for field in fields(Nevra)))


@timed("load")
def open_pool(snapshot: Snapshot, cache: Cache, *, file_of: MetadataFile | None = None) -> Pool:
    """Return the pool of a snapshot, from the cache's .solv files; missing ones are made.

    `file_of` fetches the snapshot's metadata files (default: `repository_file`). Raises
    SurroundingsError where metadata cannot be fetched or the cache cannot be written.
    """
    if file_of is None:
        from bot.distro.snapshot import repository_file

        file_of = repository_file
    solv_cache = SnapshotCache(cache, file_of)
    loaded = solv_cache.load(snapshot)
    owners = FileOwners(loaded, snapshot.repositories, file_of, solv_cache)
    return Pool(snapshot, OverlayPool(loaded, snapshot.repositories, owners), file_of)


class SolvedImage(NamedTuple):
    """An image in libsolv's numbers: the pool with active overlays, the job, and its solution."""

    overlays: OverlayPool
    wants: Sequence[Want]
    missing: Sequence[str]
    solution: Solution
    closure: Closure


class Pool(LayeredPool):
    """A loaded snapshot of one architecture. Safe for several threads; one works at a time."""

    @timed("solve")
    def solve(
        self,
        request: ImageRequest,
        overlay: Overlay | None = None,
        *,
        drop: Collection[Requirement] = (),
        exclude: Collection[str] = (),
        suggests: Collection[tuple[Nevra, str]] = (),
        settled: Callable[[Closure], bool] | None = None,
    ) -> Closure:
        """Return the closure of an image: what dnf would install, with edges between the packages.

        The packages of an overlay replace all published ones of its sources. `drop` are
        requirements to ignore; `exclude` are names of packages that must not be used; `suggests`
        are published packages, each with the name of a package that it then suggests too. `settled`
        is called with the closure before its edges are computed, which is most of the work; if it
        returns true they are left out.
        """
        with (
            self._lock,
            self._active(request, overlay, drop, exclude) as beneath,
            self._suggesting(suggests),
        ):
            solved = self._solve(request, beneath)
            if solved.closure.status != "ok" or (settled is not None and settled(solved.closure)):
                return solved.closure
            return self.with_edges(solved, weak=request.weak)

    def with_edges(self, solved: SolvedImage, *, weak: bool) -> Closure:
        """Return the closure of an open image with the edges between its packages."""
        return replace(solved.closure, edges=self._edges_of(solved, weak=weak))

    @contextmanager
    def solved(
        self, request: ImageRequest, overlay: Overlay | None = None
    ) -> Iterator[SolvedImage]:
        """Open an image: its closure without edges, with the pool that it was solved in.

        While it is open, the overlay stays active and no other thread uses the pool.
        """
        with self._lock, self._active(request, overlay) as beneath:
            yield self._solve(request, beneath)

    def solve_names(
        self,
        names: Iterable[str],
        *,
        weak: bool = False,
        settled: Callable[[Closure], bool] | None = None,
    ) -> Closure:
        """Return the closure of requests that are no image, such as those of a build root."""
        key = ImageKey("", "", self.snapshot.document.id, self.arch)
        request = ImageRequest(key, tuple(dict.fromkeys(names)), weak=weak)
        return self.solve(request, settled=settled)

    def provides(self, capability: str, overlay: Overlay | None = None) -> bool:
        """Return whether a package that can be installed provides a capability or owns a path."""
        with self._lock, self._active_overlays(overlay, (), ()):
            if capability.startswith("/") and capability not in self._overlay_pool.index.files:
                return any(map(self._overlay_pool.enabled, self._overlay_pool.owners(capability)))
            self._read_for([capability])
            number = dependency_id(self._overlay_pool.pool, capability)
            return any(map(self._overlay_pool.enabled, self._overlay_pool.providers(number)))

    def met(
        self,
        request: ImageRequest,
        overlay: Overlay | None,
        members: Iterable[Package],
        capabilities: Iterable[str],
    ) -> frozenset[str]:
        """Return those of `capabilities`, also rich ones, that the packages `members` satisfy.

        `request` and `overlay` are those with which the closure of these packages was solved.
        """
        with self._lock, self._active(request, overlay):
            numbers = frozenset(self._views.numbers_of(members))
            return frozenset(c for c in capabilities if self._views.finder().met(c, numbers))

    def links(
        self, request: ImageRequest, overlay: Overlay | None, closure: Closure
    ) -> tuple[tuple[Nevra, ...], Sequence[Links]]:
        """Return the NEVRAs of a closure and the requirements that they satisfy for each other.

        Requirements are by index into the NEVRAs. The closure was solved with `request` and
        `overlay`.
        """
        with self._lock, self._active(request, overlay):
            members = self._views.numbers_of(closure.packages)
            return self._views.finder().links(members, weak=request.weak)

    def selects(self, request: str, overlay: Overlay | None = None) -> tuple[Nevra, ...]:
        """Return the packages that a request could mean, sorted; none if it matches nothing."""
        with self._lock, self._active_overlays(overlay, (), ()):
            numbers, _ = best_solution(self._views.view(), request, with_sources=False)
            return tuple(sorted(self._overlay_pool.package(number).nevra for number in numbers))

    def candidates(self, request: str) -> tuple[Package, ...]:
        """Return the newest package of each name that a request could mean, with dependencies."""
        with self._lock, self._active_overlays(None, (), ()):
            numbers, _ = best_solution(self._views.view(), request, with_sources=False)
            return newest([self._overlay_pool.package(number) for number in numbers], self.arch)

    def group(self, name: str) -> tuple[str, ...]:
        """Return the names of a comps group's unconditional packages; none if there is no such
        group."""
        with self._lock:
            packages = self._read_comps().packages(name) or ()
            return tuple(package.name for package in packages if package.requires is None)

    def may_need(self, request: ImageRequest, overlay: Overlay, names: Collection[str]) -> bool:
        """Return whether requirements lead from a request to a package of the overlay's sources.

        Any provider counts, also the published packages that the overlay replaces, and so does a
        requirement of one of `names` that no package meets. Nothing is solved: this is for images
        that cannot be solved.
        """
        with self._lock, self._active(request, overlay):
            wants, _ = self._wants(request.with_placeholders, request.groups)
            layer = self._overlay_layer(overlay)
            ids = layer.hides | self._overlay_pool.numbers(layer)
            start = [number for want in wants for number in want.ids]
            return reaches_hidden(
                self._overlay_pool, start, ids, frozenset(names), weak=request.weak
            )

    def would_meet(self, names: Iterable[str]) -> bool:
        """Return whether a published package requires one of these names and no package has it."""
        with self._lock, self._active_overlays(None, (), ()):
            return any(is_unmet(self._overlay_pool, name) for name in names)

    # -- solving --------------------------------------------------------------------------------

    def _solve(self, request: ImageRequest, beneath: Closure) -> SolvedImage:
        overlays = self._overlay_pool
        requests = request.with_placeholders
        self._read_for(requests)
        wants, missing = self._wants(requests, request.groups)
        if overlays.index.unread and (
            request.weak or reaches(overlays, [n for want in wants for n in want.ids])
        ):
            overlays.read_filelists()
            wants, missing = self._wants(requests, request.groups)
        if beneath.status == "unsolvable":
            return SolvedImage(overlays, wants, missing, Solution(()), beneath)
        below = self._below(request, beneath)
        wants = [*(Want((number,)) for number in below), *wants]
        former = self._taken_of(request, below)
        answer = run(overlays, wants, missing, arch=self.arch, weak=request.weak)
        put_back(former)
        if missing or answer.problems:
            texts = tuple(f"nothing provides requested {name}" for name in missing)
            closure = Closure(
                request.key,
                self.state,
                "unsolvable",
                problems=tuple(dict.fromkeys(texts + answer.problems)),
                missing=tuple(missing),
                causes=answer.causes,
                involved=answer.involved,
            )
        else:
            packages = {number: overlays.package(number) for number in answer.installed}
            numbers = {number for want in wants[len(below) :] for number in want.ids}
            closure = Closure(
                request.key,
                self.state,
                "ok",
                packages=tuple(sorted(packages.values(), key=_IN_ORDER)),
                requested=frozenset(p.nevra for n, p in packages.items() if n in numbers),
                beneath=frozenset(p.nevra for p in beneath.packages),
            )
        return SolvedImage(overlays, wants, missing, answer, closure)

    def _below(self, request: ImageRequest, beneath: Closure) -> list[int]:
        """Return the numbers of the packages of the image beneath.

        For a real image they are those of its own layer, as another package may have the same
        NEVRA.
        """
        if request.beneath is not None and request.beneath.installed:
            return list(self._views.numbers_of(beneath.packages))
        return [number for p in beneath.packages for number in self._views.find(p.nevra)]

    def _taken_of(self, request: ImageRequest, below: Sequence[int]) -> list[FormerDependencies]:
        """Take the dependencies that installed packages no longer bring in.

        These are recommendations and, for a real image, requirements, met or not. If packages of
        that image are removed, requirements stay.
        """
        solvables = [self._overlay_pool.pool.id2solvable(number) for number in below]
        real = request.beneath is not None and request.beneath.installed
        if real and not (request.removes or request.swaps):
            return take_all(solvables)
        return take_recommendations(solvables if request.weak else ())

    def _beneath(self, request: ImageRequest, overlay: Overlay | None) -> Closure:
        """Return the packages of the image beneath, without those that the request removes."""
        if request.beneath is None:
            return Closure(request.key, self.state, "ok")
        if request.beneath.installed:
            return self._installed(request, request.beneath.installed)
        with self._active(request.beneath, overlay) as lower:
            solved = self._solve(request.beneath, lower)
            closure = replace(solved.closure, key=request.key)
            if request.removes and closure.status == "ok":
                closure = replace(closure, edges=self._edges_of(solved, weak=False))
        return without_packages(closure, request.removes, request.swaps)

    def _installed(self, request: ImageRequest, packages: tuple[Package, ...]) -> Closure:
        """Return the packages of a real image, without those that the request removes."""
        closure = Closure(
            request.key, self.state, "ok", packages=tuple(sorted(packages, key=_IN_ORDER))
        )
        if request.removes:
            with self._active_overlays(None, (), (), installed=packages):
                members = self._views.numbers_of(packages)
                edges = self._views.finder().edges(members, weak=False)
            closure = replace(closure, edges=edges)
        return without_packages(closure, request.removes, request.swaps)

    def _edges_of(self, solved: SolvedImage, *, weak: bool) -> tuple[Edge, ...]:
        installed = solved.solution.installed
        members = {number: self._overlay_pool.package(number).nevra for number in installed}
        return self._views.finder().edges(members, weak=weak)

    def _wants(
        self, requests: Sequence[str], groups: Sequence[str]
    ) -> tuple[list[Want], list[str]]:
        return wants_of(self._views.view(), requests, groups, self._read_comps, self.arch)

    def _read_for(self, capabilities: Iterable[str]) -> None:
        """Read filelists.xml if one of these is a path that primary.xml does not list."""
        unread = self._overlay_pool.index.unread
        if unread and any(
            c.startswith(("/", "*/", "(")) and not in_primary(c) for c in capabilities
        ):
            self._overlay_pool.read_filelists()

    def _read_comps(self) -> Comps:
        if self._comps is None:
            from bot.closure.comps import read_comps

            files = [self._file_of(r, "group") for r in self.snapshot.repositories]
            self._comps = read_comps([f for f in files if f is not None], self.arch)
        return self._comps

    # -- what takes part ---------------------------------------------------------------------------

    @contextmanager
    def _active(
        self,
        request: ImageRequest,
        overlay: Overlay | None,
        drop: Collection[Requirement] = (),
        exclude: Collection[str] = (),
    ) -> Iterator[Closure]:
        """Activate the overlay and hide what the request excludes; yield the closure beneath.

        Packages that the request removes are hidden too. As with dnf, an exclude does not hide
        packages that are installed beneath.
        """
        beneath = self._beneath(request, overlay)
        installed_names = {package.nevra.name for package in beneath.packages}
        removed = self._overlay_pool.names_like((*request.removes, *request.swaps))
        excluded = self._overlay_pool.names_like(request.excludes)
        names = {*exclude, *(n for n in excluded if n not in installed_names), *removed}
        installed = beneath.packages if request.beneath and request.beneath.installed else ()
        with self._active_overlays(overlay, request.placeholders, drop, names, installed):
            yield beneath
