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
    Names,
    Paragraph,
    Percent,
    Size,
    Texts,
    Words,
    no_mapping_is_empty,
)
from bot.model.surface import KINDS


@dataclass(frozen=True, slots=True)
class Sizes:
    """A value for each metric that can be limited; sizes in bytes, null if not stated."""

    __pydantic_config__: ClassVar = EXACT

    packages: Count | None = None
    installed_size: Size | None = None
    layer_size: Size | None = None


def _allowed(value: Any) -> Any:
    if str(value) == "0":
        return []
    if isinstance(value, list):
        return value
    raise ValueError(f"expected 0, or a list of what may be there, not `{value}`")


def _absolute(paths: tuple[str, ...]) -> tuple[str, ...]:
    for path in paths:
        if not path.startswith("/"):
            raise ValueError(f"expected paths as the image has them (`/usr/bin/su`), not `{path}`")
    return paths


AllowedNames = Annotated[Names, Before(_allowed)]
AllowedPaths = Annotated[Names, After(_absolute), Before(_allowed)]


@dataclass(frozen=True, slots=True)
class Limits(Sizes):
    """Limits of an image: sizes, and an allow-list for each kind of attack surface.

    An allow-list has paths or names, `0` is an empty one; null is no limit. The kinds are those of
    bot/model/surface.py.
    """

    __pydantic_config__: ClassVar = EXACT

    setuid: AllowedPaths | None = None
    setgid: AllowedPaths | None = None
    capabilities: AllowedPaths | None = None
    world_writable: AllowedPaths | None = None
    interpreters: AllowedNames | None = None
    package_managers: AllowedNames | None = None
    services: AllowedPaths | None = None
    sockets: AllowedPaths | None = None
    timers: AllowedPaths | None = None
    kernel_modules: AllowedPaths | None = None
    sudo: AllowedPaths | None = None
    polkit: AllowedPaths | None = None
    pam: AllowedPaths | None = None
    dbus: AllowedPaths | None = None
    cron: AllowedPaths | None = None
    users: AllowedNames | None = None

    @property
    def surface(self) -> dict[str, tuple[str, ...]]:
        """The allow-list of each limited kind of attack surface."""
        lists = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: allowed for kind, allowed in lists.items() if allowed is not None}


@dataclass(frozen=True, slots=True)
class Growth:
    """The most that one change may add; it is exceeded if all stated limits are."""

    __pydantic_config__: ClassVar = EXACT

    bytes: Size | None = None
    percent: Percent | None = None


def _some_growth(growth: Growth) -> Growth:
    if growth.bytes is None and growth.percent is None:
        raise ValueError("expected `bytes`, `percent` or both")
    return growth


@dataclass(frozen=True, slots=True)
class Target:
    """The values that an objective aims at, and the day by which."""

    sizes: Sizes
    by: date


@dataclass(frozen=True, slots=True, kw_only=True)
class _TargetFields(Sizes):
    """The keys of a target."""

    by: date


def _target(keys: _TargetFields) -> Target:
    sizes = Sizes(**{f.name: getattr(keys, f.name) for f in fields(Sizes)})
    if sizes == Sizes():
        raise ValueError("expected `packages`, `installed_size` or `layer_size` beside `by`")
    return Target(sizes, keys.by)


def _names_to_reasons(value: Any) -> Any:
    return dict.fromkeys(value) if isinstance(value, list) else no_mapping_is_empty(value)


@dataclass(frozen=True, slots=True)
class ObjectiveDocument:
    """A maintainer's limits and targets for images.

    `environment` and `repository` null mean all of the workload's; an empty `architectures` all
    architectures. `unwanted` maps package names to a reason or null. `needs` and `keep` are paths
    and capabilities that no advice may remove from the images: the images' purpose, and what must
    stay for another reason.
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
    limits: Annotated[Limits, Before(no_mapping_is_empty)] = field(default_factory=Limits)
    growth: Annotated[Growth, After(_some_growth)] | None = None
    unwanted: Annotated[Mapping[str, str | None], Before(_names_to_reasons)] = field(
        default_factory=dict, hash=False
    )
    target: Annotated[Target, After(_target, _TargetFields)] | None = None
    needs: Texts = ()
    keep: Texts = ()
