"""Overlays: the packages that a change's spec files produce, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.model.package import Package

Evidence = Literal["predicted", "rebuilt", "transferred", "external"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What one side of a change puts in the place of the published packages of its sources.

    Every published binary package of `sources` (source package names) leaves the pool, of any
    version and architecture; only `packages` supply them. All packages are of `arch` or noarch.
    `notes` are sentences for the report: what is not known about these packages, and why.
    """

    arch: str
    sources: frozenset[str]
    packages: tuple[Package, ...]
    evidence: Evidence
    notes: tuple[str, ...] = ()
