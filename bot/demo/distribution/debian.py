"""Conversion of Debian's suites, architectures, versions and relations to rpm's.

- A group of alternatives becomes a rich dependency.
- Dependencies of maintainer scripts alone are dropped: nothing runs them.
- A named dependency on a package that supplies an ELF capability which this package needs is
  dropped: rpm's generator adds a more precise one, as in every RPM distribution.
- Recommends, Suggests and Enhances are kept under their names.
- Breaks, Conflicts and Replaces become Conflicts and Obsoletes where both systems mean the same.
  They can differ: an unversioned Provides satisfies a versioned relation in rpm alone, and the two
  order some versions differently. As every package and version of a frozen set is known, each
  relation is resolved by the rules of both systems, and left out if they name different packages.
  Replaces without Conflicts permits taking over files, for which rpm has no counterpart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import solv
from debian.deb822 import PkgRelation
from debian.debian_support import NativeVersion

from bot.closure.requests import RELATION_FLAGS

# Architectures: rpm's name to Debian's.
DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64el", "s390x": "s390x"}
RPM_ARCH = {debian: rpm for rpm, debian in DEBIAN_ARCH.items()} | {"all": "noarch"}


@dataclass(frozen=True, slots=True)
class Suite:
    """A frozen suite of Debian: its code name, its number, and `%dist` of packages made of it."""

    codename: str
    number: str
    dist: str


# Tried in this order: a mirror's files may not match its Release file.
SUITES = (Suite("bookworm", "12", ".deb12"), Suite("trixie", "13", ".deb13"))


@dataclass(frozen=True, slots=True)
class Evr:
    """Epoch, version and release in rpm's form."""

    epoch: int
    version: str
    release: str

    def __str__(self) -> str:
        text = f"{self.version}-{self.release}" if self.release else self.version
        return f"{self.epoch}:{text}" if self.epoch else text


def split_version(text: str) -> Evr:
    """The epoch, version and release of `[epoch:]upstream[-revision]`; "" without a revision.

    rpm forbids a dash in Version: further dashes of the upstream version become dots; rpm ignores
    which separator it is.
    """
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return Evr(int(epoch), upstream.replace("-", "."), revision)


def package_evr(text: str, dist: str) -> Evr:
    """The version and release of a package of Debian version `text`: release `0` for a native
    package."""
    evr = split_version(text)
    return Evr(evr.epoch, evr.version, (evr.release or "0") + dist)


def bound(operator: str, text: str, dist: str) -> tuple[str, str]:
    """The operator and version in rpm for Debian's `(operator text)`.

    rpm compares versions alone when one side has no release, Debian reads a missing revision as the
    lowest: `>> 2.36` holds for 2.36-9 in Debian, `> 2.36` does not in rpm, so it becomes `>=`; `<=`
    becomes `<` likewise. With a revision, `=`, `<=` and `>>` name the release with `dist`; `>=` and
    `<<` without, which is lower than every release that begins with it.
    """
    evr = split_version(text)
    operator = {"<": "<=", ">": ">="}.get(operator, operator)  # Debian's old spellings
    if not evr.release:
        return {"<<": "<", ">>": ">=", "<=": "<"}.get(operator, operator), str(evr)
    if operator in ("=", "<=", ">>"):
        evr = Evr(evr.epoch, evr.version, evr.release + dist)
    return {"<<": "<", ">>": ">"}.get(operator, operator), str(evr)


# Debian's tools that only maintainer scripts call.
SCRIPT_TOOLS = frozenset(
    {
        "adduser",
        "cdebconf",
        "debconf",
        "debconf-2.0",
        "dpkg",
        "init-system-helpers",
        "install-info",
        "lsb-base",
        "sysvinit-utils",
        "ucf",
    }
)
# The same for single packages: nginx's script calls `ss` of iproute2.
SCRIPT_TOOLS_OF = {"nginx": frozenset({"iproute2"})}


@dataclass(frozen=True, slots=True)
class Alternative:
    """One package of a relation: its name, and Debian's operator and version, or ""."""

    name: str
    operator: str = ""
    version: str = ""

    def capability(self, dist: str) -> str:
        """The capability in rpm's syntax."""
        if not self.operator:
            return self.name
        operator, version = bound(self.operator, self.version, dist)
        return f"{self.name} {operator} {version}"


Group = tuple[Alternative, ...]


@lru_cache(maxsize=200_000)
def parse_relations(text: str) -> tuple[Group, ...]:
    """The groups of a relation field, each with its alternatives in order."""
    if not text.strip():
        return ()
    groups: list[Group] = []
    for parsed in PkgRelation.parse_relations(text):
        group = []
        for relation in parsed:
            operator, version = relation.get("version") or ("", "")
            group.append(Alternative(relation["name"], operator, version))
        groups.append(tuple(dict.fromkeys(group)))
    return tuple(dict.fromkeys(groups))


def needed_groups(package: str, fields: Mapping[str, str]) -> tuple[Group, ...]:
    """The groups of Pre-Depends and Depends, without packages that only maintainer scripts call."""
    tools = SCRIPT_TOOLS | SCRIPT_TOOLS_OF.get(package, frozenset())
    groups: dict[Group, None] = {}
    for field in ("Pre-Depends", "Depends"):
        for group in parse_relations(fields.get(field, "")):
            alternatives = tuple(a for a in group if a.name not in tools)
            if alternatives:
                groups[alternatives] = None
    return tuple(groups)


def rpm_relation(group: Group, dist: str) -> str:
    """A group in rpm's syntax: a capability, or a rich dependency of the alternatives."""
    capabilities = tuple(dict.fromkeys(a.capability(dist) for a in group))
    return capabilities[0] if len(capabilities) == 1 else f"({' or '.join(capabilities)})"


def requires(
    package: str,
    fields: Mapping[str, str],
    dist: str,
    linked: Collection[str] = (),
) -> tuple[str, ...]:
    """The Requires in rpm of a Debian package, without generated ones.

    `linked` are the packages whose ELF capabilities it needs.
    """
    return tuple(
        dict.fromkeys(
            rpm_relation(group, dist)
            for group in needed_groups(package, fields)
            if not any(a.name in linked for a in group)
        )
    )


def weak(field: str, fields: Mapping[str, str], dist: str) -> tuple[str, ...]:
    """The Recommends, Suggests or Enhances, without packages that only maintainer scripts call."""
    groups = (
        tuple(a for a in group if a.name not in SCRIPT_TOOLS)
        for group in parse_relations(fields.get(field, ""))
    )
    return tuple(dict.fromkeys(rpm_relation(group, dist) for group in groups if group))


def provides(fields: Mapping[str, str], dist: str) -> tuple[str, ...]:
    """The Provides in rpm: Debian's, with their versions."""
    groups = parse_relations(fields.get("Provides", ""))
    return tuple(dict.fromkeys(a.capability(dist) for group in groups for a in group))


class PackageSet:
    """All packages of one architecture, to find those that a relation names."""

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
        return name.Rel(RELATION_FLAGS[operator], self._pool.Dep(version))

    def named_by_rpm(self, alternative: Alternative) -> frozenset[str]:
        """The packages that the relation names in rpm."""
        solvables = self._pool.whatprovides(self._capability(alternative))
        return frozenset(solvable.name for solvable in solvables)

    def named_by_debian(self, alternative: Alternative) -> frozenset[str]:
        """The packages that a relation names in Debian."""
        return frozenset(
            name
            for name, version in self._debian.get(alternative.name, ())
            if not alternative.operator or (version and _holds(version, alternative))
        )


def _holds(version: str, alternative: Alternative) -> bool:
    own, bound_ = NativeVersion(version), NativeVersion(alternative.version)
    return {
        "<<": own < bound_,
        "<=": own <= bound_,
        "=": own == bound_,
        ">=": own >= bound_,
        ">>": own > bound_,
    }[{"<": "<=", ">": ">="}.get(alternative.operator, alternative.operator)]


def conflicts(
    package: str, fields: Mapping[str, str], package_set: PackageSet, dist: str
) -> list[str]:
    """The Conflicts in rpm: Breaks and Conflicts that name the same packages in both systems."""
    capabilities: dict[str, None] = {}
    for alternative in (*_relations(fields, "Breaks"), *_relations(fields, "Conflicts")):
        debian = package_set.named_by_debian(alternative) - {package}
        rpm = package_set.named_by_rpm(alternative)
        if debian == rpm:  # rpm's Conflicts must not name the package itself either
            capabilities[alternative.capability(dist)] = None
    return list(capabilities)


def obsoletes(package: str, fields: Mapping[str, str], package_set: PackageSet) -> list[str]:
    """The Obsoletes in rpm: packages that it replaces, provides and conflicts with, unversioned. By
    these Debian marks that a package replaced another (Debian policy, 7.6.2).

    Names that the set still has are left out, as rpm would remove them.
    """
    common: set[str] | None = None
    for field in ("Replaces", "Conflicts", "Provides"):
        names = {a.name for a in _relations(fields, field) if not a.operator}
        common = names if common is None else common & names
    return sorted(
        name for name in common or () if package_set.named_by_rpm(Alternative(name)) <= {package}
    )


def _relations(fields: Mapping[str, str], field: str) -> list[Alternative]:
    return [a for group in parse_relations(fields.get(field, "")) for a in group]
