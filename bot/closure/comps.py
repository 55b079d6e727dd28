"""comps groups: the packages that a group stands for (libcomps, dnf.comps)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import SurroundingsError
from bot.limits import GROUPS

if TYPE_CHECKING:
    from xml.etree import ElementTree

_TYPES = ("mandatory", "default", "conditional")


@dataclass(frozen=True, order=True, slots=True)
class GroupPackage:
    """A package of a group.

    With `requires` it is installed only beside that package; with `base_arch` only of the image's
    own architecture.
    """

    name: str
    requires: str | None = None
    base_arch: bool = False


@dataclass(frozen=True, slots=True)
class Comps:
    """Groups by id, and environments with the ids of their mandatory groups."""

    groups: dict[str, tuple[GroupPackage, ...]]
    environments: dict[str, tuple[str, ...]]

    def packages(self, group: str) -> tuple[GroupPackage, ...] | None:
        """Return all packages of a group or environment except optional ones, by name.

        None where neither has that id.
        """
        if group in self.environments:
            packages = {p for g in self.environments[group] for p in self.groups.get(g, ())}
            return tuple(sorted(packages, key=_order))
        return self.groups.get(group)


def read_comps(files: Iterable[Path], arch: str) -> Comps:
    """Return the merged groups of several comps files; SurroundingsError where one is too large or
    not comps.
    """
    from xml.etree import ElementTree

    groups: dict[str, set[GroupPackage]] = {}
    environments: dict[str, dict[str, None]] = {}
    for path in files:
        if path.stat().st_size > GROUPS:
            raise SurroundingsError(f"{path.name} has more than {GROUPS} bytes, and is not read.")
        try:
            root = ElementTree.parse(path).getroot()
        # An encoding that Python does not know, or expat cannot read, is no ParseError.
        except (ElementTree.ParseError, LookupError, ValueError) as error:
            raise SurroundingsError(
                f"A repository has comps that are not XML ({path.name}: {error}).",
                "Its mirror may be broken: try another, or later.",
            ) from error
        for element in root.iterfind("group"):
            if _meant_for(element, arch):
                packages = groups.setdefault(_id(element), set())
                packages.update(_packages(element, arch))
        for element in root.iterfind("environment"):
            ids = environments.setdefault(_id(element), {})
            ids.update((g.text or "", None) for g in element.iterfind("grouplist/groupid"))
    return Comps(
        {name: tuple(sorted(members, key=_order)) for name, members in groups.items()},
        {name: tuple(ids) for name, ids in environments.items()},
    )


def _order(package: GroupPackage) -> tuple[str, str, bool]:
    return package.name, package.requires or "", package.base_arch


def _id(element: ElementTree.Element) -> str:
    return (element.findtext("id") or "").strip()


def _packages(group: ElementTree.Element, arch: str) -> Iterable[GroupPackage]:
    for element in group.iterfind("packagelist/packagereq"):
        if element.get("type", "mandatory") in _TYPES and _meant_for(element, arch):
            yield GroupPackage(
                (element.text or "").strip(),
                element.get("requires"),
                element.get("basearchonly") == "true",
            )


def _meant_for(element: ElementTree.Element, arch: str) -> bool:
    arches = element.get("arch")
    return not arches or arch in re.split(r"[\s,]+", arches)
