"""The difference between two spec files: which dependencies a change adds and removes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bot.model.package import Dependency, DependencyKind
from bot.model.spec import SpecEvaluation, SpecLine, SpecPackage
from bot.spec.placeholder import Templates, spec_versions, templates_of

Key = tuple[DependencyKind, str]


@dataclass(frozen=True, slots=True)
class SpecDependencyChange:
    """A dependency of a package that a change adds or removes, and the line that states it.

    `origin` is a line of head's spec if it is added, of base's if it is removed; null where no
    line can be named. A dependency that several lines state comes once for each. `whole_line` is
    false where the line states dependencies, too, that the other side has.
    """

    package_name: str
    dependency: Dependency
    origin: SpecLine | None
    kind: Literal["added", "removed"]
    whole_line: bool = True


@dataclass(frozen=True, slots=True)
class Stated:
    """A dependency that a spec file states, as a template, and every line that states it."""

    key: Key
    dependency: Dependency
    origins: tuple[SpecLine | None, ...]


def stated(
    evaluation: SpecEvaluation | None, package: SpecPackage | None, templates: Templates
) -> dict[Key, Stated]:
    """The dependencies that a spec file states for a package, by kind and template, in its
    order."""
    found: dict[Key, Stated] = {}
    if evaluation is None or package is None:
        return found
    known = spec_versions(evaluation, package)
    for each in package.dependencies:
        key = (each.dependency.kind, templates.of(each.dependency, known))
        before = found.get(key)
        origins = () if before is None else before.origins
        if each.origin not in origins:
            origins = (*origins, each.origin)
        found[key] = Stated(key, each.dependency if before is None else before.dependency, origins)
    return found


def packages_by_name(evaluation: SpecEvaluation | None) -> dict[str, SpecPackage]:
    """The packages of an evaluation by name; none where there is no evaluation."""
    if evaluation is None:
        return {}
    return {package.nevra.name: package for package in evaluation.packages}


def changed_lines(
    base: SpecEvaluation | None, head: SpecEvaluation | None
) -> tuple[SpecDependencyChange, ...]:
    """Every dependency that head's spec states and base's does not, and the other way round.

    One's own version-release is a placeholder on both sides; a null side states nothing.
    """
    return tuple(_changes(base, head))


def _changes(
    base: SpecEvaluation | None, head: SpecEvaluation | None
) -> Iterator[SpecDependencyChange]:
    templates = templates_of((), base, head)
    before, after = packages_by_name(base), packages_by_name(head)
    sides = [
        (
            name,
            stated(base, before.get(name), templates),
            stated(head, after.get(name), templates),
        )
        for name in dict.fromkeys((*after, *before))
    ]
    unchanged = {
        origin
        for _, old, new in sides
        for this, other in ((new, old), (old, new))
        for key in this.keys() & other.keys()
        for origin in this[key].origins
    }
    kinds: tuple[Literal["added", "removed"], ...] = ("added", "removed")
    for name, old, new in sides:
        for kind, this, other in zip(kinds, (new, old), (old, new), strict=True):
            for key, each in this.items():
                if key not in other:
                    for origin in each.origins:
                        yield SpecDependencyChange(
                            name, each.dependency, origin, kind, origin not in unchanged
                        )
