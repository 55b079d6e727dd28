"""A package's own version-release as a placeholder, so that a new version is no difference.

`Requires: %{name}-libs = %{version}-%{release}` reads `= 1.26-2` on one side and `= 1.27-1` on the
other, and means the same. A template is a capability in which one's own version-release stands as
a placeholder; where it is the version alone, only in what one provides and in what one says of
packages of the same source (elsewhere the same digits mean another project's version).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.model import Dependency, Nevra, SpecEvaluation, SpecPackage
from bot.spec.capability import capability_key, split_capability

_PLACE = "\x00{kind}{index}\x00"
_MARK = re.compile("\x00(VR|V)(\\d)\x00")


@dataclass(frozen=True, slots=True)
class Versions:
    """Version and release of the main package, and of one package where it has its own."""

    pairs: tuple[tuple[str, str], ...]

    def fill(self, template: str) -> str:
        """The capability that `template` stands for with these versions."""

        def text(match: re.Match[str]) -> str:
            version, release = self.pairs[min(int(match[2]), len(self.pairs) - 1)]
            return f"{version}-{release}" if match[1] == "VR" else version

        return _MARK.sub(text, template)


def versions(main: tuple[str, str], own: Nevra) -> Versions:
    """The versions of a package `own` whose main package has version and release `main`."""
    pair = (own.version, own.release)
    return Versions((main,) if pair == main else (main, pair))


@dataclass(frozen=True, slots=True)
class Templates:
    """Makes templates of capabilities; `siblings` are the names of the source's packages."""

    siblings: frozenset[str]

    def of(self, dependency: Dependency, known: Versions) -> str:
        """The template of a dependency of a package with these versions."""
        capability = capability_key(dependency.capability)
        for index, (version, release) in enumerate(known.pairs):
            capability = _replace(capability, f"{version}-{release}", "VR", index)
        name, operator, evr = split_capability(capability)
        about_own = dependency.kind == "provides" or name.partition("(")[0] in self.siblings
        if operator and about_own:
            for index, (version, _) in enumerate(known.pairs):
                if evr == version:
                    return f"{name} {operator} {_PLACE.format(kind='V', index=index)}"
        return capability


def _replace(text: str, needle: str, kind: str, index: int) -> str:
    if needle not in text:
        return text
    pattern = rf"(?<![\w.~^+-]){re.escape(needle)}(?![\w~^+-])"
    token = _PLACE.format(kind=kind, index=index)
    return re.sub(pattern, lambda _: token, text)


def has_placeholder(template: str) -> bool:
    """Whether one's own version is in it."""
    return _MARK.search(template) is not None


def spec_versions(evaluation: SpecEvaluation, package: SpecPackage) -> Versions:
    """The versions of a package as its spec file says."""
    _, version, release = evaluation.evr
    return versions((version, release), package.nevra)


def own_names(
    published: Sequence[str], base: SpecEvaluation | None, head: SpecEvaluation | None
) -> frozenset[str]:
    """The names of all packages of a source, on any side."""
    names = set(published)
    for side in (base, head):
        if side is not None:
            names.update(package.nevra.name for package in side.packages)
    return frozenset(names)
