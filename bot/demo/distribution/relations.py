"""Debian's relations between packages, as rpm's dependencies.

- A group of alternatives becomes a rich dependency.
- What only maintainer scripts need goes: nothing here runs them.
- A named dependency on a package that supplies an ELF capability which this package needs goes:
  rpm's generator says it better, and as it does in every RPM distribution.
- Recommends, Suggests and Enhances keep their names. For Breaks, Conflicts and Replaces see
  `conflicts`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from debian.deb822 import PkgRelation

from bot.demo.distribution.debian import bound

# Debian's configuration, registration and administration tools: called by maintainer scripts.
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
# The same, of one package alone: nginx's script asks `ss` of iproute2 whether port 80 is taken.
SCRIPT_TOOLS_OF = {"nginx": frozenset({"iproute2"})}


@dataclass(frozen=True, slots=True)
class Alternative:
    """One package of a relation: its name, and operator and version of Debian, "" without."""

    name: str
    operator: str = ""
    version: str = ""

    def capability(self, dist: str) -> str:
        """As rpm writes it."""
        if not self.operator:
            return self.name
        operator, version = bound(self.operator, self.version, dist)
        return f"{self.name} {operator} {version}"


Group = tuple[Alternative, ...]


@lru_cache(maxsize=200_000)
def parse_relations(text: str) -> tuple[Group, ...]:
    """The groups of a relation field; each group holds its alternatives, in order."""
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
    """Pre-Depends and Depends without what only maintainer scripts call."""
    tools = SCRIPT_TOOLS | SCRIPT_TOOLS_OF.get(package, frozenset())
    groups: dict[Group, None] = {}
    for field in ("Pre-Depends", "Depends"):
        for group in parse_relations(fields.get(field, "")):
            kept = tuple(a for a in group if a.name not in tools)
            if kept:
                groups[kept] = None
    return tuple(groups)


def written(group: Group, dist: str) -> str:
    """A group as rpm writes it: a capability, or a rich dependency of the alternatives."""
    capabilities = tuple(dict.fromkeys(a.capability(dist) for a in group))
    return capabilities[0] if len(capabilities) == 1 else f"({' or '.join(capabilities)})"


def requires(
    package: str,
    fields: Mapping[str, str],
    dist: str,
    linked: Collection[str] = (),
) -> tuple[str, ...]:
    """rpm's Requires of a Debian package, generated ones not among them.

    `linked` are the packages whose ELF capabilities this one needs.
    """
    return tuple(
        dict.fromkeys(
            written(group, dist)
            for group in needed_groups(package, fields)
            if not any(a.name in linked for a in group)
        )
    )


def weak(field: str, fields: Mapping[str, str], dist: str) -> tuple[str, ...]:
    """Recommends, Suggests or Enhances, without what only maintainer scripts call."""
    kept = (
        tuple(a for a in group if a.name not in SCRIPT_TOOLS)
        for group in parse_relations(fields.get(field, ""))
    )
    return tuple(dict.fromkeys(written(group, dist) for group in kept if group))


def provides(fields: Mapping[str, str], dist: str) -> tuple[str, ...]:
    """rpm's Provides: Debian's own, versions kept."""
    groups = parse_relations(fields.get("Provides", ""))
    return tuple(dict.fromkeys(a.capability(dist) for group in groups for a in group))
