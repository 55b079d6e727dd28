"""The lines of a change: which dependency each states, adds or removes.

An unchanged line states something new if a macro or a condition of it changed; then that changed
line counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Literal

from bot.check.compare import own_version
from bot.closure.edges import satisfies
from bot.model.capability import leaves, names_in, parse_rich, split_capability
from bot.model.closure import Edge, UnsolvableCause
from bot.model.nevra import Nevra
from bot.model.opportunity import edit_name
from bot.model.package import Dependency, Overlay, Package
from bot.model.result import Side
from bot.model.spec import SpecEvaluation, SpecLine
from bot.spec.difference import SpecDependencyChange
from bot.spec.macro_uses import MacroUses


@dataclass(frozen=True, slots=True)
class AddedDependency:
    """One dependency that the change adds: of which package, what, and on which line.

    `own` is the NEVRA of the package in the head spec: its version-release is replaced by a
    placeholder when capabilities are compared, since an overlay may have the published one.
    `whole_line` is false if the line also states what the base has.
    """

    own: Nevra
    dependency: Dependency
    origin: SpecLine
    whole_line: bool = True


def added_changes(
    changes: Iterable[SpecDependencyChange], head_packages: Mapping[str, Nevra]
) -> tuple[AddedDependency, ...]:
    """The additions among `changes` that have a line; `head_packages` are the head spec's NEVRAs by
    name."""
    return tuple(
        AddedDependency(head_packages[c.package_name], c.dependency, c.origin, c.whole_line)
        for c in changes
        if c.kind == "added" and c.origin is not None and c.package_name in head_packages
    )


def edits_of_lines(lines: Iterable[AddedDependency]) -> dict[SpecLine, tuple[str, ...]]:
    """The names of the edits that changing each line would be, in the order of `lines`."""
    edits_of: dict[SpecLine, dict[str, None]] = {}
    for line in lines:
        capability = split_capability(line.dependency.capability).name
        edits_of.setdefault(line.origin, {})[edit_name(line.own.name, capability)] = None
    return {line: tuple(edits) for line, edits in edits_of.items()}


def with_changed_lines(
    added: Iterable[AddedDependency],
    base: SpecEvaluation | None,
    texts: Mapping[Literal["base", "head"], str],
) -> tuple[AddedDependency, ...]:
    """The additions; one on an unchanged line gets the changed line that decides it.

    That is the first new line among the conditions around the line and the definitions of its
    macros; its `feeds` has the unchanged lines. `texts` are the spec's on both sides.
    """
    added = tuple(added)
    if base is None or not {"base", "head"} <= texts.keys():
        return added
    known = {line.strip() for line in texts["base"].split("\n")}
    uses: MacroUses | None = None
    deciding: dict[SpecLine, SpecLine] = {}
    fed: dict[SpecLine, dict[SpecLine, None]] = {}
    for addition in added:
        line = addition.origin
        if line.text.strip() in known and not _is_moved(addition, base):
            uses = uses or MacroUses(texts["head"])
            if (changed_line := _deciding(addition, uses, known)) is not None:
                deciding[line] = changed_line
                fed.setdefault(changed_line, {})[line] = None
    final = {
        line: replace(changed_line, feeds=tuple(fed[changed_line]))
        for line, changed_line in deciding.items()
    }
    return tuple(
        replace(addition, origin=final.get(addition.origin, addition.origin)) for addition in added
    )


def _is_moved(addition: AddedDependency, base: SpecEvaluation) -> bool:
    """Return whether the base's line states a dependency only of other packages."""
    holders = {
        package.nevra.name
        for package in base.packages
        for dependency in package.dependencies
        if dependency.origin is not None
        and dependency.origin.text.strip() == addition.origin.text.strip()
    }
    return bool(holders) and addition.own.name not in holders


def _deciding(
    addition: AddedDependency, uses: MacroUses, known: Collection[str]
) -> SpecLine | None:
    names = names_in(addition.dependency.capability)
    for numbers in islice(uses.deciding(addition.origin.line), 1, None):
        new = [n for n in numbers if (text := uses.line(n).strip()) and text not in known]
        if new:
            number = next((n for n in new if any(x in uses.line(n) for x in names)), new[0])
            return SpecLine(addition.origin.path, number, uses.line(number).rstrip("\r"))
    return None


def removed_provides(
    changes: Iterable[SpecDependencyChange], base: SpecEvaluation, head: SpecEvaluation | None
) -> Iterator[AddedDependency]:
    """The `Provides` among `changes` that head lacks, with their packages and the base's lines."""
    before = {p.nevra.name: p for p in base.packages}
    for change in changes:
        if change.kind == "removed" and change.dependency.kind == "provides" and change.origin:
            own = before[change.package_name].nevra
            yield AddedDependency(own, change.dependency, change.origin, change.whole_line)
    after = {p.nevra.name for p in head.packages} if head is not None else set()
    for name, package in before.items():
        if name not in after and package.origin is not None:
            provided = Dependency("provides", f"{name} = {package.nevra.evr}")
            yield AddedDependency(package.nevra, provided, package.origin)


def overlay_without(
    overlay: Overlay, changes: Iterable[AddedDependency], lines: frozenset[SpecLine]
) -> Overlay:
    """The overlay as it would be without these lines of the change.

    A dependency stays if a remaining line states it too, or a generator made it.
    """
    dropped: dict[str, set[tuple[str, str]]] = {}
    staying: dict[str, set[tuple[str, str]]] = {}
    for change in changes:
        side = dropped if change.origin in lines else staying
        side.setdefault(change.own.name, set()).add(plain_capability(change.own, change.dependency))
    packages = []
    for package in overlay.packages:
        drop = dropped.get(package.nevra.name, set()) - staying.get(package.nevra.name, set())
        packages.append(_drop(package, drop) if drop else package)
    return replace(overlay, packages=tuple(packages))


def overlay_with(overlay: Overlay, changes: Iterable[AddedDependency], line: SpecLine) -> Overlay:
    """The overlay with one line of the change added to those packages that it has."""
    additions: dict[str, list[AddedDependency]] = {}
    for change in changes:
        if change.origin == line:
            additions.setdefault(change.own.name, []).append(change)
    return replace(
        overlay,
        packages=tuple(
            replace(
                p,
                dependencies=(
                    *p.dependencies,
                    *(_at_version(change, p.nevra) for change in additions.get(p.nevra.name, ())),
                ),
            )
            for p in overlay.packages
        ),
    )


def _at_version(change: AddedDependency, to: Nevra) -> Dependency:
    return _with_version(change.dependency, change.own, to)


def with_version_of(package: Package, nevra_of: Nevra) -> Package:
    """The package with the version and release of another, also in its dependencies on packages of
    the same source."""
    own = package.nevra
    nevra = Nevra(own.name, nevra_of.epoch, nevra_of.version, nevra_of.release, own.arch)
    dependencies = tuple(
        _with_version(dependency, own, nevra) for dependency in package.dependencies
    )
    return replace(package, nevra=nevra, repository="overlay", dependencies=dependencies)


def _with_version(dependency: Dependency, own: Nevra, to: Nevra) -> Dependency:
    """The dependency with the other package's version-release instead of its own."""

    def text(match: re.Match[str]) -> str:
        return to.evr if ":" in match[0] else to.version_release

    return replace(dependency, capability=own_version(own).sub(text, dependency.capability))


def plain_capability(own: Nevra, dependency: Dependency) -> tuple[str, str]:
    """The kind and capability of a dependency, with `VR` for the package's own version-release."""
    return dependency.kind, own_version(own).sub("VR", dependency.capability)


def _drop(package: Package, drop: set[tuple[str, str]]) -> Package:
    return replace(
        package,
        dependencies=tuple(
            d
            for d in package.dependencies
            if d.generated is True or plain_capability(package.nevra, d) not in drop
        ),
    )


class Stated:
    """The lines of a change, by what they state; if several state the same, the first.

    `roots` are lines that request a package, by package.
    """

    def __init__(
        self,
        changes: Iterable[AddedDependency],
        roots: Mapping[Nevra, tuple[SpecLine, ...]] = MappingProxyType({}),
    ) -> None:
        self._roots = roots
        self._lines: dict[tuple[str, str, str], SpecLine] = {}
        for change in sorted(changes, key=lambda c: c.origin):
            kind, capability = plain_capability(change.own, change.dependency)
            self._lines.setdefault((change.own.name, kind, capability), change.origin)
        self._holders = {name for name, _, _ in self._lines}

    def line(self, holder: Nevra, kind: str, capability: str) -> SpecLine | None:
        """The line that states a dependency of `holder`, if it is a line of this change."""
        if holder.name not in self._holders:
            return None
        plain = own_version(holder).sub("VR", capability)
        return self._lines.get((holder.name, kind, plain))

    def line_of_edge(self, edge: Edge) -> SpecLine | None:
        """The line that states the dependency of an edge. A Supplements is stated by the edge's
        target."""
        holder = edge.target if edge.kind == "supplements" else edge.source
        return self.line(holder, edge.kind, edge.capability)

    def lines_of(self, chains: Iterable[tuple[Edge, ...]], end: Nevra) -> tuple[SpecLine, ...]:
        """The lines that state the edges of chains to `end`, nearest to it first, then those that
        request the packages at which the chains begin."""
        chains = tuple(chains)
        # The chains share most of their edges.
        edges = {id(edge): edge for chain in chains for edge in reversed(chain)}
        lines = [self.line_of_edge(edge) for edge in edges.values()]
        roots = [end, *(chain[0].source for chain in chains if chain)]
        lines += [line for root in roots for line in self._roots.get(root, ())]
        return tuple(dict.fromkeys(line for line in lines if line is not None))


def with_cause_lines(
    side: Side,
    changes: Iterable[AddedDependency],
    removed: Sequence[AddedDependency],
    requested: Mapping[str, SpecLine] = MappingProxyType({}),
) -> Side:
    """An unsolvable head with the line of the change in each cause that has one.

    That is the line that states the unmet or conflicting dependency, else the last one on the
    chain, else the one that requests what is missing or the start of the chain (`requested`, by
    request). A missing capability also gets the base's line that provided it, from `removed`.
    """
    stated = Stated(changes)
    causes = (_with_request(_with_line(cause, stated), requested) for cause in side.causes)
    return replace(
        side, causes=tuple(replace(c, removed=_removed_line(c, removed)) for c in causes)
    )


def _with_request(cause: UnsolvableCause, requested: Mapping[str, SpecLine]) -> UnsolvableCause:
    if cause.spec is not None or not requested:
        return cause
    chains = (cause.chain, cause.conflicts_with_chain)
    names = [
        *(() if cause.needed_by else (cause.capability,)),
        *(chain[0].source.name for chain in chains if chain),
        *(n.name for n in (cause.needed_by, cause.conflicts_with, cause.incompatible) if n),
    ]
    return replace(cause, spec=next((requested[n] for n in names if n in requested), None))


def _removed_line(cause: UnsolvableCause, removed: Sequence[AddedDependency]) -> SpecLine | None:
    if cause.kind != "missing":
        return None
    tree = parse_rich(cause.capability) if cause.capability.startswith("(") else None
    capabilities = [cause.capability] if tree is None else list(leaves(tree))
    for addition in removed:
        if any(
            satisfies(addition.dependency.capability, capability) for capability in capabilities
        ):
            return addition.origin
    return None


def _with_line(cause: UnsolvableCause, stated: Stated) -> UnsolvableCause:
    kinds = ("requires",) if cause.kind == "missing" else ("conflicts", "obsoletes")
    if cause.needed_by is None:
        return cause
    own = [stated.line(cause.needed_by, kind, cause.capability) for kind in kinds]
    chains = (*reversed(cause.chain), *reversed(cause.conflicts_with_chain))
    lines = [*own, *map(stated.line_of_edge, chains)]
    return replace(cause, spec=next((line for line in lines if line is not None), None))
