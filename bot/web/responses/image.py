"""`/images/{repository}/{environment}/{workload}/{arch}`: one image, now or at a date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from bot.model.architecture import architecture_order
from bot.model.image import ImageKey
from bot.model.nevra import parse_nevra
from bot.objectives.attribution import (
    Graph,
    edges_of,
    graph_of,
    leaves_with,
    leaving,
    shortest_chains,
)
from bot.objectives.jsonform import evaluation_json, status_json, step_json
from bot.report.jsonform import chain_json
from bot.store.history.values import Contents, Evaluation, Member
from bot.web.charts.graph import DRAWN, MOST, drawn_of
from bot.web.links import image_url, key_of, package_url
from bot.web.parameters import WINDOWS, Parameters, missing, window
from bot.web.responses.causes import cause_rows, causes_table, steps_table
from bot.web.responses.leaving import requirements_json
from bot.web.responses.movement import largest_steps, moved
from bot.web.responses.objectives import status_rows, status_table
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Row, Table

Json = dict[str, Any]
_STEPS = 5000
_SHOWN = 25


def image(archive: Archive, parameters: Parameters) -> PageResponse:
    """CONTRACT's image of a closure, with its history, steps, objectives and other architectures.

    `package` of the query highlights one: `highlight` has the chains that lead to it.
    """
    key, date = parameters.key, parameters.date
    evaluation = evaluated(archive, key, date)
    contents = archive.history.contents(key, date)
    graph = graph_of(contents)
    history, steps = curve(archive, parameters)
    written = evaluation_json(evaluation)
    ok = written["status"] == "ok"
    objective_statuses = archive.objective_statuses_of(date, key=key)
    wanted = parameters.text("package")
    json: Json = {
        **asdict(key),
        "date": date,
        **{name: written[name] for name in ("status", "problems", "missing", "causes", "snapshot")},
        "evaluated": written["evaluated"],
        "totals": totals_json(written),
        "packages": _packages(contents, graph) if ok else None,
        "highlight": highlight(contents, graph, wanted) if wanted else None,
        "history": history,
        "moved": moved(steps),
        "steps": steps,
        "architectures": architectures(archive, parameters),
        "objectives": [
            {"id": s.state.objective, "name": s.name, **status_json(s)} for s in objective_statuses
        ],
    }
    shown = parameters.page(_SHOWN).limit
    tables = {
        "packages": _packages_table(json["packages"] or (), key, date),
        "largest": steps_table(largest_steps(steps), "Largest steps"),
        "steps": steps_table(steps).first(shown),
        "causes": causes_table("Every cause", cause_rows(steps), with_image=False).first(shown),
        "architectures": architectures_table(json["architectures"], date),
        "objectives": status_table(
            "Objectives", status_rows(objective_statuses), date, with_image=False
        ),
        "history": _history_table(json["history"], key).first(shown),
    }
    drawn, of = drawn_of(json["packages"] or (), wanted, parameters.number("drawn", DRAWN, MOST))
    extra = {
        "key": key,
        "wanted": wanted,
        "window": parameters.text("window") or "year",
        "windows": tuple(WINDOWS),
        "drawn": drawn,
        "of": of,
        "most": MOST,
        "names": sorted({m.nevra.name for m in contents.members}),
    }
    return PageResponse("image.html.j2", json, tables, extra)


_TOTALS = (
    "packages",
    "installed_size",
    "known_size",
    "installed_size_nodocs",
    "download_size",
    "layer_size",
)


def totals_json(written: Mapping[str, Any]) -> Json | None:
    """CONTRACT's `totals` of an evaluation's JSON; null while it cannot be installed."""
    return {name: written[name] for name in _TOTALS} if written["status"] == "ok" else None


def evaluated(archive: Archive, key: ImageKey, date: str | None) -> Evaluation:
    """An image's evaluation at a time; 404 if there was none until then."""
    if archive.history.image(key) is None:
        raise missing("No such image was ever evaluated. /images lists those there are.")
    found = archive.history.evaluation(key, date)
    if found is None:
        raise missing(f"This image was not evaluated until {date}.")
    return found


def curve(archive: Archive, parameters: Parameters) -> tuple[list[Json], list[Json]]:
    """An image's points in the requested window, and its steps, the newest first."""
    key, date = parameters.key, parameters.date
    evaluated(archive, key, date)
    since = window(parameters, date)
    points = archive.history.history(key, since, date)
    steps = archive.history.steps(key, since, date, limit=_STEPS)
    changes = archive.changes(steps)
    return [asdict(point) for point in points], [step_json(step, changes) for step in steps]


def packages(archive: Archive, parameters: Parameters) -> list[Json]:
    """An image's packages; none while it cannot be installed."""
    key, date = parameters.key, parameters.date
    if evaluated(archive, key, date).facts.status != "ok":
        return []
    contents = archive.history.contents(key, date)
    return _packages(contents, graph_of(contents))


def highlight(contents: Contents, graph: Graph, name: str) -> Json | None:
    """The packages of a name with one shortest chain from each request, and the requirements that
    would remove them, by the image's own links; null if there is none.
    """
    members = contents.members
    places = [i for i, member in enumerate(members) if member.nevra.name == name]
    if not places:
        return None
    drops = [drop for place in places for drop in leaves_with(graph, members, place)]
    return {
        "name": name,
        "nevras": [str(members[place].nevra) for place in places],
        "requested": any(members[place].requested for place in places),
        "chains": [
            chain_json(edges_of(members, chain))
            for place in places
            for chain in shortest_chains(graph, place)
        ],
        "leaves_with": requirements_json(dict.fromkeys(drops)),
    }


def _packages(contents: Contents, graph: Graph) -> list[Json]:
    required_by: list[list[Json]] = [[] for _ in contents.members]
    for link in contents.links:
        required_by[link.target].append(
            {
                "nevra": str(contents.members[link.source].nevra),
                "capability": link.capability,
                "kind": link.kind,
            }
        )
    left = leaving(graph, contents.members)
    return [
        {
            **_member(member),
            "required_by": needs,
            "leaves": {"packages": leaves.packages, "installed_size": leaves.installed_size},
        }
        for member, needs, leaves in zip(contents.members, required_by, left, strict=True)
    ]


def _member(member: Member) -> Json:
    nevra = member.nevra
    return {
        "nevra": str(nevra),
        **asdict(nevra),
        "source": member.source,
        "from": member.repository,
        "installed_size": member.installed_size,
        "installed_size_nodocs": member.installed_size_nodocs,
        "download_size": member.download_size,
        "requested": member.requested,
    }


def architectures(archive: Archive, parameters: Parameters) -> list[Json]:
    """The figures of the image on each of its architectures."""
    key, date = parameters.key, parameters.date
    evaluated(archive, key, date)
    found = []
    known = {*archive.evaluations(date), key}
    arches = {k.arch for k in known if replace(k, arch=key.arch) == key}
    for arch in ordered_architectures(arches):
        other = replace(key, arch=arch)
        evaluation = archive.history.evaluation(other, date)
        if evaluation is not None:
            written = evaluation_json(evaluation)
            names = ("status", "packages", "installed_size", "download_size", "layer_size")
            found.append({**asdict(other), **{name: written[name] for name in names}})
    return found


def ordered_architectures(arches: Iterable[str]) -> list[str]:
    """Architectures in the usual order."""
    return sorted(arches, key=architecture_order)


def why_words(row: Mapping[str, Any]) -> str:
    """`requested`, or the first package that requires it, and the number of the others."""
    needs = sorted({need["nevra"] for need in row["required_by"]})
    others = f" and {len(needs) - 1} more" if len(needs) > 1 else ""
    by = f"required by {parse_nevra(needs[0]).name}{others}" if needs else ""
    if row["requested"]:
        return f"requested; {by}" if by else "requested"
    return by or "not known"


def _packages_table(rows: Any, key: ImageKey, date: str | None) -> Table:
    columns = (
        Column("name", "Package", link=lambda row: package_url(row["name"], date=date)),
        Column("version", "Version", "code", value=_evr),
        Column("arch", "Architecture"),
        Column("source", "Source"),
        Column("installed_size", "Size", "size"),
        Column("leaves_packages", "Leave with it", "count", value=_leaves_packages),
        Column("leaves_installed_size", "Bytes with it", "size", value=_leaves_bytes),
        Column(
            "why",
            "Why it is there",
            value=why_words,
            link=lambda row: image_url(key, date=date, package=row["name"]) + "#closure",
        ),
    )
    ordered = sorted(rows, key=lambda row: (-(row["installed_size"] or 0), row["nevra"]))
    return Table("Packages", columns, ordered)


def _evr(row: Row) -> str:
    epoch = f"{row['epoch']}:" if row["epoch"] else ""
    return f"{epoch}{row['version']}-{row['release']}"


def _leaves_packages(row: Row) -> int:
    return int(row["leaves"]["packages"])


def _leaves_bytes(row: Row) -> int:
    return int(row["leaves"]["installed_size"])


def architectures_table(rows: list[Json], date: str | None) -> Table:
    """The figures of an image on each architecture."""
    columns = (
        Column("arch", "Architecture", link=lambda row: image_url(key_of(row), date=date)),
        Column("status", "Status", "state"),
        Column("packages", "Packages", "count"),
        Column("installed_size", "Installed", "size"),
        Column("download_size", "Download", "size"),
        Column("layer_size", "Layer, gzip", "size"),
    )
    return Table("Architectures", columns, rows)


def _history_table(points: list[Json], key: ImageKey) -> Table:
    columns = (
        Column(
            "evaluated",
            "When (UTC)",
            "time",
            link=lambda row: image_url(key, date=row["evaluated"]),
        ),
        Column("status", "Status", "state"),
        Column("packages", "Packages", "count"),
        Column("installed_size", "Installed", "size"),
        Column("layer_size", "Layer, gzip", "size"),
    )
    return Table("Size and packages over time", columns, list(reversed(points)))
