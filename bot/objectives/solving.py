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
from bot.store.history.recording import UnchangedImage
from bot.store.history.values import WEAK, ClosureFacts, EvaluatedImage, Member
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
class Note:
    """A sentence about a size that could not be measured, and why."""

    text: str


class Solver:
    """A solver of tasks, with a cache of pools and of packages in history's form."""

    def __init__(self, cache: Cache, *, headers: bool = False) -> None:
        self._cache = cache
        self._nodocs = NodocsSizes(cache, fetch=headers)
        self._pools: dict[tuple[str, str], Pool] = {}
        self._packages: dict[int, _PackageRecord] = {}

    def solve(self, snapshot: Snapshot, task: Task) -> list[EvaluatedImage | UnchangedImage | Note]:
        """Return the evaluation of an image, and notes on it.

        Raises SurroundingsError where its metadata cannot be fetched.
        """
        measurements: list[_Measurement] = []

        def is_settled(bare: Closure) -> bool:
            measurements.append(self._measure(own_layer(bare), task))
            return measurements[0].digest == task.digest

        closure = own_layer(self._pool(snapshot).solve(task.request, settled=is_settled))
        measurement = measurements[0] if measurements else self._measure(closure, task)
        surface, note = self._surface(snapshot, closure, task)
        notes = [Note(text) for text in (measurement.note, note) if text]
        # Failed measurements are tried again in the next run.
        inputs = "" if notes else task.inputs
        if measurement.digest == task.digest:
            same = UnchangedImage(task.request.key, closure.snapshot, inputs, True, surface)
            return [same, *notes]
        evaluated = self._evaluation(closure, measurement, task.request, inputs)
        return [replace(evaluated, surface=surface), *notes]

    def published(self, snapshot: Snapshot, source: str) -> tuple[Package, ...]:
        """Return the newest published packages of a source package."""
        return self._pool(snapshot).newest_published(source)

    def _surface(
        self, snapshot: Snapshot, closure: Closure, task: Task
    ) -> tuple[Surface | None, str]:
        """Return the attack surface of a closure, None if unknown, and a sentence on why."""
        try:
            surface = surface_of_headers(
                closure, snapshot, self._cache, selection=task.selection, fetch=task.headers
            )
        except MinimizeError as error:
            key = closure.key
            return None, f"{key.workload} {key.arch}: the attack surface is not known: {error.what}"
        return surface, ""

    def _pool(self, snapshot: Snapshot) -> Pool:
        place = (snapshot.document.id, snapshot.arch)
        pool = self._pools.get(place)
        if pool is None or pool.snapshot.id != snapshot.id:
            pool = self._pools[place] = open_pool(snapshot, self._cache)
        return pool

    def _measure(self, closure: Closure, task: Task) -> _Measurement:
        layer, note = None, ""
        if task.layer is not None and closure.status == "ok":
            try:
                layer = layer_size(closure, self._cache, task.layer)
            except MinimizeError as error:
                key = closure.key
                note = f"{key.workload} {key.arch}: the layer was not composed: {error.what}"
        records = [(self._record(p), p.nevra in closure.requested) for p in closure.packages]
        requests = requests_of(task.request)
        digest = hashlib.sha256(
            repr((closure.status, closure.causes, closure.missing, requests, layer)).encode()
        )
        for package, requested in records:
            digest.update(package.fingerprint + (b"+" if requested else b"-"))
        members = tuple(package.member(requested) for package, requested in records)
        return _Measurement(members, layer, digest.hexdigest()[:32], note)

    def _record(self, package: Package) -> _PackageRecord:
        record = self._packages.get(id(package))
        if record is None:
            record = _PackageRecord(package, self._nodocs.of(package))
            self._packages[id(package)] = record
        return record

    def _evaluation(
        self, closure: Closure, measurement: _Measurement, request: ImageRequest, inputs: str
    ) -> EvaluatedImage:
        places = {member.nevra: index for index, member in enumerate(measurement.members)}
        # Edges are in the order of their NEVRAs, as the members are: so are the links.
        links = tuple(
            Link(places[e.source], e.capability, places[e.target], e.kind) for e in closure.edges
        )
        return EvaluatedImage(
            request.key,
            closure.snapshot,
            inputs,
            measurement.digest,
            _facts(closure, measurement),
            requests_of(request),
            request.weak,
            measurement.members,
            links,
            {package.nevra: package.source for package in closure.involved},
        )


@dataclass(frozen=True, slots=True)
class _Measurement:
    """The members of a closure with their sizes, the layer's size, and a digest of all that."""

    members: tuple[Member, ...]
    layer: int | None
    digest: str
    note: str


class _PackageRecord:
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
    own_packages = closure.own
    names = {package.nevra for package in own_packages}
    edges = tuple(e for e in closure.edges if e.source in names and e.target in names)
    return replace(closure, packages=own_packages, edges=edges, beneath=frozenset())


def requests_of(request: ImageRequest) -> tuple[str, ...]:
    """Return the request of an image, as history stores it."""
    groups = (f"@{group}" for group in request.groups)
    return (*request.requests, *groups, *([WEAK] if request.weak else []))


def _facts(closure: Closure, measurement: _Measurement) -> ClosureFacts:
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
        _sum([member.installed_size_nodocs for member in measurement.members]),
        sums.download_size,
        measurement.layer,
    )


def _sum(parts: Sequence[int | None]) -> int | None:
    sizes = [part for part in parts if part is not None]
    return sum(sizes) if len(sizes) == len(parts) else None


@dataclass(frozen=True, slots=True)
class LayerWish:
    """The composition of an image's layer; `keys` are the URLs of each repository's keys."""

    selection: Selection
    database: bool
    keys: Mapping[str, tuple[str, ...]]

    def facts(self) -> tuple[object, ...]:
        """The wish as values that are equal for equal wishes, and that JSON can hold."""
        return repr(self.selection), self.database, sorted(self.keys.items())


def layer_wishes(
    configuration: Configuration, keys: Iterable[ImageKey], *, every: bool = False
) -> dict[ImageKey, LayerWish]:
    """Return the images whose layers are to be composed: those with a layer limit, or all."""
    wishes = {}
    for key in keys:
        if every or _is_limited(configuration, key):
            wishes[key] = LayerWish(
                image_selection(configuration, key),
                configuration.environments[key.environment].rpmdb == "keep",
                key_urls(configuration.repositories[key.repository], key.arch),
            )
    return wishes


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
