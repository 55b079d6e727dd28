"""`/packages` and `/packages/{name}`: packages over all images, and their bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from bot.model.closure import Edge, Requirement
from bot.model.image import ImageKey, inline
from bot.model.nevra import parse_nevra
from bot.objectives.attribution import edges_of, graph_of, leaves_with, leaving, shortest_chains
from bot.report.sizes import format_size, plural
from bot.store.history.fleet_queries import Spread, Usage
from bot.web.addresses import Parameters, image_url, missing, package_url
from bot.web.responses.archive import Archive, PageResponse, Retained
from bot.web.responses.differences import ordered_architectures
from bot.web.responses.image_packages import Leaves
from bot.web.responses.steps import version
from bot.web.tables import Column, Table, columns, image_columns, ordered

_NAMES = 100
_PAGE = 25
_WAYS = 10
_REQUIREMENTS = 2


@dataclass(frozen=True, slots=True)
class Packages:
    """`/api/packages`: `next` is the offset of the following ones."""

    date: str | None
    count: int
    packages: list[Spread]
    next: int | None


@dataclass(frozen=True, slots=True)
class VersionCount:
    """The number of images with a version."""

    version: Annotated[str | None, Column("Version", "code")]
    images: Annotated[int, Column("Images", "count")]


@inline("key")
@dataclass(frozen=True, slots=True)
class PackageInImage:
    """A package in an image, and why it is there: CONTRACT's `why`, by the image's own links.

    `leaves` are the packages that would leave with it, null in an image that is unsolvable now.
    """

    key: ImageKey
    nevra: str
    installed_size: Annotated[int | None, Column("Size", "size")]
    requested: bool
    since: Annotated[str, Column("This version since (UTC)", "time", wide=True)]
    roots: list[str]
    chains: list[tuple[Edge, ...]]
    leaves_with: list[Requirement]
    leaves: Leaves | None


@dataclass(frozen=True, slots=True)
class PackagePage:
    """`/api/packages/{name}`.

    Its own `leaves` are those of all images together, null until they are computed; of an earlier
    date those of the listed images.
    """

    name: str
    date: str | None
    source: str
    count: int
    known_size: int
    requested_in: int
    leaves: Retained | None
    versions: list[VersionCount]
    images: list[PackageInImage]
    next: int | None


@dataclass(frozen=True, slots=True)
class UsedByOne:
    """A package that only one image has, on whatever architectures."""

    name: str
    source: Annotated[str, Column("Source", only="csv")]
    installed_size: Annotated[int | None, Column("Size, largest", "size")]
    key: ImageKey
    arches: tuple[str, ...]
    requested: Annotated[bool, Column("Requested", spare=True, blank="no")]
    since: Annotated[str, Column("Since (UTC)", "time")]


def packages(archive: Archive, parameters: Parameters) -> PageResponse:
    """The packages of all images whose name or source contains every word of `q`, in any case. An
    exact name comes first, then the largest."""
    query, date, page = parameters.text("q"), parameters.date, parameters.page(_NAMES)
    words = query.lower().split()
    spreads = [s for s in archive.spread(date) if _holds(s, words)]
    spreads.sort(key=lambda s: (s.name.lower() != query.lower(), -s.total, s.name))
    if parameters.order is not None:
        spreads = ordered(spreads, SPREAD, parameters.order)
    shown = list(page.of(spreads))
    data = Packages(date, len(spreads), shown, page.next(len(spreads)))
    tables = {"packages": Table("Packages", SPREAD, shown, date)}
    return PageResponse("packages.html.j2", data, tables, {"q": query, "page": page})


def _holds(spread: Spread, words: list[str]) -> bool:
    names = f"{spread.name} {spread.source}".lower()
    return all(word in names for word in words)


def package(archive: Archive, parameters: Parameters) -> PageResponse:
    """A package: why it is in each image, with its version and bytes there.

    What would leave is counted without a solver's replacements; `minimize why` has these.
    """
    name, date, page = parameters.path["name"], parameters.date, parameters.page(_PAGE, 200)
    usages: Sequence[Usage] = archive.history.usage(name, date)
    if parameters.order is not None and parameters.order.column in _BY_USAGE:
        usages = ordered(usages, (*_images(name), *_USAGE_ORDER), parameters.order)
    if not usages:
        raise missing(f"No image holds a package of this name{' at that time' if date else ''}.")
    shown = [_usage(archive, usage, date) for usage in page.of(usages)]
    counts = Counter(version(usage.nevra) for usage in usages)
    data = PackagePage(
        name,
        date,
        usages[0].source,
        len(usages),
        sum(usage.installed_size or 0 for usage in usages),
        sum(usage.requested for usage in usages),
        _leaves_of_all(archive, name, shown, date),
        [VersionCount(v, n) for v, n in counts.most_common()],
        shown,
        page.next(len(usages)),
    )
    tables = {
        "images": Table("Images that hold it", (*_images(name), *_USAGE), shown, date),
        "versions": Table("Versions", columns(VersionCount, "version", "images"), data.versions),
    }
    ways = ways_of(shown)
    extra = {"page": page, "ways": ways[:_WAYS], "more_ways": len(ways[_WAYS:])}
    return PageResponse("package.html.j2", data, tables, extra)


def _leaves_of_all(
    archive: Archive, name: str, shown: Iterable[PackageInImage], date: str | None
) -> Retained | None:
    if date is None:
        sums = archive.retained()
        return None if sums is None else sums.get(name, Retained())
    leaves = [image.leaves for image in shown if image.leaves]
    return Retained(
        sum(members.packages for members in leaves),
        sum(one.installed_size for one in leaves),
        len(leaves),
    )


def _usage(archive: Archive, usage: Usage, date: str | None) -> PackageInImage:
    contents = archive.history.contents(usage.key, date)
    graph, members = graph_of(contents), contents.members
    nevras = [str(member.nevra) for member in members]
    chains: list[tuple[Edge, ...]] = []
    drops: list[Requirement] = []
    leaves = None
    # An image that is unsolvable now has the packages of its last solvable closure.
    if usage.nevra in nevras:
        place = nevras.index(usage.nevra)
        chains = [edges_of(members, chain) for chain in shortest_chains(graph, place)]
        leaves = Leaves(*leaving(graph, members)[place])
        drops = list(leaves_with(graph, members, place))
    roots = [str(chain[0].source) for chain in chains] + [usage.nevra] * usage.requested
    return PackageInImage(
        usage.key, usage.nevra, usage.installed_size, usage.requested, usage.since, roots, chains,
        drops, leaves,
    )  # fmt: skip


def ways_of(shown: Iterable[PackageInImage]) -> list[tuple[str, list[PackageInImage]]]:
    """The chains that lead to the package, each with its images, the commonest first."""
    ways: dict[str, list[PackageInImage]] = {}
    for row in shown:
        for way in _why(row) or ["not known: the image cannot be installed now"]:
            ways.setdefault(way, []).append(row)
    return sorted(ways.items(), key=lambda pair: (-len(pair[1]), pair[0]))


def _why(row: PackageInImage) -> list[str]:
    """`requested`, and the chains by name: `nginx → perl → libperl5.36`."""
    ways = [[chain[0].source, *(edge.target for edge in chain)] for chain in row.chains]
    arrow = " \N{RIGHTWARDS ARROW} "
    return (["requested"] if row.requested else []) + [arrow.join(n.name for n in w) for w in ways]


def _reasons(row: PackageInImage) -> str:
    ways = _why(row)
    more = len(ways) - 2
    return "; ".join(ways[:2]) + (f"; {plural(more, 'more way')}" if more > 0 else "")


def _taken_out_by(row: PackageInImage) -> str:
    """`perl of nginx-core and 1 more requirement`, or why there is none."""
    drops = row.leaves_with
    if not drops:
        if row.leaves is None:
            return "not known: the image cannot be installed now"
        return "it is requested" if row.requested else "no few requirements"
    requirements = [f"{drop.capability} of {drop.nevra.name}" for drop in drops[:_REQUIREMENTS]]
    more = len(drops) - _REQUIREMENTS
    if more > 0:
        return f"{', '.join(requirements)} and {plural(more, 'more requirement')}"
    return " and ".join(requirements)


def _leaves(name: str) -> Column:
    return Column(
        "Bytes with it" if name == "installed_size" else "Leave with it",
        "text" if name == "installed_size" else "count",
        name=f"leaves_{name}",
        value=lambda row: getattr(row.leaves, name, None),
        also=lambda row: format_size(row.leaves.installed_size) if row.leaves else None,
        only="csv" if name == "installed_size" else None,
    )


def _images(name: str) -> tuple[Column, ...]:
    return image_columns(lambda row, date: image_url(row.key, date=date, package=name) + "#closure")


def used_by_one_rows(packages: Iterable[Usage]) -> list[UsedByOne]:
    """A row for each package of an image: its architectures are one image.

    `installed_size` is the largest of them, and the rows are in its order.
    """
    families: dict[tuple[str, ImageKey], list[Usage]] = {}
    for usage in packages:
        name = parse_nevra(usage.nevra).name
        families.setdefault((name, replace(usage.key, arch="")), []).append(usage)
    rows = []
    for (name, key), usages in families.items():
        sizes = [usage.installed_size for usage in usages if usage.installed_size is not None]
        arches = ordered_architectures(usage.key.arch for usage in usages)
        rows.append(
            UsedByOne(
                name, usages[0].source, max(sizes, default=None), replace(key, arch=arches[0]),
                tuple(arches), any(usage.requested for usage in usages),
                min(usage.since for usage in usages),
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: (-(row.installed_size or 0), row.name))


_PACKAGE = Column(
    "Package",
    name="name",
    link=lambda row, date: package_url(row.name, date=date),
    also=lambda row: f"from {row.source}" if row.source != row.name else None,
)
SPREAD = (
    _PACKAGE,
    Column("Source", name="source", only="csv"),
    Column("Versions", "count", name="versions"),
    Column("Images", "count", name="images"),
    Column("Size, largest", "size", name="size"),
    Column("In all images", "size", name="total"),
    Column("Beyond one copy", "size", name="shared"),
)
_USAGE = columns(
    PackageInImage,
    Column("Version", "code", name="version", value=lambda row: version(row.nevra)),
    "installed_size",
    _leaves("packages"),
    _leaves("installed_size"),
    Column("Why it is there", name="why", value=_reasons),
    Column("What would take it out", name="leaves_with", value=_taken_out_by),
    "since",
)
# Columns by which all images are sorted; the others are known only for the listed ones.
_USAGE_ORDER = (
    Column("Version", name="version", value=lambda row: version(row.nevra)),
    Column("Size", "size", name="installed_size"),
    Column("Since", name="since"),
)
_BY_USAGE = ("image", *(column.name for column in _USAGE_ORDER))
USED_BY_ONE = columns(
    UsedByOne,
    _PACKAGE,
    "source",
    "installed_size",
    Column("Image", name="workload", value=lambda row: row.key.workload,
           link=lambda row, date: image_url(row.key, date=date),
           also=lambda row: f"{row.key.environment}, {row.key.repository}"),
    Column("Environment", name="environment", value=lambda row: row.key.environment, only="csv"),
    Column("Repository", name="repository", value=lambda row: row.key.repository, only="csv"),
    Column("Architectures", name="architectures", value=lambda row: ", ".join(row.arches)),
    "requested",
    "since",
)  # fmt: skip
