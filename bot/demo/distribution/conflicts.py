"""Breaks, Conflicts and Replaces as rpm's Conflicts and Obsoletes, where both mean the same.

Debian and rpm can disagree: an unversioned Provides meets a versioned relation in rpm alone, and
the two order some versions differently. In a frozen set every package and version is known, so
each relation is looked up in both systems' eyes; where they name different packages it is left
out. Replaces without Conflicts permits taking over files, for which rpm has no word and no need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import solv
from debian.debian_support import NativeVersion

from bot.demo.distribution.debian import bound, package_evr
from bot.demo.distribution.relations import Alternative, parse_relations

_FLAGS = {
    "<": solv.REL_LT,
    "<=": solv.REL_LT | solv.REL_EQ,
    "=": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ,
    ">": solv.REL_GT,
}


class PackageSet:
    """All packages of one architecture, for asking which of them a relation names."""

    def __init__(self, packages: Mapping[str, Mapping[str, str]], dist: str) -> None:
        """`packages`: the control fields of each package, by its name."""
        self._dist = dist
        self._pool = solv.Pool()
        self._pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self._pool.setarch("x86_64")
        repository = self._pool.add_repo("set")
        self._debian: dict[str, list[tuple[str, str]]] = {}
        for name, fields in packages.items():
            evr = str(package_evr(fields["Version"], dist))
            solvable = repository.add_solvable()
            solvable.name, solvable.evr, solvable.arch = name, evr, "noarch"
            provided = [Alternative(name, "=", fields["Version"])]
            solvable.add_deparray(
                solv.SOLVABLE_PROVIDES, self._pool.Dep(name).Rel(solv.REL_EQ, self._pool.Dep(evr))
            )
            for group in parse_relations(fields.get("Provides", "")):
                for alternative in group:
                    provided.append(alternative)
                    solvable.add_deparray(solv.SOLVABLE_PROVIDES, self._capability(alternative))
            for alternative in provided:
                versions = self._debian.setdefault(alternative.name, [])
                versions.append((name, alternative.version))
        self._pool.createwhatprovides()

    def _capability(self, alternative: Alternative) -> Any:
        name = self._pool.Dep(alternative.name)
        if not alternative.operator:
            return name
        operator, version = bound(alternative.operator, alternative.version, self._dist)
        return name.Rel(_FLAGS[operator], self._pool.Dep(version))

    def named_by_rpm(self, alternative: Alternative) -> frozenset[str]:
        """The packages that rpm's counterpart of a relation names."""
        found = self._pool.whatprovides(self._capability(alternative))
        return frozenset(solvable.name for solvable in found)

    def named_by_debian(self, alternative: Alternative) -> frozenset[str]:
        """The packages that a relation names in Debian."""
        return frozenset(
            name
            for name, version in self._debian.get(alternative.name, ())
            if not alternative.operator or (version and _holds(version, alternative))
        )


def _holds(version: str, alternative: Alternative) -> bool:
    ours, bound_ = NativeVersion(version), NativeVersion(alternative.version)
    return {
        "<<": ours < bound_,
        "<=": ours <= bound_,
        "=": ours == bound_,
        ">=": ours >= bound_,
        ">>": ours > bound_,
    }[{"<": "<=", ">": ">="}.get(alternative.operator, alternative.operator)]


def conflicts(package: str, fields: Mapping[str, str], among: PackageSet, dist: str) -> list[str]:
    """rpm's Conflicts of a package: the Breaks and Conflicts on which both systems agree."""
    kept: dict[str, None] = {}
    for alternative in (*_relations(fields, "Breaks"), *_relations(fields, "Conflicts")):
        debian = among.named_by_debian(alternative) - {package}
        rpm = among.named_by_rpm(alternative)
        if debian == rpm:  # rpm's Conflicts must not name the package itself either
            kept[alternative.capability(dist)] = None
    return list(kept)


def obsoletes(package: str, fields: Mapping[str, str], among: PackageSet) -> list[str]:
    """rpm's Obsoletes of a package: what it replaces, provides and conflicts with, whole.

    That is how Debian says that a package took another's place (Debian policy, 7.6.2). Names that
    the set still has are left out: rpm would remove them on sight.
    """
    wanted: set[str] | None = None
    for field in ("Replaces", "Conflicts", "Provides"):
        names = {a.name for a in _relations(fields, field) if not a.operator}
        wanted = names if wanted is None else wanted & names
    return sorted(
        name for name in wanted or () if among.named_by_rpm(Alternative(name)) <= {package}
    )


def _relations(fields: Mapping[str, str], field: str) -> list[Alternative]:
    return [a for group in parse_relations(fields.get(field, "")) for a in group]
