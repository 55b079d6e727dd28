"""comps groups: named sets of packages, as a repository's `group` metadata lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.distro.unpack import RefusedFileError

if TYPE_CHECKING:
    from xml.etree import ElementTree

    from bot.distro.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class CompsGroup:
    """One group; `conditional` packages come with the package that is named beside them.

    What a request for a group means is Content Resolver's: its mandatory and default members.
    """

    id: str
    name: str
    mandatory: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    conditional: tuple[tuple[str, str], ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The names that a request for this group asks for."""
        return tuple(dict.fromkeys((*self.mandatory, *self.default)))


def comps_groups(snapshot: Snapshot) -> Mapping[str, CompsGroup]:
    """The groups of all repositories of `snapshot`, by id; a group in several has all members.

    Raises SurroundingsError where a repository's comps cannot be had or are no comps.
    """
    from bot.distro.snapshot import repository_file

    groups: dict[str, CompsGroup] = {}
    for repository in snapshot.repositories:
        path = repository_file(repository, "group")
        if path is None:
            continue
        for group in parse_comps(path.read_bytes(), f"comps of {repository.id}"):
            known = groups.get(group.id)
            groups[group.id] = _joined(known, group) if known else group
    return groups


def parse_comps(content: bytes, name: str) -> list[CompsGroup]:
    """The groups of a comps.xml; RefusedFileError naming `name` if it is none."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(content)  # checked by its repository's checksum
    except ElementTree.ParseError as error:
        raise RefusedFileError(name, f"it is not XML: {error}") from error
    groups = []
    for element in root.iter("group"):
        by_type: dict[str, list[str]] = {}
        conditional: list[tuple[str, str]] = []
        for package in element.iter("packagereq"):
            member, kind = (package.text or "").strip(), package.get("type", "mandatory")
            if kind == "conditional":
                conditional.append((member, package.get("requires", "")))
            elif member:
                by_type.setdefault(kind, []).append(member)
        groups.append(
            CompsGroup(
                id=(element.findtext("id") or "").strip(),
                name=_untranslated(element.findall("name")),
                mandatory=tuple(by_type.get("mandatory", ())),
                default=tuple(by_type.get("default", ())),
                optional=tuple(by_type.get("optional", ())),
                conditional=tuple(conditional),
            )
        )
    return groups


def _untranslated(names: list[ElementTree.Element]) -> str:
    plain = [n for n in names if not n.attrib] or names
    return (plain[0].text or "").strip() if plain else ""


def _joined(one: CompsGroup, other: CompsGroup) -> CompsGroup:
    def both(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*first, *second)))

    return CompsGroup(
        one.id,
        one.name,
        both(one.mandatory, other.mandatory),
        both(one.default, other.default),
        both(one.optional, other.optional),
        tuple(dict.fromkeys((*one.conditional, *other.conditional))),
    )
