"""The effect of a change, images grouped by equal effects: figures, no words.

A sentence about several images is true only if it is true of each. So images are grouped
by place, by the packages that come and go, and by the direction in which their size moves; a
statement about a group holds for every image in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bot.model.result import Added, ImageResult
from bot.report.architecture_grouping import (
    arch_order,
    on_architectures,
    place_of_image,
)

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


def _came(added: Added) -> tuple[object, ...]:
    return added.package.nevra.name, added.spec
