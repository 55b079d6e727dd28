"""Builds: what no reading of a spec file can find, the packages themselves.

Light to import: the names below load their modules when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.build.builder import Builder, BuildFailed, BuildOutcome, BuildRequest, Built
    from bot.build.external import ExternalBuilds, ExternalPlace
    from bot.build.fetch import SourcePolicy
    from bot.build.invocation import BUILD_LIMITS
    from bot.build.named import BUILDERS, builder_named
    from bot.build.overlay import rebuilt_overlay
    from bot.build.prepare import native_architecture
    from bot.build.rpm_root import distribution_rpm
    from bot.build.transferred import Transfer, transfer

_PLACES = {
    "BUILDERS": "named",
    "BUILD_LIMITS": "invocation",
    "BuildFailed": "builder",
    "BuildOutcome": "builder",
    "BuildRequest": "builder",
    "Builder": "builder",
    "Built": "builder",
    "ExternalBuilds": "external",
    "ExternalPlace": "external",
    "SourcePolicy": "fetch",
    "Transfer": "transferred",
    "builder_named": "named",
    "distribution_rpm": "rpm_root",
    "native_architecture": "prepare",
    "rebuilt_overlay": "overlay",
    "transfer": "transferred",
}

__all__ = [
    "BUILDERS",
    "BUILD_LIMITS",
    "BuildFailed",
    "BuildOutcome",
    "BuildRequest",
    "Builder",
    "Built",
    "ExternalBuilds",
    "ExternalPlace",
    "SourcePolicy",
    "Transfer",
    "builder_named",
    "distribution_rpm",
    "native_architecture",
    "rebuilt_overlay",
    "transfer",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
