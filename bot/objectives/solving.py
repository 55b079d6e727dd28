"""Solving one image: its evaluation with the sizes that metadata lacks, or that it is unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.check.objectives import applies
from bot.closure.packages import totals
from bot.closure.pool import Pool, open_pool
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.keys import key_urls
from bot.distro.snapshot import Snapshot
from bot.errors import MinimizeError
from bot.image.measure import NodocsSizes, closure_layer
from bot.image.selection import Selection, selection_of
from bot.model.closure import Closure, Link
from bot.model.image import ImageKey, ImageRequest
from bot.model.package import Package
from bot.model.surface import Surface
from bot.store.history.recording import Unchanged
from bot.store.history.values import WEAK, ClosureFacts, Evaluated, Member
from bot.surface.files import surface_of_headers


@dataclass(frozen=True, slots=True)
class Task:
    """An image to solve.

    `inputs` is a digest of all that the result depends on, `digest` the last result's. With a
    `layer` its layer is composed too. `selection` is that of the installed files, for its attack
    surface; with `headers` uncached headers are fetched.
    """

    request: ImageRequest
    inputs: str
    digest: str | None = None
    layer: LayerWish | None = None
    selection: Selection = field(default_factory=Selection)
    headers: bool = False


@dataclass(frozen=True, slots=True)
class Noted:
    """A sentence about a size that could not be measured, and why."""

    text: str


class Solver:
    """A solver of tasks, with a cache of pools and of packages in history's form."""

    def __init__(self, cache: Cache, *, headers: bool = False) -> None:
        self._cache = cache
        self._nodocs = NodocsSizes(cache, fetch=headers)
        self._pools: dict[tuple[str, str], Pool] = {}
        self._packages: dict[int, _Known] = {}

    def solve(self, snapshot: Snapshot, task: Task) -> list[Evaluated | Unchanged | Noted]:
        """Return the evaluation of an image, and notes on it.

        Raises SurroundingsError where its metadata cannot be fetched.
        """
        weighed: list[_Weighed] = []

        def settled(bare: Closure) -> bool:
            weighed.append(self._weighed(own_layer(bare), task))
            return weighed[0].digest == task.digest

        closure = own_layer(self._pool(snapshot).solve(task.request, settled=settled))
        found = weighed[0] if weighed else self._weighed(closure, task)
        surface, note = self._surface(snapshot, closure, task)
        notes = [Noted(text) for text in (found.note, note) if text]
        # Failed measurements are tried again in the next run.
        inputs = "" if notes else task.inputs
        if found.digest == task.digest:
            same = Unchanged(task.request.key, closure.snapshot, inputs, True, surface)
            return [same, *notes]
        evaluated = self._evaluated(closure, found, task.request, inputs)
        return [replace(evaluated, surface=surface), *notes]

    def published(self, snapshot: Snapshot, source: str) -> tuple[Package, ...]:
        """Return the newest published packages of a source package."""
        return self._pool(snapshot).newest_published(source)

    def _surface(
        self, snapshot: Snapshot, closure: Closure, task: Task
    ) -> tuple[Surface | None, str]:
        """Return the attack surface of a closure, None if unknown, and a sentence on why."""
        try:
            found = surface_of_headers(
                closure, snapshot, self._cache, selection=task.selection, fetch=task.headers
            )
        except MinimizeError as error:
            key = closure.key
            return None, f"{key.workload} {key.arch}: the attack surface is not known: {error.what}"
        return found, ""

    def _pool(self, snapshot: Snapshot) -> Pool:
        place = (snapshot.document.id, snapshot.arch)
        pool = self._pools.get(place)
        if pool is None or pool.snapshot.id != snapshot.id:
            pool = self._pools[place] = open_pool(snapshot, self._cache)
        return pool

    def _weighed(self, closure: Closure, task: Task) -> _Weighed:
        layer, note = None, ""
        if task.layer is not None and closure.status == "ok":
            try:
                layer = layer_size(closure, self._cache, task.layer)
            except MinimizeError as error:
                key = closure.key
                note = f"{key.workload} {key.arch}: the layer was not composed: {error.what}"
        known = [(self._known(p), p.nevra in closure.requested) for p in closure.packages]
        requests = requests_of(task.request)
        digest = hashlib.sha256(
            repr((closure.status, closure.causes, closure.missing, requests, layer)).encode()
        )
        for package, requested in known:
            digest.update(package.fingerprint + (b"+" if requested else b"-"))
        members = tuple(package.member(requested) for package, requested in known)
        return _Weighed(members, layer, digest.hexdigest()[:32], note)

    def _known(self, package: Package) -> _Known:
        known = self._packages.get(id(package))
        if known is None:
            known = _Known(package, self._nodocs.of(package))
            self._packages[id(package)] = known
        return known

    def _evaluated(
        self, closure: Closure, found: _Weighed, request: ImageRequest, inputs: str
    ) -> Evaluated:
        places = {member.nevra: index for index, member in enumerate(found.members)}
        # Edges are in the order of their NEVRAs, as the members are: so are the links.
        links = tuple(
            Link(places[e.source], e.capability, places[e.target], e.kind) for e in closure.edges
        )
        return Evaluated(
            request.key,
            closure.snapshot,
            inputs,
            found.digest,
            _facts(closure, found),
            requests_of(request),
            request.weak,
            found.members,
            links,
            {package.nevra: package.source for package in closure.involved},
        )


@dataclass(frozen=True, slots=True)
class _Weighed:
    """The members of a closure with their sizes, the layer's size, and a digest of all that."""

    members: tuple[Member, ...]
    layer: int | None
    digest: str
    note: str


class _Known:
    """A package in history's form, shared by all images that have it.

    Its fingerprint covers all that an image's answer uses: its name, sizes, requirements and
    provides; its checksum represents its files.
    """

    __slots__ = ("_members", "fingerprint", "package")

    def __init__(self, package: Package, nodocs: int | None) -> None:
        self.package = package  # held, so that no other package gets its id
        unrequested = Member(
            package.nevra,
            package.source,
            package.repository,
            package.installed_size,
            nodocs,
            package.download_size,
            requested=False,
        )
        self._members = (unrequested, replace(unrequested, requested=True))
        checksum = package.location.checksum if package.location is not None else ""
        facts = repr((unrequested, package.dependencies, checksum))
        self.fingerprint = hashlib.sha256(facts.encode()).digest()

    def member(self, requested: bool) -> Member:
        """The package as a member of an image."""
        return self._members[requested]


def own_layer(closure: Closure) -> Closure:
    """Return a closure without the packages beneath: the image's own part of it."""
    if not closure.beneath:
        return closure
    own = closure.own
    names = {package.nevra for package in own}
    edges = tuple(e for e in closure.edges if e.source in names and e.target in names)
    return replace(closure, packages=own, edges=edges, beneath=frozenset())


def requests_of(request: ImageRequest) -> tuple[str, ...]:
    """Return the request of an image, as history stores it."""
    groups = (f"@{group}" for group in request.groups)
    return (*request.requests, *groups, *([WEAK] if request.weak else []))


def _facts(closure: Closure, found: _Weighed) -> ClosureFacts:
    if closure.status != "ok":
        return ClosureFacts(
            *("unsolvable", None, None, None),
            problems=closure.problems,
            missing=closure.missing,
            causes=closure.causes,
        )
    sums = totals(closure)
    return ClosureFacts(
        "ok",
        sums.packages,
        sums.installed_size,
        sums.known_size,
        _sum([member.installed_size_nodocs for member in found.members]),
        sums.download_size,
        found.layer,
    )


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


@dataclass(frozen=True, slots=True)
class LayerWish:
    """The composition of an image's layer; `keys` are the URLs of each repository's keys."""

    selection: Selection
    database: bool
    keys: Mapping[str, tuple[str, ...]]

    def facts(self) -> tuple[object, ...]:
        """The wish as canonical text."""
        return repr(self.selection), self.database, sorted(self.keys.items())


def layer_wishes(
    configuration: Configuration, keys: Iterable[ImageKey], *, every: bool = False
) -> dict[ImageKey, LayerWish]:
    """Return the images whose layers are to be composed: those with a layer limit, or all."""
    found = {}
    for key in keys:
        if every or _is_limited(configuration, key):
            found[key] = LayerWish(
                image_selection(configuration, key),
                configuration.environments[key.environment].rpmdb == "keep",
                key_urls(configuration.repositories[key.repository], key.arch),
            )
    return found


def image_selection(configuration: Configuration, key: ImageKey) -> Selection:
    """Return which files of packages an image has."""
    environment = configuration.environments[key.environment]
    return selection_of(environment, configuration.workloads[key.workload])


def _is_limited(configuration: Configuration, key: ImageKey) -> bool:
    return any(
        objective.limits.layer_size is not None
        or (objective.target is not None and objective.target.sizes.layer_size is not None)
        for objective in configuration.objectives.values()
        if applies(objective, key)
    )


def surface_is_limited(configuration: Configuration, key: ImageKey) -> bool:
    """Return whether an objective limits the attack surface of an image."""
    objectives = configuration.objectives.values()
    return any(objective.limits.surface for objective in objectives if applies(objective, key))


def layer_size(closure: Closure, cache: Cache, wish: LayerWish) -> int | None:
    """Return the bytes of a closure's layer as a gzip blob; None where a package has no file.

    Raises ChangeError where the packages make no image, SurroundingsError where one cannot be
    fetched.
    """
    layer = closure_layer(
        closure, cache, selection=wish.selection, database=wish.database, keys=wish.keys
    )
    return None if layer is None else layer.size.gzip
