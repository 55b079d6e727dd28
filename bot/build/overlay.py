"""The overlay of a build: what it puts in the place of the published packages."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bot.build.builder import Built
from bot.model.architecture import native_arches
from bot.model.overlay import Overlay


def rebuilt_overlay(built: Built | Iterable[Built], arch: str, sources: Collection[str]) -> Overlay:
    """What one build, or the builds of several specs, on `arch` put in that architecture's pool.

    `sources` are the names of the changed source packages. Packages of other architectures and
    debug packages are left out, as CONTRACT's overlay says.
    """
    builds = (built,) if isinstance(built, Built) else tuple(built)
    kept = sorted(
        (
            package
            for build in builds
            for package in build.packages
            if package.nevra.arch in native_arches(arch) and not is_debug(package.nevra.name)
        ),
        key=lambda package: package.nevra,
    )
    notes = tuple(note for build in builds for note in build.notes)
    return Overlay(arch, frozenset(sources), tuple(kept), "rebuilt", notes)


def is_debug(name: str) -> bool:
    """Whether a package of this name holds debug data only."""
    return name.endswith(("-debuginfo", "-debugsource"))
