"""Objective documents: a maintainer's limits and targets for images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Annotated, Any, ClassVar

from bot.distro.fields import (
    EXACT,
    After,
    Arches,
    Before,
    Count,
    Paragraph,
    Percent,
    Size,
    Texts,
    Words,
    no_mapping_is_empty,
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """A value for each metric that may be limited; sizes in bytes, null where not stated."""

    __pydantic_config__: ClassVar = EXACT

    packages: Count | None = None
    installed_size: Size | None = None
    layer_size: Size | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth that one change may add; a change is too large when it passes all stated
    limits."""

    __pydantic_config__: ClassVar = EXACT

    bytes: Size | None = None
    percent: Percent | None = None


def _some_growth(growth: Growth) -> Growth:
    if growth.bytes is None and growth.percent is None:
        raise ValueError("expected `bytes`, `percent` or both")
    return growth


@dataclass(frozen=True, slots=True)
class Target:
    """Where an objective wants to be, and by when."""

    sizes: Sizes
    by: date


@dataclass(frozen=True, slots=True, kw_only=True)
class _TargetFields(Sizes):
    """A target's keys."""

    by: date


def _target(found: _TargetFields) -> Target:
    sizes = Sizes(**{f.name: getattr(found, f.name) for f in fields(Sizes)})
    if sizes == Sizes():
        raise ValueError("expected `packages`, `installed_size` or `layer_size` beside `by`")
    return Target(sizes, found.by)


def _names_to_reasons(value: Any) -> Any:
    return dict.fromkeys(value) if isinstance(value, list) else no_mapping_is_empty(value)


@dataclass(frozen=True, slots=True)
class ObjectiveDocument:
    """A maintainer's limits and targets for images.

    `environment` and `repository` null mean every one that the workload meets; an empty
    `architectures` every architecture. `unwanted` maps package names to a reason or null. `needs`
    and `keep` are paths and capabilities that no advice may take out of the images: what they are
    for, and what shall stay for another reason.
    """

    __pydantic_config__: ClassVar = EXACT

    id: str
    name: str
    description: Paragraph
    maintainer: Words
    workload: str
    environment: str | None = None
    repository: str | None = None
    architectures: Arches = ()
    limits: Annotated[Sizes, Before(no_mapping_is_empty)] = field(default_factory=Sizes)
    growth: Annotated[Growth, After(_some_growth)] | None = None
    unwanted: Annotated[Mapping[str, str | None], Before(_names_to_reasons)] = field(
        default_factory=dict, hash=False
    )
    target: Annotated[Target, After(_target, _TargetFields)] | None = None
    needs: Texts = ()
    keep: Texts = ()
