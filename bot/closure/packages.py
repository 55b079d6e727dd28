"""Packages as libsolv's solvables and as our values, and layers of them over published ones."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import solv

from bot.closure.filelists import normal_path
from bot.closure.index import source_of
from bot.closure.requests import dependency_id
from bot.model.capability import names_in
from bot.model.closure import Closure, Totals
from bot.model.image import PlaceholderPackage
from bot.model.nevra import Nevra, parse_evr
from bot.model.package import DEPENDENCY_KINDS, Dependency, DependencyKind, Location, Package

if TYPE_CHECKING:
    from bot.closure.overlay_pool import OverlayPool
    from bot.distro.snapshot import SnapshotRepository

KEYS: dict[DependencyKind, int] = {
    "requires": solv.SOLVABLE_REQUIRES,
    "provides": solv.SOLVABLE_PROVIDES,
    "conflicts": solv.SOLVABLE_CONFLICTS,
    "obsoletes": solv.SOLVABLE_OBSOLETES,
    "recommends": solv.SOLVABLE_RECOMMENDS,
    "suggests": solv.SOLVABLE_SUGGESTS,
    "supplements": solv.SOLVABLE_SUPPLEMENTS,
    "enhances": solv.SOLVABLE_ENHANCES,
}
_BEFORE, _AFTER = -1, 1  # of the marker: ordinary dependencies; prerequisites, provided files
_NOT_KNOWN = 2**64 - 1
# A pebibyte: no package is that large, and sums of smaller sizes still fit into SQLite's integers.
_ABSURD = 2**50
# libsolv stores where a header ends; its start is stored beside it under this name.
HEADER_START = "minimize:headerstart"


def nevra_of(solvable: Any) -> Nevra:
    """Return the NEVRA of a solvable."""
    return Nevra(solvable.name, *parse_evr(solvable.evr), solvable.arch)


def dependencies_of(pool: Any, solvable: Any) -> tuple[Dependency, ...]:
    """Return all dependencies of a solvable, by kind and text; rpm-md's `pre` is a qualifier."""
    dependencies: list[Dependency] = []
    text = pool.dep2str
    for kind in DEPENDENCY_KINDS:
        key = KEYS[kind]
        plain = [text(d) for d in solvable.lookup_idarray(key, _BEFORE)]
        pre = [text(d) for d in solvable.lookup_idarray(key, _AFTER)] if kind == "requires" else []
        if plain or pre:
            of_kind = [Dependency(kind, c) for c in plain]
            of_kind += [Dependency(kind, c, ("pre",)) for c in pre]
            dependencies.extend(sorted(of_kind, key=lambda d: (d.capability, d.qualifiers)))
    return tuple(dependencies)


def published_package(pool: Any, solvable: Any, repository: SnapshotRepository) -> Package:
    """Return a package of a snapshot with all that primary.xml has, except its files."""
    return Package(
        nevra=nevra_of(solvable),
        source=source_of(solvable),
        repository=repository.id,
        dependencies=dependencies_of(pool, solvable),
        installed_size=_number(solvable, solv.SOLVABLE_INSTALLSIZE),
        download_size=_download_size(solvable),
        location=_location(pool, solvable, repository),
    )


def sizes_of(solvable: Any) -> tuple[int | None, int | None]:
    """Return the installed and the download size of a published package, in bytes."""
    return _number(solvable, solv.SOLVABLE_INSTALLSIZE), _download_size(solvable)


def files_in_primary(solvable: Any) -> tuple[str, ...]:
    """Return the paths that primary.xml lists for a package, sorted."""
    search = solv.Dataiterator.SEARCH_FILES
    return tuple(
        sorted(match.str for match in solvable.Dataiterator(solv.SOLVABLE_FILELIST, None, search))
    )


def add_package(pool: Any, repo: Any, package: Package) -> Any:
    """Add a solvable for a package that is not of a snapshot; its files are not provided yet."""
    nevra = package.nevra
    solvable = repo.add_solvable()
    solvable.name = nevra.name
    solvable.evr = nevra.rpm_evr
    solvable.arch = nevra.arch
    own = pool.rel2id(solvable.nameid, solvable.evrid, solv.REL_EQ)
    for dependency in package.dependencies:
        if dependency.capability.startswith("rpmlib("):
            continue  # rpm's own features: no package provides them, and repositories omit them
        number = dependency_id(pool, dependency.capability)
        number = number or int(pool.str2id(dependency.capability))
        if dependency.kind == "provides" and number == own:
            continue
        marker = _BEFORE
        if dependency.kind == "requires" and "pre" in dependency.qualifiers:
            marker = _AFTER
        solvable.add_deparray(KEYS[dependency.kind], number, marker)
    solvable.add_deparray(solv.SOLVABLE_PROVIDES, own, _BEFORE)
    return solvable


def provide_files(pool: Any, solvable: Any, paths: Iterable[str]) -> None:
    """Make a solvable provide paths that it owns, where libsolv stores such provides."""
    for path in paths:
        solvable.add_provides(pool.str2id(path), _AFTER)


def paths_in(package: Package) -> frozenset[str]:
    """Return the paths of a package in the form of file lists."""
    return frozenset(normal_path(path) for path in package.files)


def _number(solvable: Any, key: int) -> int | None:
    """Return a number of the metadata; None where it is missing or too large.

    libsolv turns negative numbers into huge ones.
    """
    value = int(solvable.lookup_num(key, _NOT_KNOWN))
    return value if value < _ABSURD else None


def _download_size(solvable: Any) -> int | None:
    """Return the bytes of the package's file; None where the metadata says 0."""
    return _number(solvable, solv.SOLVABLE_DOWNLOADSIZE) or None


def _location(pool: Any, solvable: Any, repository: SnapshotRepository) -> Location | None:
    href = solvable.lookup_location()[0]
    checksum = solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM)
    if not href or checksum is None:
        return None
    base = solvable.lookup_str(solv.SOLVABLE_MEDIABASE)
    urls = (
        (f"{base.rstrip('/')}/{href}",)
        if base
        else tuple(f"{url.rstrip('/')}/{href}" for url in repository.base_urls)
    )
    if not urls:
        return None
    start = _number(solvable, pool.str2id(HEADER_START))
    end = _number(solvable, solv.SOLVABLE_HEADEREND)
    known = start is not None and end is not None
    return Location(
        url=urls[0],
        checksum_type=checksum.typestr(),
        checksum=checksum.hex(),
        size=_download_size(solvable) or 0,
        header_start=(start or 0) if known else 0,
        header_end=(end or 0) if known else 0,
        mirrors=urls[1:],
        access=repository.access,
    )


def totals(closure: Closure) -> Totals:
    """Return the sums of a closure's own layer in bytes; None where a package's size is unknown."""
    packages = closure.own
    return Totals(
        packages=len(packages),
        installed_size=_sum(p.installed_size for p in packages),
        known_size=sum(p.installed_size or 0 for p in packages),
        installed_size_nodocs=_sum(p.installed_size_nodocs for p in packages),
        download_size=_sum(p.download_size for p in packages),
    )


def _sum(parts: Iterable[int | None]) -> int | None:
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


class LayerSpec(NamedTuple):
    """Packages to add, and the published packages (by number) that they replace.

    `key` identifies the layer. A key may contain the id of an object; `keep` holds that object so
    that the id stays unique.
    """

    key: Hashable
    packages: Sequence[Package]
    hides: frozenset[int]
    keep: object = None


@dataclass(slots=True)
class Layer:
    """A layer in the pool; `numbers` are those of its packages, by Python's id of the packages."""

    spec: LayerSpec
    repo: Any
    ids: tuple[int, ...]
    packages: dict[int, Package]
    files: dict[int, frozenset[str]]
    numbers: dict[int, int] = field(default_factory=dict)
    obsoletes: dict[str, list[int]] = field(default_factory=dict)

    def add(self, pool: Any, package: Package, wanted: Collection[str]) -> None:
        """Add a package to the pool; it provides those of its paths that are `wanted`."""
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
    """Return the layer of packages that do not exist yet, which hides packages of their names."""
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
