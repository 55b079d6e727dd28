"""Predicts overlays: the difference between two spec files, applied to the published packages.

So the generated dependencies (sonames) of the published packages stay, and all architectures are
predicted within seconds, without a build.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.closure.evr import compare_evr
from bot.model.architecture import isa, native_arches
from bot.model.capability import split_capability
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Overlay, Package
from bot.model.spec import SpecEvaluation, SpecLine, SpecPackage
from bot.spec.difference import (
    Evr,
    Key,
    Stated,
    Versions,
    evr_of,
    has_placeholder,
    packages_by_name,
    stated,
    templates_of,
)
from bot.spec.file_lines import owned_files
from bot.spec.headers import GeneratedFlags, Headers, capability_key

_DROPPED = ("-debuginfo", "-debugsource")


@dataclass(frozen=True, slots=True)
class Prediction:
    """Both sides' overlays on one architecture.

    `origins` are the lines that state dependencies which only head has, by package and dependency
    of the head overlay. `notes` are both overlays' notes. `base_spec` is the base as its own spec
    file alone states it.
    """

    base: Overlay
    head: Overlay
    base_spec: Overlay
    notes: tuple[str, ...] = ()
    origins: Mapping[tuple[Nevra, Dependency], tuple[SpecLine, ...]] = field(default_factory=dict)


def predict(
    published_newest: Sequence[Package],
    base: SpecEvaluation | None,
    head: SpecEvaluation | None,
    arch: str,
    headers: Headers,
    *,
    elsewhere: frozenset[str] = frozenset(),
) -> Prediction:
    """Predict the overlays of one changed spec file on `arch`.

    `published_newest` are the newest published packages of its source, by name. The base is these,
    unchanged, and unpublished packages as the base's spec file states them. Head is the base plus
    the difference between the two evaluated spec files; a null side has no spec file. `headers`
    says which dependencies of a published package a generator made (null: the header cannot be
    read); it is called only if that matters. `elsewhere` are names of packages that another spec
    file of the change makes. A published package that neither spec file makes any more (an earlier
    commit dropped it, or it is an older version's) leaves on both sides, since builds of both would
    not have it; a note says so.
    """
    listed = tuple(
        package
        for package in published_newest
        if package.nevra.arch in native_arches(arch) and not package.nevra.name.endswith(_DROPPED)
    )
    sources = {package.source for package in listed}
    sources.update(side.source for side in (base, head) if side is not None)
    published = _still_made(listed, base, head)
    left_out: dict[str, set[str]] = {}
    for package in listed:
        if package not in published and package.nevra.name not in elsewhere:
            left_out.setdefault(package.source, set()).add(package.nevra.name)
    # By name: the note is then the same on all architectures, and stands once.
    notes = tuple(
        f"Published packages that the spec file of {source} no longer makes are left out on both"
        f" sides: {', '.join(sorted(names))}."
        for source, names in left_out.items()
    )
    if base is not None:
        own = _Predictor(published, base, base, arch, headers)
        names = {package.nevra.name for package in published}
        published += tuple(p for p in own.packages() if p.nevra.name not in names)
        notes += tuple(own.notes)
    predictor = _Predictor(published, base, head, arch, headers)
    packages = predictor.packages()
    notes = tuple(dict.fromkeys((*notes, *predictor.notes)))
    before = tuple(dataclasses.replace(package, repository="overlay") for package in published)
    # Without a spec file before it, the base's states everything anew.
    by_spec = _Predictor(published, None, base, arch, headers).packages()
    return Prediction(
        Overlay(arch, frozenset(sources), _sorted(before), "predicted"),
        Overlay(arch, frozenset(sources), _sorted(packages), "predicted", notes),
        Overlay(arch, frozenset(sources), _sorted(by_spec), "predicted"),
        notes,
        predictor.origins,
    )


def _still_made(
    published: tuple[Package, ...], base: SpecEvaluation | None, head: SpecEvaluation | None
) -> tuple[Package, ...]:
    """Those of the published packages that a spec file makes on either side.

    All of them if both sides exclude the architecture: its published (noarch) packages are made
    elsewhere.
    """
    names = packages_by_name(base).keys() | packages_by_name(head).keys()
    return tuple(p for p in published if not names or p.nevra.name in names)


def _sorted(packages: Sequence[Package]) -> tuple[Package, ...]:
    return tuple(sorted(packages, key=lambda package: package.nevra))


class _Predictor:
    """Makes head's packages from the published ones and the two spec files."""

    def __init__(
        self,
        published: Sequence[Package],
        base: SpecEvaluation | None,
        head: SpecEvaluation | None,
        arch: str,
        headers: Headers,
    ) -> None:
        self.notes: list[str] = []
        self.origins: dict[tuple[Nevra, Dependency], tuple[SpecLine, ...]] = {}
        self._published = {package.nevra.name: package for package in published}
        self._base, self._head = base, head
        self._before, self._after = packages_by_name(base), packages_by_name(head)
        self._arch = arch
        self._headers = headers
        self._files = frozenset(path for package in published for path in package.files)
        self._templates = templates_of(published, base, head)
        self._published_main = _main_evr(published, base, head)
        self._published_evrs = {name: evr_of(p.nevra) for name, p in self._published.items()}
        self._main = self._final_main()
        finals = {name: evr_of(self._head_nevra(after)) for name, after in self._after.items()}
        self._finals = {**self._published_evrs, **finals}

    def packages(self) -> list[Package]:
        """The packages of head."""
        if self._head is None:
            return []
        if self._base is None and self._published:
            self.notes.append(
                f"{self._head.path} is new here, and its packages are published: what their "
                "published version required and this file does not say stays."
            )
        elif self._base is not None and self._published_main is not None:
            published_version, base_version = self._published_main[1], self._base.evr[1]
            if published_version != base_version:
                self.notes.append(
                    f"The repository has {self._head.source} {published_version}, the base commit's"
                    f" spec file says {base_version}: the prediction starts from what is published."
                )
        packages = []
        for name in dict.fromkeys((*self._published, *self._after)):
            package = self._package(name)
            if package is not None and not name.endswith(_DROPPED):
                packages.append(package)
        return packages

    def _package(self, name: str) -> Package | None:
        published = self._published.get(name)
        before, after = self._before.get(name), self._after.get(name)
        if published is None:
            return self._unpublished_package(after) if after is not None and after.built else None
        if after is None and before is None:
            # Both sides exclude the architecture.
            return dataclasses.replace(published, repository="overlay")
        if after is None or (not after.built and (before is None or before.built)):
            return None
        return self._changed_package(published, before, after)

    def _final_main(self) -> Evr:
        """Epoch, version and release of head's main package in this prediction."""
        head = self._head
        if head is None:
            return (0, "", "")
        if self._base is None or self._published_main is None:
            return head.evr
        return _final(self._published_main, self._base.evr, head.evr)

    def _unpublished_package(self, after: SpecPackage) -> Package:
        """An unpublished package as its spec file states it, without a size."""
        assert self._head is not None
        nevra = self._head_nevra(after)
        final = Versions(self._main, evr_of(nevra), self._finals)
        dependencies = _own_provides(nevra)
        entries = stated(self._head, after, self._templates)
        dependencies += self._additions(entries.values(), set(), final, nevra)
        self.notes.append(f"{nevra.name} is not published yet: its size is known once it is built.")
        files = owned_files((), self._files, None, after)
        return Package(nevra, self._head.source, "overlay", tuple(dependencies), files)

    def _changed_package(
        self, published: Package, before: SpecPackage | None, after: SpecPackage
    ) -> Package:
        """A published package with the difference between the two spec files."""
        assert self._head is not None
        nevra = self._head_nevra(after)
        own = evr_of(published.nevra)
        known = Versions(self._published_main or own, own, self._published_evrs)
        final = Versions(self._main, evr_of(nevra), self._finals)
        old = stated(self._base, before, self._templates)
        new = stated(self._head, after, self._templates)

        have: set[Key] = set()
        dependencies: list[Dependency] = []
        for dependency in published.dependencies:
            key = (dependency.kind, self._templates.of(dependency, known))
            removed = key in old and key not in new
            if removed and not self._is_generated(published, dependency):
                continue
            updated = _updated(dependency, key[1], published.nevra, nevra, known, final)
            if updated is not None:
                have.add(key)
                dependencies.append(updated)
        if isa(nevra.arch) and nevra.arch != published.nevra.arch:
            dependencies += _own_provides(nevra)[1:]
        added = [entry for key, entry in new.items() if key not in old]
        dependencies += self._additions(added, have, final, nevra)
        return dataclasses.replace(
            published,
            nevra=nevra,
            source=self._head.source,
            repository="overlay",
            dependencies=tuple(dependencies),
            files=published.files
            if before is None
            else owned_files(published.files, self._files, before, after),
        )

    def _head_nevra(self, after: SpecPackage) -> Nevra:
        """The NEVRA of a package of head; the published one's if there is one."""
        assert self._head is not None
        name, own = after.nevra.name, evr_of(after.nevra)
        published, before = self._published.get(name), self._before.get(name)
        if published is None or before is None:
            evr = self._main if own == self._head.evr else own
            return Nevra(name, *evr, after.nevra.arch)
        evr = _final(evr_of(published.nevra), evr_of(before.nevra), own)
        same_arch = before.nevra.arch == after.nevra.arch
        return Nevra(name, *evr, published.nevra.arch if same_arch else after.nevra.arch)

    def _additions(
        self, entries: Iterable[Stated], have: set[Key], final: Versions, nevra: Nevra
    ) -> list[Dependency]:
        """The dependencies of these entries of head's spec that are not there already."""
        dependencies = []
        for entry in entries:
            if not entry.origins or entry.key in have:
                continue
            kind, template = entry.key
            dependency = Dependency(
                kind, final.fill(template), entry.dependency.qualifiers, generated=False
            )
            dependencies.append(dependency)
            if named := tuple(line for line in entry.origins if line is not None):
                self.origins[nevra, dependency] = named
        return dependencies

    def _is_generated(self, package: Package, dependency: Dependency) -> bool:
        """Return whether a generator made this dependency too, so that it stays without its
        line."""
        if dependency.generated is not None:
            return dependency.generated
        flags: GeneratedFlags | None = self._headers(package)
        if flags is not None:
            return flags.has(dependency.kind, dependency.capability)
        stays = _looks_generated(dependency)
        self.notes.append(
            f"The header of {package.nevra} cannot be read, so whether a generator also made "
            f"`{dependency.capability}`, which the change no longer states, is not known: it was "
            + ("retained." if stays else "removed.")
        )
        return stays


def _looks_generated(dependency: Dependency) -> bool:
    """Return whether generators write such capabilities: sonames, `name(...)`, paths of
    interpreters."""
    name = split_capability(dependency.capability).name
    return name.startswith("/") or (name.endswith(")") and not name.startswith("("))


def _final(published: Evr, base: Evr, head: Evr) -> Evr:
    """Head's epoch if the spec files differ in it, else the published; so version-release.

    A published version newer than both spec files' stays, so that a requirement of it is still met
    on an old branch.
    """
    if compare_evr(_text(base), _text(published)) < 0 > compare_evr(_text(head), _text(published)):
        return published
    epoch = published[0] if base[0] == head[0] else head[0]
    version, release = published[1:] if base[1:] == head[1:] else head[1:]
    return epoch, version, release


def _text(evr: Evr) -> str:
    return f"{evr[0]}:{evr[1]}-{evr[2]}"


def _main_evr(
    published: Sequence[Package], base: SpecEvaluation | None, head: SpecEvaluation | None
) -> Evr | None:
    """The EVR of the main package among the published packages: its own, or the commonest."""
    names = [side.source for side in (base, head) if side is not None]
    for package in published:
        if package.nevra.name in names:
            return evr_of(package.nevra)
    counted = Counter(evr_of(package.nevra) for package in published)
    return counted.most_common(1)[0][0] if counted else None


def _own_provides(nevra: Nevra) -> list[Dependency]:
    """The provides that rpm adds to every package: its name, and its name with the architecture."""
    evr = nevra.rpm_evr
    names = [nevra.name]
    if isa(nevra.arch):
        names.append(f"{nevra.name}({isa(nevra.arch)})")
    return [Dependency("provides", f"{name} = {evr}") for name in names]


def _updated(
    dependency: Dependency,
    template: str,
    before: Nevra,
    after: Nevra,
    known: Versions,
    final: Versions,
) -> Dependency | None:
    """A published dependency as the package `after` has it; null if the change removes it."""
    name, operator, _ = split_capability(capability_key(dependency.capability))
    for_arch = f"{before.name}({isa(before.arch)})"
    if dependency.kind == "provides" and name == for_arch and before.arch != after.arch:
        return None
    if not has_placeholder(template):
        return dependency
    capability = final.fill(template)
    # rpm writes these with the full EVR, whatever the spec file says elsewhere.
    if operator == "=" and name in (before.name, for_arch, f"config({before.name})"):
        if evr_of(before) == evr_of(after):
            return dependency
        capability = f"{name} = {after.rpm_evr}"
    if capability == known.fill(template):
        return dependency
    return dataclasses.replace(dependency, capability=capability)
