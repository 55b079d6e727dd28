"""Overlays of a change on one architecture, from its evaluated specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Literal

from bot.check.change import Change, ChangedSpec
from bot.check.stated_lines import AddedDependency as AddedLine
from bot.check.stated_lines import (
    added_changes,
    plain_capability,
    removed_provides,
    with_changed_lines,
)
from bot.closure.evr import compare_evr
from bot.closure.pool import Pool
from bot.model.nevra import Nevra
from bot.model.package import Evidence, Overlay, Package
from bot.model.spec import SpecDependency, SpecEvaluation, SpecFailure
from bot.spec.difference import changed_lines
from bot.spec.headers import Headers
from bot.spec.predict import predict
from bot.spec.tree import is_read

# Suffixes of packages that no image is made for (Fedora's naming guidelines).
_NOT_MAIN = ("-devel", "-doc", "-docs", "-static", "-tests", "-debuginfo", "-debugsource")

# The least certain first.
_CERTAINTY: tuple[Evidence, ...] = (
    "predicted", "transferred", "rebuilt", "external", "requested",
)  # fmt: skip

Evaluation = SpecEvaluation | SpecFailure
Side = Literal["base", "head"]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One side of a spec: its result for each architecture, and the side's own macro
    definitions."""

    results: Mapping[str, Evaluation]
    definitions: Mapping[str, str] = field(default_factory=dict)


Evaluate = Callable[[Side, str], Evaluated]


@dataclass(frozen=True, slots=True)
class EvaluatedSpec:
    """One changed spec, evaluated on both sides, by architecture; a side may be empty.

    `definitions` are macros of each side's own, for its evaluation and build; `texts` are the texts
    of the spec file on the sides that have it.
    """

    spec: ChangedSpec
    base: Mapping[str, Evaluation]
    head: Mapping[str, Evaluation]
    definitions: Mapping[Side, Mapping[str, str]] = field(default_factory=dict)
    texts: Mapping[Side, str] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of both sides' evaluations, each once."""
        sides = (*self.head.values(), *self.base.values())
        notes = (n for side in sides if isinstance(side, SpecEvaluation) for n in side.notes)
        return tuple(dict.fromkeys(notes))

    def sources(self, arch: str) -> frozenset[str]:
        """The source packages of a spec on the sides that could be evaluated for an
        architecture."""
        sides = (self.base.get(arch), self.head.get(arch))
        return frozenset(side.source for side in sides if isinstance(side, SpecEvaluation))


@dataclass(frozen=True, slots=True)
class Sides:
    """Both overlays of one architecture, and the lines with the dependencies that the change adds.

    `removed` are the base's lines for what head no longer provides. `base_spec` is the base as its
    spec files alone predict it; null after a build. `build_requires` are the BuildRequires that
    only head states, `base_build_requires` the capabilities of the base's.
    """

    base: Overlay
    head: Overlay
    lines: tuple[AddedLine, ...]
    notes: tuple[str, ...] = ()
    base_spec: Overlay | None = None
    removed: tuple[AddedLine, ...] = ()
    build_requires: tuple[SpecDependency, ...] = ()
    base_build_requires: tuple[str, ...] = ()

    @property
    def sources(self) -> frozenset[str]:
        """The changed source packages of both sides."""
        return self.base.sources | self.head.sources

    @property
    def drop_something(self) -> bool:
        """Return whether head's packages lack a name, a provide or a file that base's have."""
        return bool(_provided(self.base) - _provided(self.head))

    @property
    def new_packages(self) -> frozenset[str]:
        """The names of head's packages whose source has no package in the base."""
        old = {package.source for package in self.base.packages}
        return frozenset(p.nevra.name for p in self.head.packages if p.source not in old)

    def main_packages(self, source: str) -> tuple[str, ...]:
        """The names of the packages for which a source has `@self` images, sorted.

        This is the package named like the source. If there is none, it is each package that is not
        for developers or documentation; if there are only such, it is each. They are head's, or the
        base's if head makes none.
        """
        own = {p.nevra.name for p in self.head.packages if p.source == source}
        # Head may make no package for this architecture.
        own = own or {p.nevra.name for p in self.base.packages if p.source == source}
        if source in own:
            return (source,)
        return tuple(sorted({n for n in own if not n.endswith(_NOT_MAIN)} or own))


def published_sides(arch: str) -> Sides:
    """Both sides of a change that touches no spec file: the published packages."""
    base, head = (Overlay(arch, frozenset(), (), "requested") for _ in range(2))
    return Sides(base, head, ())


def _provided(overlay: Overlay) -> set[str]:
    """The files and capabilities that an overlay provides; its packages' own version-release as
    `VR`."""
    provided = {path for package in overlay.packages for path in package.files}
    for package in overlay.packages:
        own = (plain_capability(package.nevra, d)[1] for d in package.of_kind("provides"))
        provided.update((package.nevra.name, *own))
    return provided


def evaluate_change(change: Change, evaluate: Evaluate) -> tuple[EvaluatedSpec, ...]:
    """Evaluate every spec of the change on both sides; head once more if only it runs into a limit.

    `evaluate(side, path)` evaluates one side. A spec of which only files beside it changed is left
    out unless either side names one as a Source or Patch, or reads it during evaluation.
    """
    specs = []
    for spec in change.specs:
        before = evaluate("base", spec.base_path) if spec.base_path else Evaluated({})
        after = evaluate("head", spec.head_path) if spec.head_path else Evaluated({})
        if spec.head_path and _limited(after) - _limited(before):
            # Time is a limit too: a busy machine must not fail the change.
            after = evaluate("head", spec.head_path)
        if spec.refused:
            message = f"It {spec.refused} now."
            failed = {a: SpecFailure(spec.path, a, "invalid", message) for a in before.results}
            after = Evaluated(failed)
        evaluated = EvaluatedSpec(
            spec,
            before.results,
            after.results,
            {"base": before.definitions, "head": after.definitions},
            dict(_texts(change, spec)),
        )
        if spec.itself or _names_a_file(evaluated, frozenset(spec.beside)) or _reads(evaluated):
            specs.append(evaluated)
    return tuple(specs)


def _limited(side: Evaluated) -> set[str]:
    """The architectures on which a side ran into a limit of its sandbox."""
    failed = (result for result in side.results.values() if isinstance(result, SpecFailure))
    return {failure.arch for failure in failed if failure.cause == "limit"}


def _names_a_file(evaluated: EvaluatedSpec, files: frozenset[str]) -> bool:
    for side in (evaluated.base, evaluated.head):
        for result in side.values():
            if isinstance(result, SpecEvaluation) and any(
                PurePosixPath(s.location).name in files for s in result.sources
            ):
                return True
    return False


def _reads(evaluated: EvaluatedSpec) -> bool:
    """Return whether either side's text includes or loads a changed file, or runs a program on
    it."""
    return any(
        is_read(name, text) for text in evaluated.texts.values() for name in evaluated.spec.beside
    )


def _texts(change: Change, spec: ChangedSpec) -> Iterator[tuple[Side, str]]:
    sides: tuple[tuple[Side, Path, str | None], ...] = (
        ("base", change.base_tree, spec.base_path),
        ("head", change.head_tree, spec.head_path),
    )
    for side, tree, path in sides:
        if path is not None and (tree / path).is_file():
            yield side, (tree / path).read_text(encoding="utf-8", errors="replace")


def predicted_sides(
    pool: Pool, arch: str, specs: tuple[EvaluatedSpec, ...], headers: Headers
) -> Sides:
    """Both sides' predicted overlays of all specs, which must have been evaluated on `arch`.
    `headers` reads the dependency flags from the header of a published package."""
    base: list[Overlay] = []
    head: list[Overlay] = []
    base_spec: list[Overlay] = []
    lines: list[AddedLine] = []
    removed: list[AddedLine] = []
    notes: list[str] = []
    build: list[SpecDependency] = []
    base_build: list[str] = []
    for evaluated in specs:
        before, after = evaluated.base.get(arch), evaluated.head.get(arch)
        assert not isinstance(before, SpecFailure)
        assert not isinstance(after, SpecFailure)
        published = tuple(
            package
            for source in sorted({e.source for e in (before, after) if e is not None})
            for package in pool.newest_published(source)
        )
        others = frozenset(n for spec in specs if spec is not evaluated for n in _names(spec, arch))
        prediction = predict(published, before, after, arch, headers, elsewhere=others)
        base.append(prediction.base)
        head.append(prediction.head)
        base_spec.append(prediction.base_spec)
        notes.extend(prediction.notes)
        changes = changed_lines(before, after)
        if after is not None:
            own = {p.nevra.name: p.nevra for p in after.packages}
            lines.extend(with_changed_lines(added_changes(changes, own), before, evaluated.texts))
        base_needs = [d.dependency.capability for d in before.build_requires] if before else []
        head_needs = after.build_requires if after else ()
        build += [d for d in head_needs if d.dependency.capability not in base_needs]
        base_build += base_needs
        if before is not None:
            removed.extend(removed_provides(changes, before, after))
    notes.extend(_duplicate_notes(specs, head))
    before_change = _before(base)
    return Sides(
        _joined_overlay(base, before_change), _joined_overlay(head, before_change), tuple(lines),
        tuple(dict.fromkeys(notes)), _joined_overlay(base_spec, {}), tuple(removed), tuple(build),
        tuple(base_build),
    )  # fmt: skip


def joined_sides(sides: Sequence[Sides]) -> Sides:
    """Join the sides of several changes on one architecture. The evidence is the least certain of
    theirs."""
    if len(sides) == 1:
        return sides[0]
    before_change = _before([side.base for side in sides])
    specs = [side.base_spec or side.base for side in sides]
    return Sides(
        _joined_overlay([side.base for side in sides], before_change),
        _joined_overlay([side.head for side in sides], before_change),
        tuple(line for side in sides for line in side.lines),
        tuple(dict.fromkeys(note for side in sides for note in side.notes)),
        _joined_overlay(specs, {}) if any(side.base_spec for side in sides) else None,
        tuple(line for side in sides for line in side.removed),
        tuple(line for side in sides for line in side.build_requires),
        tuple(capability for side in sides for capability in side.base_build_requires),
    )


def _before(bases: Iterable[Overlay]) -> Mapping[Nevra, Package]:
    return {package.nevra: package for overlay in bases for package in overlay.packages}


def _names(evaluated: EvaluatedSpec, arch: str) -> set[str]:
    """The names of the packages that a spec makes, on either side."""
    sides = (evaluated.base.get(arch), evaluated.head.get(arch))
    package_lists = (side.packages for side in sides if isinstance(side, SpecEvaluation))
    return {package.nevra.name for packages in package_lists for package in packages}


def _duplicate_notes(specs: Sequence[EvaluatedSpec], heads: Sequence[Overlay]) -> Iterator[str]:
    """A sentence for each two specs of the change that make packages of the same names."""
    for (first, own), (second, other) in combinations(zip(specs, heads, strict=True), 2):
        names = [{p.nevra.name for p in overlay.packages} for overlay in (own, other)]
        if both := sorted(names[0] & names[1]):
            more = f" and {len(both) - 1} more" if len(both) > 1 else ""
            yield (
                f"{first.spec.path} and {second.spec.path} both make {both[0]}{more}: the one that"
                " changes it is looked at, the first if both do."
            )


def _joined_overlay(overlays: list[Overlay], before: Mapping[Nevra, Package]) -> Overlay:
    """Join overlays. Of packages with the same name and architecture, one that differs from
    `before` wins."""
    packages: dict[tuple[str, str], Package] = {}
    for package in (p for overlay in overlays for p in overlay.packages):
        key = package.nevra.name_arch
        if key not in packages or packages[key] == before.get(packages[key].nevra):
            packages[key] = package
    return Overlay(
        arch=overlays[0].arch,
        sources=frozenset().union(*(o.sources for o in overlays)),
        packages=tuple(packages.values()),
        evidence=min((o.evidence for o in overlays), key=_CERTAINTY.index),
        notes=tuple(dict.fromkeys(n for o in overlays for n in o.notes)),
    )


def raised_sources(specs: Iterable[EvaluatedSpec]) -> dict[str, str | None]:
    """The version-release of each source package of the heads, sorted by name; null if it is not
    higher than the base's, because then a build with the change looks like one without. Of several
    (`%dist` differs between repositories) the lowest."""
    versions: dict[str, list[str | None]] = {}
    for evaluated in specs:
        before = _heads(evaluated.base)
        for source, head in _heads(evaluated.head).items():
            base = before.get(source)
            raised = base is None or compare_evr(head, base) > 0
            versions.setdefault(source, []).append(head if raised else None)
    return {source: _lowest(versions[source]) for source in sorted(versions)}


def _lowest(versions: Iterable[str | None]) -> str | None:
    lowest: str | None = None
    for version in versions:
        if version is None:
            return None
        if lowest is None or compare_evr(version, lowest) < 0:
            lowest = version
    return lowest


def _heads(side: Mapping[str, Evaluation]) -> dict[str, str]:
    """The version-release of each source, the lowest of all architectures."""
    versions: dict[str, str] = {}
    for evaluation in side.values():
        if isinstance(evaluation, SpecEvaluation):
            _, version, release = evaluation.evr
            text = f"{version}-{release}"
            lowest = versions.get(evaluation.source)
            if lowest is None or compare_evr(text, lowest) < 0:
                versions[evaluation.source] = text
    return versions
