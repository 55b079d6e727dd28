"""The difference between two spec files: the dependencies that a change adds and removes.

A new version alone must be no difference: `Requires: %{name}-libs = %{version}-%{release}` expands
to `= 1.26-2` on one side and `= 1.27-1` on the other. So capabilities are compared as templates, in
which a version of the same source is a placeholder for the version of the main package, of the
package itself, or of the required package. A version without release is replaced only in provides
and in requirements of the same source (elsewhere the same digits are another project's version).
Filled in with the versions of an overlay, the requirements between packages of a source always
match it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.model.capability import split_capability
from bot.model.nevra import Nevra
from bot.model.package import Dependency, DependencyKind, Package
from bot.model.spec import SpecEvaluation, SpecLine, SpecPackage
from bot.spec.headers import capability_key

Key = tuple[DependencyKind, str]


@dataclass(frozen=True, slots=True)
class SpecDependencyChange:
    """A dependency of a package that a change adds or removes, and the line that states it.

    `origin` is a line of head's spec if added, of the base's if removed; null if no line can be
    named. A dependency that several lines state comes once for each. `whole_line` is false if the
    line also states dependencies that the other side has.
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
    by_key: dict[Key, Stated] = {}
    if evaluation is None or package is None:
        return by_key
    known = spec_versions(evaluation, package)
    for stated_dependency in package.dependencies:
        key = (stated_dependency.dependency.kind, templates.of(stated_dependency.dependency, known))
        before = by_key.get(key)
        origins = () if before is None else before.origins
        if stated_dependency.origin not in origins:
            origins = (*origins, stated_dependency.origin)
        by_key[key] = Stated(
            key, stated_dependency.dependency if before is None else before.dependency, origins
        )
    return by_key


def packages_by_name(evaluation: SpecEvaluation | None) -> dict[str, SpecPackage]:
    """The packages of an evaluation by name; empty without an evaluation."""
    if evaluation is None:
        return {}
    return {package.nevra.name: package for package in evaluation.packages}


def changed_lines(
    base: SpecEvaluation | None, head: SpecEvaluation | None
) -> tuple[SpecDependencyChange, ...]:
    """Every dependency that only head's spec or only the base's states, compared as templates. A
    null side states nothing."""
    return tuple(_changes(base, head))


def _changes(
    base: SpecEvaluation | None, head: SpecEvaluation | None
) -> Iterator[SpecDependencyChange]:
    templates = templates_of((), base, head)
    before, after = packages_by_name(base), packages_by_name(head)
    sides = [
        (name, stated(base, before.get(name), templates), stated(head, after.get(name), templates))
        for name in dict.fromkeys((*after, *before))
    ]
    unchanged = {
        origin
        for _, old, new in sides
        for this, opposite in ((new, old), (old, new))
        for key in this.keys() & opposite.keys()
        for origin in this[key].origins
    }
    kinds: tuple[Literal["added", "removed"], ...] = ("added", "removed")
    for name, old, new in sides:
        for kind, this, opposite in zip(kinds, (new, old), (old, new), strict=True):
            for key, statement in this.items():
                if key not in opposite:
                    for origin in statement.origins:
                        yield SpecDependencyChange(
                            name, statement.dependency, origin, kind, origin not in unchanged
                        )


Evr = tuple[int, str, str]

_MARK = re.compile("\x00(EVR|VR|EV|V):([^\x00]*)\x00")
_MAIN, _OWN = "", "."
# A constraint, alone or inside a rich dependency: name, operator, version.
_CONSTRAINT = re.compile(r"([^\s(),]+(?:\([^\s()]*\))*)(\s(?:<=|>=|=|<|>)\s)([^\s(),]+)")


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions (epoch, version, release) of the main package, of one package, and of all by
    name."""

    main: Evr
    own: Evr
    packages: Mapping[str, Evr] = field(default_factory=dict)

    def fill(self, template: str) -> str:
        """Return the capability that `template` stands for with these versions."""

        def text(match: re.Match[str]) -> str:
            kind, whose = match[1], match[2]
            evr = self.own if whose == _OWN else self.packages.get(whose, self.main)
            return next(text for text, form in _forms(evr) if form == kind)

        return _MARK.sub(text, template)


def _forms(evr: Evr) -> Iterator[tuple[str, str]]:
    """The forms of a version (with and without epoch and release); an epoch of 0 is not written."""
    epoch, version, release = evr
    before = f"{epoch}:" if epoch else ""
    yield f"{version}-{release}", "VR"
    yield version, "V"
    yield f"{before}{version}-{release}", "EVR"
    yield f"{before}{version}", "EV"


@dataclass(frozen=True, slots=True)
class Templates:
    """Makes templates of capabilities.

    `owners` has the package of the source for each name that its packages have, or provide with
    their own version.
    """

    owners: Mapping[str, str]

    def of(self, dependency: Dependency, known: Versions) -> str:
        """Return the template of a dependency of a package with these versions."""

        def placed(match: re.Match[str]) -> str:
            name, operator, evr = match.groups()
            token = self._token(dependency, name, evr, known)
            return match[0] if token is None else f"{name}{operator}{token}"

        capability = _CONSTRAINT.sub(placed, capability_key(dependency.capability))
        for whose, (_, version, release) in ((_MAIN, known.main), (_OWN, known.own)):
            capability = _replace(capability, f"{version}-{release}", whose)
        return capability

    def _token(self, dependency: Dependency, name: str, evr: str, known: Versions) -> str | None:
        owner = self.owners.get(name) or self.owners.get(name.partition("(")[0])
        candidates = [(_MAIN, known.main), (_OWN, known.own)]
        if dependency.kind != "provides":
            if owner is None:
                return None
            if owner in known.packages:
                candidates.insert(0, (owner, known.packages[owner]))
        for whose, candidate in candidates:
            for text, form in _forms(candidate):
                if text == evr:
                    return f"\x00{form}:{whose}\x00"
        return None


def _replace(text: str, needle: str, whose: str) -> str:
    if needle not in text:
        return text
    pattern = rf"(?<![\w.~^+-]){re.escape(needle)}(?![\w~^+-])"
    return re.sub(pattern, lambda _: f"\x00VR:{whose}\x00", text)


def has_placeholder(template: str) -> bool:
    """Return whether a version of the source itself is in the template."""
    return _MARK.search(template) is not None


def evr_of(nevra: Nevra) -> Evr:
    """Return epoch, version and release."""
    return nevra.epoch, nevra.version, nevra.release


def spec_versions(evaluation: SpecEvaluation, package: SpecPackage) -> Versions:
    """Return the versions of a package as its spec file says."""
    packages = {
        other_package.nevra.name: evr_of(other_package.nevra)
        for other_package in evaluation.packages
    }
    return Versions(evaluation.evr, evr_of(package.nevra), packages)


def templates_of(
    published: Sequence[Package], base: SpecEvaluation | None, head: SpecEvaluation | None
) -> Templates:
    """Return the templates of a source's packages, whichever side has them."""
    owners: dict[str, str] = {}
    packages: list[tuple[Nevra, Iterable[Dependency]]] = [
        (package.nevra, package.dependencies) for package in published
    ]
    for side in (base, head):
        for package in side.packages if side is not None else ():
            packages.append((package.nevra, [d.dependency for d in package.dependencies]))
    owners = {nevra.name: nevra.name for nevra, _ in packages}
    for nevra, dependencies in packages:
        own = {text for text, _ in _forms(evr_of(nevra))}
        for dependency in dependencies:
            name, operator, evr = split_capability(capability_key(dependency.capability))
            if dependency.kind == "provides" and operator == "=" and evr in own:
                owners.setdefault(name, nevra.name)
    return Templates(owners)
