"""Builders by their names: what `.minimize.yaml` and the settings may say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.build.builder import Builder
from bot.build.fetch import SourcePolicy
from bot.build.invocation import BUILD_LIMITS
from bot.errors import UsageError
from bot.sandbox.values import Limits

if TYPE_CHECKING:
    from bot.distro.cache import Cache

BUILDERS = ("rpmbuild", "mock")


def builder_named(
    name: str,
    cache: Cache,
    *,
    limits: Limits = BUILD_LIMITS,
    policy: SourcePolicy | None = None,
    rebuild: bool = False,
    cached_only: bool = False,
) -> Builder:
    """The builder `name`; UsageError, with the names there are, for any other.

    `limits` bind each build, `policy` says what sources may be; with `rebuild` nothing is answered
    from cached builds, with `cached_only` nothing else: what was not built here before fails.
    """
    if name == "rpmbuild":
        from bot.build.rpmbuild import RpmbuildBuilder

        return RpmbuildBuilder(
            cache, limits=limits, policy=policy, rebuild=rebuild, cached_only=cached_only
        )
    if name == "mock":
        from bot.build.mock import MockBuilder

        return MockBuilder(
            cache, limits=limits, policy=policy, rebuild=rebuild, cached_only=cached_only
        )
    raise UsageError(f"There is no builder {name!r}.", f"Choose one of {', '.join(BUILDERS)}.")
