"""`/images/.../compare` and `/images/.../architectures`: two times, all architectures.

Packages are paired by name; several packages of one name are compared as one list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from bot.model.architecture import architecture_order
from bot.model.image import ImageKey, inline
from bot.model.nevra import JSON
from bot.report.sizes import format_size
from bot.store.history.values import Member, Status
from bot.web.addresses import Parameters, image_link, package_url
from bot.web.responses.archive import Archive, PageResponse
from bot.web.tables import Column, Table, columns

_SHOWN = 100
_PACKAGE = Column("Package", name="name", link=lambda row, date: package_url(row.name, date=date))


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One side of a comparison."""

    arch: Annotated[str, Column("Architecture")]
    date: str | None
    status: Annotated[Status, Column("Status", "state")]
    evaluated: Annotated[str, Column("Evaluated (UTC)", "time")]
    packages: Annotated[int | None, Column("Packages", "count")]
    installed_size: int | None
    known_size: Annotated[int | None, Column("Installed", "size")]
    layer_size: Annotated[int | None, Column("Layer, gzip", "size")]


@dataclass(frozen=True, slots=True)
class Difference:
    """A package that differs."""

    __pydantic_config__ = JSON
    name: str
    change: Annotated[Literal["came", "went", "changed"], Column("What")]
    before: str | None = field(metadata={"alias": "from"})
    after: str | None = field(metadata={"alias": "to"})
    known_delta: Annotated[int, Column("Bytes", "delta")]


@inline("key")
@dataclass(frozen=True, slots=True)
class OtherArchitecture:
    """The same image on another architecture."""

    key: ImageKey
    status: Annotated[Status, Column("Status", "state")]
    packages: Annotated[int | None, Column("Packages", "count")]
    installed_size: Annotated[int | None, Column("Installed", "size")]
    download_size: Annotated[int | None, Column("Download", "size")]
    layer_size: Annotated[int | None, Column("Layer, gzip", "size")]


@inline("key")
@dataclass(frozen=True, slots=True)
class Comparison:
    """An image at two times, or on two architectures."""

    key: ImageKey
    left: ComparedSide
    right: ComparedSide
    packages: list[Difference]
    known_delta: int


@dataclass(frozen=True, slots=True)
class PackageThere:
    """A package on one architecture."""

    version: str
    installed_size: int | None


@dataclass(frozen=True, slots=True)
class PackageEverywhere:
    """A package on each architecture, null where it is absent; `spread` is the difference in bytes
    between the smallest and the largest, 0 where it is absent."""

    name: str
    differs: bool
    spread: Annotated[int, Column("Largest difference", "size")]
    on: dict[str, PackageThere | None]


@inline("key")
@dataclass(frozen=True, slots=True)
class Architectures:
    """An image on all its architectures, package by package."""

    key: ImageKey
    date: str | None
    architectures: list[OtherArchitecture]
    packages: list[PackageEverywhere]


def each_architecture(archive: Archive, parameters: Parameters) -> list[OtherArchitecture]:
    """The figures of the image on each of its architectures."""
    key, date = parameters.key, parameters.date
    archive.evaluation(key, date)
    described = {*archive.evaluations(date), key}
    rows = []
    for arch in ordered_architectures(
        k.arch for k in described if replace(k, arch=key.arch) == key
    ):
        other = replace(key, arch=arch)
        evaluation = archive.history.evaluation(other, date)
        if evaluation is not None:
            facts = evaluation.facts
            names = ("status", "packages", "installed_size", "download_size", "layer_size")
            rows.append(OtherArchitecture(other, *(getattr(facts, name) for name in names)))
    return rows


def ordered_architectures(arches: Iterable[str]) -> list[str]:
    """Architectures in the usual order, each once."""
    return sorted(set(arches), key=architecture_order)


def architectures_table(rows: Sequence[OtherArchitecture], date: str | None) -> Table:
    """The figures of an image on each architecture."""
    return Table("Architectures", _ARCHITECTURES, rows, date)


def compare(archive: Archive, parameters: Parameters) -> PageResponse:
    """The differences between `from` and `to` (dates, null is now), and to the architecture `with`,
    if given."""
    key = parameters.key
    other = replace(key, arch=parameters.text("with") or key.arch)
    dates = parameters.moment("from"), parameters.moment("to")
    left, right = _side(archive, key, dates[0]), _side(archive, other, dates[1])
    rows = _differences(
        _packages_by_name(archive, key, dates[0]), _packages_by_name(archive, other, dates[1])
    )
    data = Comparison(key, left, right, rows, sum(row.known_delta for row in rows))
    all_images = archive.cached("images", archive.history.images)
    arches = ordered_architectures(
        i.key.arch for i in all_images if replace(i.key, arch=key.arch) == key
    )
    extra = {"key": key, "arches": arches, "dates": dates}
    side = Column("Side", name="side", value=lambda row: "Left" if row is left else "Right")
    tables = {
        "packages": _differences_table(data),
        "sides": Table("Both sides", (side, *_SIDES), [left, right]),
    }
    return PageResponse("compare.html.j2", data, tables, extra)


def _side(archive: Archive, key: ImageKey, date: str | None) -> ComparedSide:
    evaluation = archive.evaluation(key, date)
    facts = evaluation.facts
    return ComparedSide(
        key.arch, date, facts.status, evaluation.evaluated, facts.packages, facts.installed_size,
        facts.known_size, facts.layer_size,
    )  # fmt: skip


def _packages_by_name(archive: Archive, key: ImageKey, date: str | None) -> dict[str, list[Member]]:
    """The packages of each name; most names have one."""
    members: dict[str, list[Member]] = {}
    for member in archive.history.contents(key, date, links=False).members:
        members.setdefault(member.nevra.name, []).append(member)
    return members


def _differences(
    left: Mapping[str, list[Member]], right: Mapping[str, list[Member]]
) -> list[Difference]:
    rows = []
    for name in sorted(left.keys() | right.keys()):
        before, after = left.get(name, []), right.get(name, [])
        if [_version_and_size(m) for m in before] == [_version_and_size(m) for m in after]:
            continue
        rows.append(
            Difference(
                name,
                "changed" if before and after else "came" if after else "went",
                _versions(before) or None,
                _versions(after) or None,
                _bytes(after) - _bytes(before),
            )
        )
    return sorted(rows, key=lambda row: (-abs(row.known_delta), row.name))


def _version_and_size(member: Member) -> tuple[str, int | None]:
    return member.nevra.evr, member.installed_size


def _bytes(members: list[Member]) -> int:
    return sum(member.installed_size or 0 for member in members)


def _versions(members: Iterable[Member]) -> str:
    """The versions of packages, with an epoch only if it is not 0."""
    return ", ".join(member.nevra.rpm_evr for member in members)


def _differences_table(data: Comparison) -> Table:
    left, right = data.left.arch, data.right.arch
    names = ("Left", "Right") if left == right else (f"Left, {left}", f"Right, {right}")
    sides = (
        Column(names[0], "code", name="from", blank="not there", value=lambda row: row.before),
        Column(names[1], "code", name="to", blank="not there", value=lambda row: row.after),
    )
    all_columns = columns(Difference, _PACKAGE, "change", "known_delta", *sides)
    return Table("What differs", all_columns, data.packages)


def architectures(archive: Archive, parameters: Parameters) -> PageResponse:
    """The packages of an image on each architecture; the largest differences first.

    `on` has each architecture's version and bytes, null if the package is absent; an architecture
    on which the image cannot be installed has none.
    """
    key, date = parameters.key, parameters.date
    sides = each_architecture(archive, parameters)
    members = {
        side.key.arch: _packages_by_name(archive, side.key, date) if side.status == "ok" else {}
        for side in sides
    }
    rows = [
        _everywhere(n, members) for n in sorted({n for names in members.values() for n in names})
    ]
    rows.sort(key=lambda row: (-row.spread, row.name))
    columns_of_arches = [column for arch in members for column in _arch_columns(arch)]
    all_columns = columns(PackageEverywhere, _PACKAGE, "spread", *columns_of_arches)
    tables = {
        "packages": Table("Packages on each architecture", all_columns, rows, date).first(
            parameters.page(_SHOWN).limit
        ),
        "architectures": architectures_table(sides, date),
    }
    extra = {"key": key, "differing": sum(row.differs for row in rows)}
    data = Architectures(key, date, sides, rows)
    return PageResponse("architectures.html.j2", data, tables, extra)


def _everywhere(name: str, members: dict[str, dict[str, list[Member]]]) -> PackageEverywhere:
    on = {arch: _package_there(names.get(name)) for arch, names in members.items()}
    sizes = [there.installed_size or 0 if there else 0 for there in on.values()]
    versions = {there.version if there else None for there in on.values()}
    spread = max(sizes) - min(sizes)
    return PackageEverywhere(name, len(versions) > 1 or spread > 0, spread, on)


def _package_there(members: Sequence[Member] | None) -> PackageThere | None:
    if not members:
        return None
    sizes = [member.installed_size for member in members]
    known = [size for size in sizes if size is not None]
    return PackageThere(_versions(members), sum(known) if len(known) == len(sizes) else None)


def _arch_columns(arch: str) -> Iterable[Column]:
    def figure(name: str) -> Callable[[PackageEverywhere], str | int | None]:
        return lambda row: getattr(row.on[arch], name, None)

    def words(row: PackageEverywhere) -> str:
        there = row.on[arch]
        return format_size(there.installed_size) if there else "not there"

    def other_version(row: PackageEverywhere) -> str | None:
        there = row.on[arch]
        several = len({package.version for package in row.on.values() if package}) > 1
        return there.version if there and several else None

    return (
        Column(arch, "figure", name=arch, value=words, also=other_version, only="html"),
        Column(arch, name=f"{arch}_version", value=figure("version"), only="csv"),
        Column(arch, name=f"{arch}_installed_size", value=figure("installed_size"), only="csv"),
    )


_SIDES = columns(
    ComparedSide, "arch", "evaluated", "status", "packages", "known_size", "layer_size"
)
_ARCHITECTURES = columns(
    OtherArchitecture,
    Column("Architecture", name="arch", value=lambda row: row.key.arch, link=image_link),
    "status",
    "packages",
    "installed_size",
    "download_size",
    "layer_size",
)
