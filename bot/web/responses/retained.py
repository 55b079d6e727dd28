"""The bytes that packages retain, over all images: computed once for each closure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.model.image import ImageKey
from bot.objectives.attribution import graph_of, leaving
from bot.store.history.history import History
from bot.store.history.values import Evaluation


@dataclass(frozen=True, slots=True)
class Retained:
    """The packages and bytes that would leave with a package, itself included, in so many images
    together, by the images' own links."""

    packages: int = 0
    installed_size: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class ImageRetained:
    """The packages and bytes that each package of an image retains, by name; `closure` is the
    number of the image's closure."""

    closure: int
    by_name: Mapping[str, tuple[int, int]]


def retained_of_images(
    history: History,
    evaluations: Mapping[ImageKey, Evaluation],
    known: Mapping[ImageKey, ImageRetained],
) -> dict[ImageKey, ImageRetained]:
    """The bytes that packages retain in each image, or did when it could last be installed;
    `known` ones of the same closure are taken over. An image takes some milliseconds."""
    found = {}
    for key, evaluation in evaluations.items():
        before = known.get(key)
        found[key] = (
            before
            if before is not None and before.closure == evaluation.closure
            else ImageRetained(evaluation.closure, _retained(history, key))
        )
    return found


def _retained(history: History, key: ImageKey) -> dict[str, tuple[int, int]]:
    contents = history.contents(key)
    found: dict[str, tuple[int, int]] = {}
    for member, (packages, size) in zip(
        contents.members, leaving(graph_of(contents), contents.members), strict=True
    ):
        # Both architectures of a name may be there, as a page has them in one row each.
        before = found.get(member.nevra.name, (0, 0))
        found[member.nevra.name] = (before[0] + packages, before[1] + size)
    return found


def retained_sums(images: Iterable[ImageRetained]) -> dict[str, Retained]:
    """The sums over images, by package name."""
    sums: dict[str, list[int]] = {}
    for image in images:
        for name, (packages, size) in image.by_name.items():
            sum_ = sums.setdefault(name, [0, 0, 0])
            sum_[0] += packages
            sum_[1] += size
            sum_[2] += 1
    return {name: Retained(*values) for name, values in sums.items()}
