"""`/images/{repository}/{environment}/{workload}/{arch}`, now or at a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from bot.model.amount import only_number
from bot.model.closure import Edge, Requirement, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey, inline
from bot.model.nevra import JSON, Nevra
from bot.model.surface import Surface as ImageSurface
from bot.objectives.attribution import (
    Graph,
    edges_of,
    graph_of,
    leaves_with,
    leaving,
    shortest_chains,
)
from bot.store.history.values import WEAK, ClosureFacts, Contents, Member, Point, Status
from bot.web.addresses import WINDOWS, Parameters, image_url, package_url, window
from bot.web.charts.graph import DRAWN, MOST, drawn_of
from bot.web.charts.legend import Part
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.differences import (
    OtherArchitecture,
    architectures_table,
    each_architecture,
)
from bot.web.responses.image_surface import (
    SurfaceMove,
    kind_rows,
    kinds_table,
    moves_table,
    surface_moves,
)
from bot.web.responses.objectives import NamedStatus, status_rows, status_table
from bot.web.responses.opportunities import (
    OpportunityRow,
    best_of_image,
    opportunities_table,
)
from bot.web.responses.steps import (
    Movement,
    Step,
    at_that_time,
    cause_rows,
    causes_table,
    largest_steps,
    moved,
    step_row,
    steps_table,
)
from bot.web.tables import Column, Kind, Table, columns

_STEPS = 5000
_SHOWN = 25
_HOLDING = 3
_WORDS = {True: "environment", False: "workload", None: ""}
_PART = Column("Part of", words=lambda row: _WORDS[row.environment], spare=True)
_PACKAGE = Column("Package", link=lambda row, date: package_url(row.name, date=date))


@dataclass(frozen=True, slots=True)
class ImageTotals:
    """The figures of a closure."""

    packages: int | None
    installed_size: int | None
    known_size: int | None
    installed_size_nodocs: int | None
    download_size: int | None
    layer_size: int | None


@dataclass(frozen=True, slots=True)
class RequiredBy:
    """Who requires a package, for which capability."""

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
    """A package of an image; `environment` is true where it would be there without the workload,
    null where no run recorded what the environment asks for."""

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
        """The part of the image that it is: of the environment, requested, or what comes along."""
        if self.environment:
            return "environment"
        return "requested" if self.requested else "comes along"


@dataclass(frozen=True, slots=True)
class Highlight:
    """The packages of a name, the ways to them, and the requirements that would take them out."""

    name: str
    nevras: list[Nevra]
    requested: bool
    chains: list[tuple[Edge, ...]]
    leaves_with: list[Requirement]


@inline("key")
@dataclass(frozen=True, slots=True)
class Image:
    """`/api/images/{repository}/{environment}/{workload}/{arch}`: CONTRACT's image of a closure.

    Also its history, steps, objectives and other architectures.
    """

    key: ImageKey
    date: str | None
    status: Status
    problems: tuple[str, ...]
    missing: tuple[str, ...]
    causes: tuple[UnsolvableCause, ...]
    snapshot: SnapshotState
    evaluated: str
    totals: ImageTotals | None
    packages: list[ImagePackage] | None
    highlight: Highlight | None
    history: tuple[Point, ...]
    moved: Movement
    steps: list[Step]
    architectures: list[OtherArchitecture]
    objectives: list[NamedStatus]
    surface: ImageSurface | None
    surface_moves: list[SurfaceMove]
    smaller: list[OpportunityRow]


def totals_of(facts: ClosureFacts) -> ImageTotals | None:
    """CONTRACT's `totals`; null while the image cannot be installed."""
    if facts.status != "ok":
        return None
    return ImageTotals(**{name: getattr(facts, name) for name in ImageTotals.__slots__})


def image(archive: Archive, parameters: Parameters) -> PageResponse:
    """One image; `package` of the query highlights one: the chains that lead to it."""
    key, date, wanted = parameters.key, parameters.date, parameters.text("package")
    evaluation = archive.evaluated(key, date)
    contents = archive.history.contents(key, date)
    graph = graph_of(contents)
    history, steps = curve(archive, parameters)
    facts, ok = evaluation.facts, evaluation.facts.status == "ok"
    objectives = status_rows(archive.objective_statuses_of(date, key=key))
    found = (
        _packages(contents, graph, environment_members(archive, key, contents, graph)) if ok else []
    )
    surfaces = archive.history.surface_history(key, window(parameters, date), date)
    data = Image(
        key, date, facts.status, facts.problems, facts.missing, facts.causes, evaluation.snapshot,
        evaluation.evaluated, totals_of(facts), found if ok else None,
        highlight(contents, graph, wanted) if wanted else None, history, moved(steps), steps,
        each_architecture(archive, parameters), objectives,
        surfaces[-1].surface if surfaces and ok else None, surface_moves(surfaces),
        best_of_image(archive, key) if date is None else [],
    )  # fmt: skip
    shown = parameters.page(_SHOWN).limit
    by_size = sorted(found, key=lambda p: (-(p.installed_size or 0), str(p.nevra)))
    newest = [_PointRow(key, point) for point in reversed(history)]
    tables = {
        "packages": Table("Packages", (*_PACKAGES, _why(key)), by_size, date),
        "largest": steps_table(largest_steps(steps), "Largest steps"),
        "steps": steps_table(steps).first(shown),
        "causes": causes_table("Every cause", cause_rows(steps), with_image=False).first(shown),
        "architectures": architectures_table(data.architectures, date),
        "smaller": opportunities_table(data.smaller),
        "surface": kinds_table(kind_rows(surfaces) if ok else []),
        "surface_moves": moves_table(data.surface_moves).first(shown),
        "objectives": status_table("Objectives", objectives, date, with_image=False),
        "history": Table("Size and packages over time", _HISTORY, newest).first(shown),
    }
    drawn, of = drawn_of(found, wanted, parameters.number("drawn", DRAWN, MOST))
    extra = {
        "key": key,
        "wanted": wanted,
        "window": parameters.text("window") or "year",
        "windows": tuple(WINDOWS),
        "drawn": drawn,
        "of": of,
        "most": MOST,
        "held": _holding(found),
        "names": sorted({m.nevra.name for m in contents.members}),
    }
    return PageResponse("image.html.j2", data, tables, extra)


def _holding(found: Sequence[ImagePackage]) -> list[ImagePackage]:
    """The packages, that nothing requested asks for by name, which hold most besides themselves."""
    several = [p for p in found if p.leaves.packages > 1 and not p.requested]
    return sorted(several, key=lambda p: (-p.leaves.installed_size, p.name))[:_HOLDING]


def curve(archive: Archive, parameters: Parameters) -> tuple[tuple[Point, ...], list[Step]]:
    """An image's points in the requested window, and its steps, the newest first."""
    key, date = parameters.key, parameters.date
    archive.evaluated(key, date)
    since = window(parameters, date)
    points = archive.history.history(key, since, date)
    steps = archive.history.steps(key, since, date, limit=_STEPS)
    changes = archive.changes(steps)
    return points, [step_row(step, changes) for step in steps]


def packages(archive: Archive, parameters: Parameters) -> list[ImagePackage]:
    """An image's packages; none while it cannot be installed."""
    key, date = parameters.key, parameters.date
    if archive.evaluated(key, date).facts.status != "ok":
        return []
    contents = archive.history.contents(key, date)
    graph = graph_of(contents)
    return _packages(contents, graph, environment_members(archive, key, contents, graph))


def holders(
    archive: Archive, parameters: Parameters
) -> tuple[list[ImagePackage], list[int | None], dict[int, str]]:
    """An image's packages, the place of the one that alone holds each, and where each leads."""
    found = packages(archive, parameters)
    key, date = parameters.key, parameters.date
    above = graph_of(archive.history.contents(key, date)).holders() if found else {}
    links = {
        place: image_url(key, date=date, package=package.name) + "#closure"
        for place, package in enumerate(found)
    }
    return found, [above[place] for place in range(len(found))], links


def limits(archive: Archive, parameters: Parameters, metric: str) -> list[tuple[str, int]]:
    """The limits and targets of an image's objectives on one metric, each with its name."""
    found: dict[tuple[str, int], None] = {}
    for status in archive.objective_statuses_of(parameters.date, key=parameters.key):
        state = status.state
        if state.metric != metric:
            continue
        bounds = (("limit", only_number(state.limit)), ("target", state.target))
        found |= {(f"{status.name}: {what}", n): None for what, n in bounds if n is not None}
    return list(found)


def environment_members(
    archive: Archive, key: ImageKey, contents: Contents, graph: Graph
) -> frozenset[int] | None:
    """The places of the members that the environment alone brings; null where a run has not
    recorded what it asks for.

    Those are what its requests lead to. A member that a group or a capability requests counts as
    the environment's unless the workload asks for such things too.
    """
    image = archive.history.image(key)
    asked = image.environment_requests if image else None
    if asked is None:
        return None
    own = set(asked)
    workload = set(contents.requests) - own
    names = {member.nevra.name for member in contents.members}
    unnamed = not workload <= names | {WEAK}
    roots = {
        place
        for place, member in enumerate(contents.members)
        if member.requested
        and (member.nevra.name in own or (member.nevra.name not in workload and not unnamed))
    }
    return graph.reached(roots)


def highlight(contents: Contents, graph: Graph, name: str) -> Highlight | None:
    """The packages of a name with one shortest chain from each request, and the requirements that
    would remove them, by the image's own links; null if there is none.
    """
    members = contents.members
    places = [i for i, member in enumerate(members) if member.nevra.name == name]
    if not places:
        return None
    return Highlight(
        name,
        [members[place].nevra for place in places],
        any(members[place].requested for place in places),
        [edges_of(members, c) for place in places for c in shortest_chains(graph, place)],
        list(dict.fromkeys(d for place in places for d in leaves_with(graph, members, place))),
    )


def _packages(
    contents: Contents, graph: Graph, environment: frozenset[int] | None
) -> list[ImagePackage]:
    members = contents.members
    required_by: list[list[RequiredBy]] = [[] for _ in members]
    for link in contents.links:
        needed = RequiredBy(members[link.source].nevra, link.capability, link.kind)
        required_by[link.target].append(needed)
    return [
        replace(
            _package(member, needs, Leaves(*left)),
            environment=None if environment is None else place in environment,
        )
        for place, (member, needs, left) in enumerate(
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


def _why(key: ImageKey) -> Column:
    def link(row: ImagePackage, date: str | None) -> str:
        return image_url(key, date=date, package=row.name) + "#closure"

    return Column("Why it is there", name="why", value=why_words, link=link)


@dataclass(frozen=True, slots=True)
class _PointRow:
    """A point of the curve of `key`, as a row."""

    key: ImageKey
    point: Point

    @property
    def evaluated(self) -> str:
        return self.point.evaluated


def figure_column(part: str, name: str, title: str, kind: Kind) -> Column:
    """A figure of a row's `part`; null where there is none."""
    return Column(title, kind, name=name, value=lambda r: getattr(getattr(r, part), name, None))


def _figures(part: str) -> tuple[Column, ...]:
    return (
        figure_column(part, "packages", "Packages", "count"),
        figure_column(part, "installed_size", "Installed", "size"),
    )


_HISTORY = (
    Column("When (UTC)", "time", name="evaluated", link=at_that_time),
    figure_column("point", "status", "Status", "state"),
    *_figures("point"),
    figure_column("point", "layer_size", "Layer, gzip", "size"),
)
_PACKAGES = columns(
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
