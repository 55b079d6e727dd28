"""Measured sizes of a check's images: the layers of both sides, composed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.check.evidence import Sides
from bot.check.images import CheckedImage, Rules
from bot.check.objectives import applies, evaluate_objectives
from bot.distro.cache import Cache
from bot.distro.keys import key_urls
from bot.distro.snapshot import Snapshot
from bot.errors import MinimizeError
from bot.image.layer import Layer
from bot.image.measure import StandIn, closure_layer, file_changes
from bot.image.selection import Selection, selection_of
from bot.model.closure import Closure
from bot.model.image import ImageKey
from bot.model.result import FileChange, ImageResult, LayerSize
from bot.model.surface import Surface
from bot.surface.files import surface_of_files, surface_of_headers, surface_of_plan

if TYPE_CHECKING:
    from bot.check.target import Target

LOG = logging.getLogger(__name__)
# As many as a person reads in a collapsed section.
MOST_FILES = 10
# The number of changed images for which the attack surface is predicted.
FEW = 24


# The images whose layers are composed: all, none, or those of these architectures.
Layers = bool | frozenset[str]


@dataclass(frozen=True, slots=True)
class Measured:
    """The images with the sizes of their layers; `notes` say which could not be composed, and
    why."""

    images: tuple[CheckedImage, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a measurement; `sides` and `snapshots` are by repository document and
    architecture."""

    sides: Mapping[tuple[str, str], Sides]
    snapshots: Mapping[tuple[str, str], Snapshot]
    rules: Rules
    cache: Cache

    def snapshot(self, key: ImageKey) -> Snapshot:
        """The snapshot of an image."""
        return self.snapshots[key.repository, key.arch]

    def selection(self, key: ImageKey) -> Selection:
        """The files of the packages that are installed in an image."""
        environment = self.rules.configuration.environments[key.environment]
        workload = self.rules.configuration.workloads.get(key.workload)
        # `@self` has no workload document; the environment alone decides what is installed.
        return selection_of(environment, environment if workload is None else workload)

    def stand_in(self, key: ImageKey) -> StandIn:
        """The published package (with a file) for a package of an overlay, by name and
        architecture."""
        base = self.sides[key.repository, key.arch].base
        files = {p.nevra.name_arch: p for p in base.packages if p.location is not None}
        return lambda package: files.get(package.nevra.name_arch)


def weighed(
    images: tuple[CheckedImage, ...],
    targets: Iterable[Target],
    rules: Rules,
    cache: Cache,
    layers: Layers,
) -> Measured:
    """The images that `layers` selects with their layers, the others with their attack surface
    alone."""
    targets = tuple(targets)
    sides = {(t.document.id, arch): s for t in targets for arch, s in t.sides.items()}
    snapshots = {(t.document.id, arch): p.snapshot for t in targets for arch, p in t.pools.items()}
    inputs = Inputs(sides, snapshots, rules, cache)
    by_key: dict[ImageKey, CheckedImage] = {}
    notes: list[str] = []
    for weigh, composed in ((measure, True), (with_surfaces, False)):
        measured = weigh([i for i in images if _composed(i, layers) is composed], inputs)
        notes.extend(measured.notes)
        by_key |= {image.result.key: image for image in measured.images}
    return Measured(tuple(by_key[image.result.key] for image in images), tuple(notes))


def _composed(image: CheckedImage, layers: Layers) -> bool:
    return layers if isinstance(layers, bool) else image.result.key.arch in layers


def measure(images: Sequence[CheckedImage], inputs: Inputs) -> Measured:
    """Compose both sides of each image, find their attack surface, evaluate the objectives.

    A package without a file (predicted, transferred) counts with the files of the published
    package. A layer that cannot be composed is null, with a note; it does not fail the change.
    """
    notes: list[str] = []
    measured = []
    for image in images:
        key, pair = image.result.key, image.pair
        LOG.debug("Composing the layers of %s on %s", key.workload, key.environment)
        base, head = (_layer(closure, inputs, notes) for closure in (pair.base, pair.head))
        surfaces = [
            None if layer is None else _surface(layer, closure, inputs, notes)
            for layer, closure in ((base, pair.base), (head, pair.head))
        ]
        result = replace(
            image.result,
            base=replace(image.result.base, layer=_size(base), surface=surfaces[0]),
            head=replace(image.result.head, layer=_size(head), surface=surfaces[1]),
        )
        if head is not None and result.evidence in ("predicted", "transferred"):
            notes.append(
                f"Layers: {result.evidence} packages are counted with the sizes of their published"
                " files."
            )
        if base is not None and head is not None:
            result = replace(result, files=_moved_files(image, inputs))
        measured.append(_with_objectives(image, result, inputs.rules))
    return Measured(tuple(measured), tuple(dict.fromkeys(notes)))


def with_surfaces(images: Sequence[CheckedImage], inputs: Inputs) -> Measured:
    """The images with the attack surface of both sides, if all headers are available.

    One side of 15,000 files takes a fifth of a second. If more than `FEW` images change, only those
    with an objective on the attack surface get it.
    """
    few = sum(image.result.changed for image in images) <= FEW
    notes: list[str] = []
    measured = []
    for image in images:
        key = image.result.key
        limited = any(o.limits.surface for o in inputs.rules.objectives if applies(o, key))
        if not (limited or (few and image.result.changed)):
            measured.append(image)
            continue
        surfaces = [
            _predicted_surface(closure, inputs, notes)
            for closure in (image.pair.base, image.pair.head)
        ]
        result = replace(
            image.result,
            base=replace(image.result.base, surface=surfaces[0]),
            head=replace(image.result.head, surface=surfaces[1]),
        )
        measured.append(_with_objectives(image, result, inputs.rules))
    return Measured(tuple(measured), tuple(dict.fromkeys(notes)))


def _with_objectives(image: CheckedImage, result: ImageResult, rules: Rules) -> CheckedImage:
    objectives = evaluate_objectives(rules.objectives, result, image.pair, rules.today)
    return replace(image, result=replace(result, objectives=objectives))


def _predicted_surface(closure: Closure, inputs: Inputs, notes: list[str]) -> Surface | None:
    key = closure.key
    try:
        return surface_of_headers(
            closure,
            inputs.snapshot(key),
            inputs.cache,
            selection=inputs.selection(key),
            stand_in=inputs.stand_in(key),
        )
    except MinimizeError as error:
        notes.append(f"{key.arch}: the attack surface is not known: {error.what}")
        return None


def _layer(closure: Closure, inputs: Inputs, notes: list[str]) -> Layer | None:
    key, configuration = closure.key, inputs.rules.configuration
    try:
        return closure_layer(
            replace(closure, packages=closure.own),
            inputs.cache,
            selection=inputs.selection(key),
            database=configuration.environments[key.environment].rpmdb == "keep",
            stand_in=inputs.stand_in(key),
            keys=key_urls(configuration.repositories[key.repository], key.arch),
        )
    except MinimizeError as error:
        notes.append(f"{key.arch}: the layer was not composed: {error.what}")
        return None


def _size(layer: Layer | None) -> LayerSize | None:
    return None if layer is None else layer.size


def _surface(layer: Layer, closure: Closure, inputs: Inputs, notes: list[str]) -> Surface:
    """The attack surface of a side, from the plan of its layer."""
    try:
        return surface_of_plan(layer.plan, closure, inputs.snapshot(closure.key), inputs.cache)
    except MinimizeError as error:
        notes.append(f"{closure.key.arch}: security advisories are not known: {error.what}")
        return surface_of_files(layer.plan)


def _moved_files(image: CheckedImage, inputs: Inputs) -> tuple[FileChange, ...]:
    """The files that change in size most. The headers are cached since the layers were composed."""
    pair, key = image.pair, image.pair.head.key
    moved = file_changes(
        pair.base,
        pair.head,
        inputs.cache,
        selection=inputs.selection(key),
        stand_in=inputs.stand_in(key),
    )
    return tuple(f for f in moved if f.delta)[:MOST_FILES]
