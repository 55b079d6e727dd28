"""The impact of something that is dropped: images that change or break, packages that break."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bot.model.closure import UnsolvableCause
from bot.model.image import ImageKey, inline
from bot.model.nevra import JSON, Nevra
from bot.model.package import Package


@dataclass(frozen=True, order=True, slots=True)
class Broken:
    """A package that cannot be installed any more, and could before.

    `capability` is what it requires in vain, or what it conflicts with. `repository` is the
    repository document, `arch` the architecture of the images, `origin` the rpm-md repository.
    """

    __pydantic_config__ = JSON
    repository: str
    arch: str
    nevra: Nevra
    capability: str
    origin: str = field(metadata={"alias": "from"})


@inline("key")
@dataclass(frozen=True, slots=True)
class ImageImpact:
    """An image that changes or breaks; `saved` bytes of installed size, null where not known."""

    key: ImageKey
    status: Literal["ok", "unsolvable"]
    causes: tuple[UnsolvableCause, ...] = ()
    added: tuple[Package, ...] = ()
    removed: tuple[Package, ...] = ()
    saved: int | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """The images and packages that something dropped concerns, sorted."""

    images: tuple[ImageImpact, ...]
    broken: tuple[Broken, ...]
