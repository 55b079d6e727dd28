"""The packages of one image: what requires each, what leaves with it, and its part of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from bot.model.image import ImageKey
from bot.model.nevra import JSON, Nevra
from bot.objectives.attribution import Graph, graph_of, leaving
from bot.store.history.values import WEAK, Contents, Member
from bot.web.addresses import Parameters, image_url, package_url
from bot.web.charts.svg import Part
from bot.web.responses.archive import Archive
from bot.web.tables import Column, columns

_HOLDING = 3
_WORDS = {True: "environment", False: "workload", None: ""}
_PART = Column("Part of", words=lambda row: _WORDS[row.environment], spare=True)
_PACKAGE = Column("Package", link=lambda row, date: package_url(row.name, date=date))


@dataclass(frozen=True, slots=True)
class RequiredBy:
    """A package that requires another, and the capability."""

    nevra: Nevra
    capability: str
    kind: str


@dataclass(frozen=True, slots=True)
class Leaves:
    """The packages that would leave with one, itself included, by the image's own links."""

    packages: int
    installed_size: int


@dataclass(frozen=True, slots=True)
class ImagePackage:
    """A package of an image.

    `environment` is true if it would be there without the workload, null if no run recorded the
    environment's requests.
    """

    __pydantic_config__ = JSON
    nevra: Nevra
    name: Annotated[str, _PACKAGE]
    epoch: int
    version: str
    release: str
    arch: Annotated[str, Column("Architecture", wide=True)]
    source: Annotated[str, Column("Source", wide=True)]
    repository: str = field(metadata={"alias": "from"})
    installed_size: Annotated[int | None, Column("Size", "size")]
    installed_size_nodocs: int | None
    download_size: Annotated[int | None, Column("Download", "size", wide=True)]
    requested: bool
    required_by: list[RequiredBy]
    leaves: Leaves
    environment: Annotated[bool | None, _PART] = None

    @property
    def part(self) -> Part:
        """Its part of the image: from the environment, requested, or required."""
        if self.environment:
            return "environment"
        return "requested" if self.requested else "comes along"


def packages(archive: Archive, parameters: Parameters) -> list[ImagePackage]:
    """An image's packages; empty while it cannot be installed."""
    key, date = parameters.key, parameters.date
    if archive.evaluation(key, date).facts.status != "ok":
        return []
    contents = archive.history.contents(key, date)
    graph = graph_of(contents)
    return packages_of(contents, graph, environment_members(archive, key, contents, graph))


def holders(
    archive: Archive, parameters: Parameters
) -> tuple[list[ImagePackage], list[int | None], dict[int, str]]:
    """An image's packages, the index of the dominating package of each, and the address of each."""
    members = packages(archive, parameters)
    key, date = parameters.key, parameters.date
    above = graph_of(archive.history.contents(key, date)).holders() if members else {}
    links = {
        place: image_url(key, date=date, package=package.name) + "#closure"
        for place, package in enumerate(members)
    }
    return members, [above[place] for place in range(len(members))], links


def environment_members(
    archive: Archive, key: ImageKey, contents: Contents, graph: Graph
) -> frozenset[int] | None:
    """The indices of the environment's members; null if no run recorded its requests.

    These are the members that its requests lead to. A member requested through a group or a
    capability counts as the environment's unless the workload has such requests too.
    """
    image = archive.history.image(key)
    if image is None or image.environment_requests is None:
        return None
    environment = set(image.environment_requests)
    workload = set(contents.requests) - environment
    names = {member.nevra.name for member in contents.members}
    unnamed = not workload <= names | {WEAK}
    roots = {
        place
        for place, member in enumerate(contents.members)
        if member.requested
        and (
            member.nevra.name in environment or (member.nevra.name not in workload and not unnamed)
        )
    }
    return graph.reached(roots)


def packages_of(
    contents: Contents, graph: Graph, environment: frozenset[int] | None
) -> list[ImagePackage]:
    """The packages of an image; `environment` are the indices of those that the environment brings,
    null if not known."""
    members = contents.members
    required_by: list[list[RequiredBy]] = [[] for _ in members]
    for link in contents.links:
        requirement = RequiredBy(members[link.source].nevra, link.capability, link.kind)
        required_by[link.target].append(requirement)
    return [
        replace(
            _package(member, needs, Leaves(*leaves)),
            environment=None if environment is None else place in environment,
        )
        for place, (member, needs, leaves) in enumerate(
            zip(members, required_by, leaving(graph, members), strict=True)
        )
    ]


def _package(member: Member, required_by: list[RequiredBy], leaves: Leaves) -> ImagePackage:
    nevra = member.nevra
    return ImagePackage(
        nevra, nevra.name, nevra.epoch, nevra.version, nevra.release, nevra.arch, member.source,
        member.repository, member.installed_size, member.installed_size_nodocs,
        member.download_size, member.requested, required_by, leaves,
    )  # fmt: skip


def why_words(row: ImagePackage) -> str:
    """`requested`, or the first package that requires it, and the number of the others."""
    needs = sorted({str(need.nevra): need.nevra for need in row.required_by}.items())
    others = f" and {len(needs) - 1} more" if len(needs) > 1 else ""
    by = f"required by {needs[0][1].name}{others}" if needs else ""
    if row.requested:
        return f"requested; {by}" if by else "requested"
    return by or "not known"


def why_column(key: ImageKey) -> Column:
    """The column of what requires a package, with a link to its place in the graph."""

    def link(row: ImagePackage, date: str | None) -> str:
        return image_url(key, date=date, package=row.name) + "#closure"

    return Column("Why it is there", name="why", value=why_words, link=link)


PACKAGES = columns(
    ImagePackage,
    "name",
    Column("Version", "code", name="version", value=lambda row: row.nevra.rpm_evr),
    "arch",
    "environment",
    "source",
    "installed_size",
    "download_size",
    Column("Leave with it", "count", name="leaves_packages", value=lambda r: r.leaves.packages),
    Column("Bytes with it", "size", name="leaves_installed_size",
           value=lambda row: row.leaves.installed_size),
)  # fmt: skip


def holding(members: Sequence[ImagePackage]) -> list[ImagePackage]:
    """The packages not requested by name that hold the most besides themselves."""
    several = [p for p in members if p.leaves.packages > 1 and not p.requested]
    return sorted(several, key=lambda p: (-p.leaves.installed_size, p.name))[:_HOLDING]
