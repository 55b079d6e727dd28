"""The solver's pool, and which of its packages are enabled.

Published packages are loaded once. Packages of overlays and placeholders are layers: repositories
of their own, added after the published ones for a while, so that the same layer serves many solves.
The active overlays are the layers in use; all other layers, the packages that the active ones hide,
and excluded packages are disabled. Layers always come after the published packages, so that
libsolv's order among equals, and its answer, do not depend on what was solved before.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING

import solv

from bot.closure.files import FileOwners
from bot.closure.packages import Layer, LayerSpec, provide_files, published_package
from bot.closure.solvcache import Loaded
from bot.model.capability import names_in
from bot.model.package import Package

if TYPE_CHECKING:
    from bot.distro.snapshot import SnapshotRepository

MOST_LAYERS = 32


class OverlayPool:
    """A loaded snapshot with its layers. Not safe for several threads at once.

    `active_key` identifies the set of enabled packages. `generation` grows whenever numbers or
    provides may change their meaning. `seekers` are the packages that depend on a path that is only
    in filelists.xml, `without_seekers` those that are known not to lead to one.
    """

    def __init__(
        self, loaded: Loaded, repositories: Sequence[SnapshotRepository], owners: FileOwners
    ) -> None:
        self.pool = loaded.pool
        self.index = loaded.index
        self._owners = owners
        self._excluded = frozenset(loaded.index.excluded)
        self._excluded_list = list(loaded.index.excluded)
        self._of_source = loaded.of_source
        self._repository_of = {
            repo.id: r for repo, r in zip(loaded.repositories, repositories, strict=True)
        }
        self._best_priority = max((r.priority for r in loaded.repositories), default=0)
        self._wanted: set[str] = set(loaded.index.files)
        self._layers: OrderedDict[Hashable, Layer] = OrderedDict()
        self._active_overlays: tuple[Layer, ...] | None = None
        self.active_key: tuple[Hashable, ...] = ()
        self._hidden: frozenset[int] = frozenset()
        self._published: dict[int, Package] = {}
        self._numbers: dict[int, int] = {}
        self._contents: dict[int, tuple[str, ...]] = {}
        self._providers: dict[int, tuple[int, ...]] = {}
        self._one_of: dict[tuple[int, ...], int] = {}
        self._arches: dict[int, int] = {}
        self._nowhere: int = self.pool.str2id("hidden")
        self._source_arches = frozenset(map(self.pool.str2id, ("src", "nosrc")))
        self._stale = True
        self.generation = 0
        # The number of users that rely on the numbers of layers.
        self.keepers = 0
        self.seekers = frozenset(loaded.index.seekers)
        self.without_seekers: set[int] = set()
        self._names_like: dict[tuple[str, int], frozenset[str]] = {}
        for path, ids in loaded.index.files.items():
            self._provide(path, ids)

    # -- active overlays ---------------------------------------------------------------------------

    def set_active_overlays(
        self, specs: Sequence[LayerSpec], exclude: frozenset[str] = frozenset()
    ) -> None:
        """Make these layers the active ones, without the packages named in `exclude`.

        Layers that are not in the pool yet are added.
        """
        self.hold(specs)
        active = tuple(self._layers[spec.key] for spec in specs)
        key: tuple[Hashable, ...] = (*(spec.key for spec in specs), exclude)
        if self._active_overlays is not None and key == self.active_key:
            return
        self.active_key = key
        taking_part = {layer.spec.key for layer in active}
        hidden = {number for layer in active for number in layer.spec.hides}
        hidden.update(self.named(exclude))
        for layer in self._layers.values():
            if layer.spec.key not in taking_part:
                hidden.update(layer.ids)
        self._let_go(self._hidden - hidden)
        self._take_out(hidden - self._hidden)
        self._hidden = frozenset(hidden)
        self._active_overlays = active
        self.pool.set_disabled_list([])
        self.pool.set_disabled_list(self._excluded_list + sorted(hidden))

    def hold(self, specs: Sequence[LayerSpec]) -> None:
        """Add layers that are not in the pool yet, all at once, and update the provides."""
        missing = [spec for spec in specs if spec.key not in self._layers]
        for spec in specs:
            if spec.key in self._layers:
                self._layers.move_to_end(spec.key)
        if missing:
            # libsolv does not grow its map of enabled packages: without one, all are enabled.
            self.pool.set_disabled_list([])
            many = len(self._layers) + len(missing) > max(MOST_LAYERS, len(specs))
            if many and not self.keepers:
                self._drop_layers()
                missing = list({spec.key: spec for spec in specs}.values())
            for spec in missing:
                if spec.key not in self._layers:
                    self._add_layer(spec)
            self._active_overlays = None
        self._make_ready()

    def enabled(self, number: int) -> bool:
        """Return whether a package takes part."""
        return number not in self._excluded and number not in self._hidden

    def hidden(self, number: int) -> bool:
        """Return whether a package is replaced, excluded for now, or of an inactive layer."""
        return number in self._hidden

    def numbers(self, spec: LayerSpec) -> frozenset[int]:
        """Return the numbers of a layer's own packages; none where the layer is not in the pool."""
        layer = self._layers.get(spec.key)
        return frozenset(layer.ids) if layer is not None else frozenset()

    def is_excluded(self, number: int) -> bool:
        """Return whether the snapshot's excludes or a module filter hide a package."""
        return number in self._excluded

    def named(self, names: Iterable[str]) -> frozenset[int]:
        """Return the packages with one of these names, of every version, architecture and layer."""
        numbers = {self.pool.str2id(name) for name in names}
        return frozenset(
            n for name in numbers for n in self.providers(name) if self._has_name(n, name)
        )

    def names_like(self, globs: Iterable[str]) -> frozenset[str]:
        """Return the names of packages that match one of these globs; plain names as they are."""
        matched: set[str] = set()
        for glob in globs:
            if not any(c in glob for c in "*?["):
                matched.add(glob)
            else:
                key = glob, self.generation
                if key not in self._names_like:
                    matches = re.compile(translate(glob)).match
                    names = {s.name for s in self.pool.solvables}
                    self._names_like[key] = frozenset(name for name in names if matches(name))
                matched |= self._names_like[key]
        return frozenset(matched)

    def _has_name(self, number: int, name: int) -> bool:
        return bool(self.pool.id2solvable(number).nameid == name)

    def own_numbers(self) -> tuple[int, ...]:
        """Return the packages of the active layers."""
        return tuple(number for layer in self._active_overlays or () for number in layer.ids)

    def repository(self, number: int) -> str:
        """Return the id of a package's rpm-md repository; `overlay` for a layer's package."""
        repository = self._repository_of.get(self.pool.id2solvable(number).repo.id)
        return repository.id if repository is not None else "overlay"

    def renew(self) -> None:
        """Update the provides after some were changed."""
        self._stale = True
        self._make_ready()

    def is_published(self, number: int) -> bool:
        """Return whether a package is of the snapshot, and of no layer."""
        return self.pool.id2solvable(number).repo.id in self._repository_of

    # -- what is there --------------------------------------------------------------------------

    def package(self, number: int) -> Package:
        """Return the package of a number, without the files of its metadata."""
        overlaid = self.overlaid(number)
        if overlaid is not None:
            return overlaid
        package = self._published.get(number)
        if package is None:
            solvable = self.pool.id2solvable(number)
            repository = self._repository_of[solvable.repo.id]
            self._let_go((number,))
            package = published_package(self.pool, solvable, repository)
            if number in self._hidden:
                self._take_out((number,))
            self._published[number] = package
            self._numbers[id(package)] = number
        return package

    def number(self, package: Package) -> int | None:
        """Return the number of a package that this pool made or an active layer has; None if it is
        hidden or of neither.
        """
        number = self._numbers.get(id(package))
        if number is None:
            for layer in self._active_overlays or ():
                number = layer.numbers.get(id(package), number)
        return None if number in self._hidden else number

    def overlaid(self, number: int) -> Package | None:
        """Return the package of an active layer; None for a published one."""
        for layer in self._active_overlays or ():
            if number in layer.packages:
                return layer.packages[number]
        return None

    def published(self, source: str) -> tuple[int, ...]:
        """Return the numbers of all published packages of a source package, excluded or not."""
        return tuple(
            number
            for number in self._of_source(source)
            if self._arches.get(number, self.pool.id2solvable(number).archid)
            not in self._source_arches
        )

    def files(self, numbers: Collection[int]) -> Mapping[int, tuple[str, ...]]:
        """Return all paths of published packages, sorted."""
        missing = [number for number in numbers if number not in self._contents]
        if missing:
            self._contents.update(self._owners.contents(missing))
        return {number: self._contents[number] for number in numbers}

    def providers(self, dependency: int) -> tuple[int, ...]:
        """Return the packages, enabled or not, that provide a dependency, by its libsolv id."""
        self._make_ready()
        providers = self._providers.get(dependency)
        if providers is None:
            providers = tuple(s.id for s in self.pool.whatprovides(dependency))
            self._providers[dependency] = providers
        return providers

    def obsoleters(self, ids: Sequence[int]) -> list[int]:
        """Return the enabled packages that obsolete one of these by its name and version."""
        obsoleters: dict[int, None] = {}
        for number in ids:
            target = self.pool.id2solvable(number)
            candidates = list(self.index.obsoletes.get(target.name, ()))
            for layer in self._active_overlays or ():
                candidates += layer.obsoletes.get(target.name, ())
            for candidate in candidates:
                if candidate not in obsoleters and self.enabled(candidate):
                    solvable = self.pool.id2solvable(candidate)
                    # SOLVABLE_NAME is libsolv's way to ask for a match by name and version.
                    if any(
                        target.matchesdep(solv.SOLVABLE_NAME, dependency)
                        for dependency in solvable.lookup_deparray(solv.SOLVABLE_OBSOLETES)
                    ):
                        obsoleters[candidate] = None
        return list(obsoleters)

    def one_of(self, ids: tuple[int, ...]) -> int:
        """Return libsolv's id of a choice among packages."""
        choice = self._one_of.get(ids)
        if choice is None:
            choice = int(self.pool.towhatprovides(list(ids)))
            self._one_of[ids] = choice
        return choice

    # -- paths ----------------------------------------------------------------------------------

    def owners(self, path: str) -> list[int]:
        """Return the packages, enabled or not, that own a path or a path that matches a glob."""
        owners = list(self._owners.of(path))
        matches = self._owners.matcher(path)
        for layer in self._active_overlays or ():
            owners += [n for n, files in layer.files.items() if any(map(matches, files))]
        return sorted(owners)

    def owners_below(self, directories: Sequence[str]) -> Sequence[int]:
        """Return the published packages that own a file below one of these directories."""
        return self._owners.below(directories)

    def want(self, paths: Iterable[str]) -> None:
        """Make owners provide paths that no dependency of a published package names."""
        new = sorted(set(paths) - self._wanted)
        if not new:
            return
        self._wanted.update(new)
        answers = self._owners.of_all(new)
        for path in new:
            self._provide(path, answers.get(path, ()))
            for layer in self._layers.values():
                self._provide(path, [n for n, files in layer.files.items() if path in files])
        self._make_ready()

    def is_wanted(self, path: str) -> bool:
        """Return whether a dependency of a published package names the path."""
        return path in self.index.files

    def read_filelists(self) -> None:
        """Read from filelists.xml the paths in dependencies that primary.xml lacks."""
        if not self.index.unread:
            return
        index = self._owners.complete(self.index)
        for path in self.index.unread:
            owners = set(self.index.files[path])
            self._provide(path, [n for n in index.files[path] if n not in owners])
        self.index = index
        self.seekers = frozenset(index.seekers)
        self._make_ready()

    # -- within ---------------------------------------------------------------------------------

    def _take_out(self, numbers: Iterable[int]) -> None:
        """Give hidden packages an architecture that does not exist, beside disabling them.

        libsolv's `dislike_old_versions` (policy.c) looks at every package of a name and
        architecture, disabled or not: a hidden newer one would make the enabled one an old one,
        which then loses to its alternatives.
        """
        for number in numbers:
            solvable = self.pool.id2solvable(number)
            self._arches[number] = solvable.archid
            solvable.archid = self._nowhere

    def _let_go(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            arch = self._arches.pop(number, None)
            if arch is not None:
                self.pool.id2solvable(number).archid = arch

    def _provide(self, path: str, ids: Iterable[int]) -> None:
        for number in ids:
            provide_files(self.pool, self.pool.id2solvable(number), (path,))
            self._stale = True

    def _make_ready(self) -> None:
        if self._stale:
            # libsolv leaves out packages without a valid architecture.
            self._let_go(self._hidden)
            self.pool.createwhatprovides()
            self._take_out(self._hidden)
            self._providers.clear()
            self._one_of.clear()
            self.without_seekers.clear()
            self.generation += 1
            self._stale = False

    def _drop_layers(self) -> None:
        # From the last, so that libsolv reuses the numbers.
        self._let_go(self._hidden)
        self._hidden = frozenset()
        for layer in reversed(self._layers.values()):
            layer.repo.free(True)
        self._layers.clear()
        self._active_overlays = None
        self._stale = True

    def _add_layer(self, spec: LayerSpec) -> None:
        paths = {
            name
            for package in spec.packages
            for dependency in package.dependencies
            if dependency.kind != "provides"
            for name in names_in(dependency.capability)
            if name.startswith("/")
        }
        if paths & set(self.index.unread):
            self.read_filelists()
        self.want(paths)
        repo = self.pool.add_repo("overlay")
        repo.priority = self._best_priority
        layer = Layer(spec, repo, (), {}, {})
        for package in spec.packages:
            layer.add(self.pool, package, self._wanted)
        layer.ids = tuple(layer.packages)
        self._layers[spec.key] = layer
        self._stale = True
