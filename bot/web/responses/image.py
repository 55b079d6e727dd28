"""`/images/{repository}/{environment}/{workload}/{arch}`, now or at a date."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.amount import only_number
from bot.model.closure import Edge, Requirement, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey, inline
from bot.model.nevra import Nevra
from bot.model.surface import Surface as ImageSurface
from bot.objectives.attribution import (
    Graph,
    edges_of,
    graph_of,
    leaves_with,
    shortest_chains,
)
from bot.report.answers import unsolvable_lines
from bot.store.history.values import ClosureFacts, Contents, Point, Status
from bot.web.addresses import WINDOWS, Parameters, window
from bot.web.charts.graph import DRAWN, MOST, drawn_of
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.differences import (
    OtherArchitecture,
    architectures_table,
    each_architecture,
)
from bot.web.responses.image_packages import (
    PACKAGES,
    ImagePackage,
    environment_members,
    holding,
    packages_of,
    why_column,
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
    movement_of,
    step_row,
    steps_table,
)
from bot.web.responses.surface import (
    SurfaceMove,
    kind_rows,
    kinds_table,
    moves_table,
    surface_moves,
)
from bot.web.tables import Column, Kind, Table

_STEPS = 5000
_SHOWN = 25


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
class Highlight:
    """The packages of a name, the chains to them, and the requirements whose removal would remove
    them."""

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
    key, date, package = parameters.key, parameters.date, parameters.text("package")
    evaluation = archive.evaluation(key, date)
    contents = archive.history.contents(key, date)
    graph = graph_of(contents)
    history, steps = curve(archive, parameters)
    facts, ok = evaluation.facts, evaluation.facts.status == "ok"
    objectives = status_rows(archive.objective_statuses_of(date, key=key))
    packages = (
        packages_of(contents, graph, environment_members(archive, key, contents, graph))
        if ok
        else []
    )
    surfaces = archive.history.surface_history(key, window(parameters, date), date)
    data = Image(
        key, date, facts.status, facts.problems, facts.missing, facts.causes, evaluation.snapshot,
        evaluation.evaluated, totals_of(facts), packages if ok else None,
        highlight(contents, graph, package) if package else None, history, movement_of(steps),
        steps, each_architecture(archive, parameters), objectives,
        surfaces[-1].surface if surfaces and ok else None, surface_moves(surfaces),
        best_of_image(archive, key) if date is None else [],
    )  # fmt: skip
    shown = parameters.page(_SHOWN).limit
    by_size = sorted(packages, key=lambda p: (-(p.installed_size or 0), str(p.nevra)))
    newest = [_PointRow(key, point) for point in reversed(history)]
    tables = {
        "packages": Table("Packages", (*PACKAGES, why_column(key)), by_size, date),
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
    drawn, total = drawn_of(packages, package, parameters.number("drawn", DRAWN, MOST))
    extra = {
        "key": key,
        "wanted": package,
        "window": parameters.text("window") or "year",
        "windows": tuple(WINDOWS),
        "drawn": drawn,
        "of": total,
        "most": MOST,
        "held": holding(packages),
        "names": sorted({m.nevra.name for m in contents.members}),
        "unsolvable": [] if ok else list(unsolvable_lines(facts)),
    }
    return PageResponse("image.html.j2", data, tables, extra)


def curve(archive: Archive, parameters: Parameters) -> tuple[tuple[Point, ...], list[Step]]:
    """An image's points in the requested window, and its steps, the newest first."""
    key, date = parameters.key, parameters.date
    archive.evaluation(key, date)
    since = window(parameters, date)
    points = archive.history.history(key, since, date)
    steps = archive.history.steps(key, since, date, limit=_STEPS)
    changes = archive.changes(steps)
    return points, [step_row(step, changes) for step in steps]


def limits(archive: Archive, parameters: Parameters, metric: str) -> list[tuple[str, int]]:
    """The limits and targets of an image's objectives for one metric, each with its name."""
    bounds_by_name: dict[tuple[str, int], None] = {}
    for status in archive.objective_statuses_of(parameters.date, key=parameters.key):
        state = status.state
        if state.metric != metric:
            continue
        bounds = (("limit", only_number(state.limit)), ("target", state.target))
        bounds_by_name |= {
            (f"{status.name}: {what}", n): None for what, n in bounds if n is not None
        }
    return list(bounds_by_name)


def highlight(contents: Contents, graph: Graph, name: str) -> Highlight | None:
    """The packages of a name with a shortest chain from each request, and the requirements whose
    removal would remove them, by the image's own links; null if there is none."""
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


@dataclass(frozen=True, slots=True)
class _PointRow:
    """A point of the curve of `key`, as a row."""

    key: ImageKey
    point: Point

    @property
    def evaluated(self) -> str:
        return self.point.evaluated


def figure_column(part: str, name: str, title: str, kind: Kind) -> Column:
    """A column for a figure of a row's `part`; empty if there is none."""
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
