"""Images on which a change has the same effect: a row for architectures, effects in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bot.model.architecture import all_architectures, architecture_order
from bot.model.closure import UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.result import Added, ImageResult, Side
from bot.model.spec import SpecLine
from bot.report.blocks import truncated
from bot.report.phrase import Phrase, joined, plain
from bot.report.template import Place, image_phrase, say, workload_name

CauseKey = tuple[str, str, str, str, SpecLine | None, SpecLine | None]


@dataclass(frozen=True)
class Row:
    """One image on the architectures on which the change has the same effect.

    `images` are in the order of architectures; `checked` are all architectures that this image
    was checked on.
    """

    images: tuple[ImageResult, ...]
    checked: tuple[str, ...]

    @property
    def place(self) -> Place:
        return place_of_image(self.first)

    @property
    def arches(self) -> tuple[str, ...]:
        return tuple(image.key.arch for image in self.images)

    @property
    def first(self) -> ImageResult:
        return self.images[0]

    @property
    def broken(self) -> bool:
        """Return whether it can no longer be installed, or is new and cannot be."""
        return self.first.base.status != "unsolvable" and self.first.head.status != "ok"

    @property
    def new(self) -> bool:
        """Return whether it is new with this change, without a base."""
        return self.first.base.status == "absent"

    @property
    def repaired(self) -> bool:
        return self.first.base.status == "unsolvable" and self.first.head.status == "ok"

    @property
    def comparable(self) -> bool:
        """Return whether both sides can be installed, and so have sizes."""
        return self.first.base.status == "ok" and self.first.head.status == "ok"

    @cached_property
    def deltas(self) -> tuple[int | None, ...]:
        """The change of installed size for each image, in bytes; null where not known."""
        return tuple(image.size_delta for image in self.images)

    @cached_property
    def largest(self) -> int:
        """The largest of the known differences of size, 0 if there is none."""
        return max((image.known_delta for image in self.images), default=0)


def arch_order(arch: str) -> tuple[int, str]:
    """The sort key of an architecture."""
    return architecture_order(arch)


def architecture_rows(images: Iterable[ImageResult]) -> tuple[Row, ...]:
    """Rows of images with the same effect, sorted by image and then by architecture."""
    listed = sorted(images, key=lambda i: (place_of_image(i), arch_order(i.key.arch)))
    checked: dict[Place, list[str]] = {}
    groups: dict[object, list[ImageResult]] = {}
    for image in listed:
        place = place_of_image(image)
        checked.setdefault(place, []).append(image.key.arch)
        groups.setdefault((place, _effect(image)), []).append(image)
    return tuple(
        Row(tuple(group), tuple(checked[place_of_image(group[0])])) for group in groups.values()
    )


def architectures(arches: Iterable[str], checked: Iterable[str]) -> str:
    """`all four`, or the names: `x86_64, aarch64`."""
    listed = sorted(set(arches), key=arch_order)
    return all_architectures(listed, set(checked)) or ", ".join(listed)


def on_architectures(arches: Iterable[str], checked: Iterable[str]) -> str:
    """`architectures` in a sentence: `on all four architectures`, `on x86_64 and aarch64`."""
    text = architectures(arches, checked)
    if text.startswith("all"):
        return f"on {text} architectures"
    return "on " + " and ".join(text.rsplit(", ", 1))


def place_of(key: ImageKey) -> Place:
    """Workload, environment, repository."""
    return key.workload, key.environment, key.repository


def place_of_image(image: ImageResult) -> Place:
    """Workload, environment, repository."""
    return place_of(image.key)


def arch_names(keys: Iterable[ImageKey]) -> str:
    """The architectures of images: `x86_64, aarch64`."""
    return ", ".join(sorted({key.arch for key in keys}, key=arch_order))


def image_on(place: Place, arches: str, *, emphasis: bool = False) -> Phrase:
    """`nginx on minimal, centos-stream-9 (x86_64, aarch64)`."""
    return say.image_on(image=image_phrase(place, emphasis=emphasis), arches=arches)


def row_phrase(row: Row, *, emphasis: bool = False) -> Phrase:
    """`nginx on minimal, centos-stream-9 (all four)`."""
    return image_on(row.place, row_arches(row), emphasis=emphasis)


def row_arches(row: Row) -> str:
    """`all four`, or the names of the architectures of a row."""
    return architectures(row.arches, row.checked)


def where_phrase(images_: Sequence[ImageResult], in_all: set[ImageKey]) -> Phrase:
    """The images of a package: `everywhere`, or architectures, or images."""
    keys = {image.key for image in images_}
    if keys >= in_all:
        return say.everywhere()
    if len({place_of(key) for key in in_all}) == 1:
        return plain(arch_names(keys))
    places: dict[Place, list[str]] = {}
    for image in images_:
        places.setdefault(place_of(image.key), []).append(image.key.arch)
    phrases = []
    for place, arches in places.items():
        everywhere = {key.arch for key in in_all if place_of(key) == place}
        some = "" if set(arches) == everywhere else ", ".join(arches)
        workload = workload_name(place[0])
        phrases.append(say.where(workload=workload, environment=place[1], arches=some))
    return joined(truncated(phrases, 3, "image"), "; ")


def on_any_architecture(problem: str, arch: str) -> str:
    """A solver's text about an image of `arch`, without the marks of that architecture."""
    text = re.sub(rf"\.{re.escape(arch)}\b", "", problem)
    return text.replace("()(64bit)", "").replace("(64bit)", "")


def essential_causes(causes: Sequence[UnsolvableCause]) -> tuple[UnsolvableCause, ...]:
    """The causes that a reader must know, in their order.

    Causes in foreign architectures' packages only where there is no other; none in an older version
    of a package whose newest fails too.
    """
    own = [cause for cause in causes if not cause.arch_only] or list(causes)
    versions: dict[tuple[str, str], Nevra] = {}
    essential = []
    for cause in own:
        nevra = cause.needed_by
        if nevra is None or versions.setdefault((nevra.name, nevra.arch), nevra) == nevra:
            essential.append(cause)
    return tuple(essential)


def cause_key(cause: UnsolvableCause, arch: str) -> CauseKey:
    """The part of a cause that is the same on every architecture and in every image."""
    other = cause.conflicts_with
    return (
        cause.kind,
        on_any_architecture(cause.capability, arch),
        cause.needed_by.name if cause.needed_by is not None else "",
        other.name if other is not None else "",
        cause.spec,
        cause.removed,
    )


def _effect(image: ImageResult) -> object:
    """The key by which architectures share a row: all but the figures."""
    return (
        image.changed,
        image.base.status,
        image.head.status,
        frozenset(_came(added) for added in image.added),
        frozenset(package.nevra.name for package in image.removed),
        _why(image.base, image.key.arch),
        _why(image.head, image.key.arch),
        on_any_architecture(image.reason or "", image.key.arch),
        frozenset((o.name, o.metric, o.met, o.worse) for o in image.objectives),
    )


def _came(added: Added) -> tuple[str, SpecLine | None]:
    return added.package.nevra.name, added.spec


def _why(side: Side, arch: str) -> frozenset[object]:
    """The causes why a side cannot be installed, in a form that is equal on every architecture."""
    if side.causes:
        return frozenset(cause_key(cause, arch) for cause in essential_causes(side.causes))
    return frozenset(on_any_architecture(problem, arch) for problem in side.problems)


Kind = Literal["broken", "uninstallable", "repaired", "new", "larger", "smaller", "same"]
# Kinds of effects without two sizes to compare: `uninstallable` and `new` have no base.
STATUS_KINDS = ("broken", "uninstallable", "repaired", "new")
_FIRST = ("broken", "uninstallable", "repaired")
# Up to this many bytes, or this part of the whole, added packages explain a growth.
_NOISE, _PART = 100_000, 0.01


@dataclass(frozen=True)
class Effect:
    """Images on which a change has the same kind of effect.

    `images` are in the order of places and architectures; `checked` are, for each place, the
    architectures on which it was checked. All have the same `kind`; `sure` is false
    where a part of the sizes is not known and so the direction, or that there is one, is not
    proved: then `kind` is that of the known parts.
    """

    kind: Kind
    sure: bool
    images: tuple[ImageResult, ...]
    checked: dict[tuple[str, str, str], tuple[str, ...]]

    @cached_property
    def places(self) -> tuple[tuple[str, str, str], ...]:
        """Workload, environment, repository of each image, architectures together."""
        return tuple(dict.fromkeys(place_of_image(image) for image in self.images))

    @property
    def place(self) -> tuple[str, str, str]:
        return self.places[0]

    @property
    def where(self) -> str:
        """The architectures of the first place, as a part of a sentence."""
        arches = [i.key.arch for i in self.images if place_of_image(i) == self.place]
        return on_architectures(arches, self.checked[self.place])

    @property
    def complete(self) -> bool:
        """Return whether every size on both sides is known."""
        return all(image.size_delta is not None for image in self.images)

    @cached_property
    def deltas(self) -> tuple[int, ...]:
        """The differences of the known sizes in bytes, rising."""
        return tuple(sorted(image.known_delta for image in self.images))

    @property
    def weight(self) -> tuple[int, int]:
        """The sort key of effects: bytes, then packages."""
        packages = max(len(image.added) + len(image.removed) for image in self.images)
        return max(map(abs, self.deltas)), packages

    @property
    def explained(self) -> bool:
        """Return whether the added packages explain the growth of every image, up to noise."""
        for image in self.images:
            brought = sum(added.package.installed_size or 0 for added in image.added)
            grown = image.known_delta
            if abs(grown - brought) > max(_NOISE, _PART * abs(grown)):
                return False
        return True


def effects(images: Iterable[ImageResult]) -> tuple[Effect, ...]:
    """The effects on the changed ones of `images`, in the order in which a report names them.

    First images that can no longer be installed, or not at all, then repaired ones, then by
    weight, and last new ones.
    """
    listed = sorted(images, key=lambda i: (place_of_image(i), arch_order(i.key.arch)))
    checked: dict[tuple[str, str, str], tuple[str, ...]] = {}
    groups: dict[tuple[object, ...], list[ImageResult]] = {}
    for image in listed:
        place = place_of_image(image)
        checked[place] = (*checked.get(place, ()), image.key.arch)
        if image.changed:
            groups.setdefault((place, *_alike(image)), []).append(image)
    found = []
    for group in groups.values():
        place = place_of_image(group[0])
        found.append(Effect(*_kind(group[0]), tuple(group), {place: checked[place]}))
    return tuple(sorted(found, key=_order))


def together(found: Iterable[Effect]) -> Effect | None:
    """All effects as one if they are the same on the same architectures of several places."""
    listed = list(found)
    first = listed[0]
    same = {(_alike(e.images[0]), e.where) for e in listed}
    places = [e.place for e in listed]
    if len(listed) < 2 or len(same) > 1 or len(set(places)) < len(places):
        return None
    checked = {place: arches for e in listed for place, arches in e.checked.items()}
    return Effect(first.kind, first.sure, tuple(i for e in listed for i in e.images), checked)


def _order(effect: Effect) -> tuple[object, ...]:
    rank = _FIRST.index(effect.kind) if effect.kind in _FIRST else len(_FIRST)
    rank += effect.kind == "new"
    size, packages = effect.weight
    first = effect.images[0].key
    return rank, -size, -packages, effect.place, arch_order(first.arch)


def _kind(image: ImageResult) -> tuple[Kind, bool]:
    absent = image.base.status == "absent"
    if image.head.status != "ok":
        return "uninstallable" if absent else "broken", True
    if absent:
        return "new", True
    if image.base.status != "ok":
        return "repaired", True
    grown = image.known_delta
    kind: Kind = "larger" if grown > 0 else "smaller" if grown < 0 else "same"
    # A size that only the head lacks can only make the head larger still.
    proved = grown > 0 and image.base.installed_size is not None
    return kind, image.size_delta is not None or proved


def _alike(image: ImageResult) -> tuple[object, ...]:
    return (
        *_kind(image),
        image.size_delta is None,
        frozenset(_came(added) for added in image.added),
        frozenset(package.nevra.name for package in image.removed),
    )
