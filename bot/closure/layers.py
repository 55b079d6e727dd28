"""Layers over the published packages of a pool: those of an overlay, and placeholders."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bot.closure.packages import add_package, paths_in, provide_files
from bot.model.capability import names_in
from bot.model.image import PlaceholderPackage
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Package

if TYPE_CHECKING:
    from bot.closure.overlay_pool import OverlayPool


class LayerSpec(NamedTuple):
    """Packages to add, and the published packages (by number) that they take the place of.

    `key` tells layers apart; `keep` is held so that its identity, if the key is made of it, stays
    its own.
    """

    key: Hashable
    packages: Sequence[Package]
    hides: frozenset[int]
    keep: object = None


@dataclass(slots=True)
class Layer:
    """A layer in the pool; `numbers` are those of its packages, by Python's identity of them."""

    spec: LayerSpec
    repo: Any
    ids: tuple[int, ...]
    packages: dict[int, Package]
    files: dict[int, frozenset[str]]
    numbers: dict[int, int] = field(default_factory=dict)
    obsoletes: dict[str, list[int]] = field(default_factory=dict)

    def add(self, pool: Any, package: Package, wanted: Collection[str]) -> None:
        """Adds a package to the pool; it provides those of its paths that are `wanted`."""
        solvable = add_package(pool, self.repo, package)
        self.packages[solvable.id] = package
        self.numbers[id(package)] = solvable.id
        paths = paths_in(package)
        self.files[solvable.id] = paths
        provide_files(pool, solvable, sorted(paths.intersection(wanted)))
        for dependency in package.of_kind("obsoletes"):
            for name in names_in(dependency.capability):
                self.obsoletes.setdefault(name, []).append(solvable.id)


def placeholder_layer(
    overlays: OverlayPool, placeholders: tuple[PlaceholderPackage, ...]
) -> LayerSpec:
    """The layer of packages that do not exist yet, in the place of those of their names."""
    packages = [
        Package(
            Nevra(p.name, 0, "000", "placeholder", "noarch"),
            p.source,
            "placeholder",
            tuple(Dependency("requires", c) for c in p.requires),
        )
        for p in placeholders
    ]
    named = overlays.named(p.name for p in placeholders)
    hides = frozenset(filter(overlays.is_published, named))
    return LayerSpec(("placeholders", placeholders), packages, hides)
