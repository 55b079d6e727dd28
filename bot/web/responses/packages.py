"""`/packages` and `/packages/{name}`: the images of a package, the reasons, and its bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from bot.objectives.attribution import edges_of, graph_of, leaves_with, leaving, shortest_chains
from bot.report.causes import chain_words
from bot.report.jsonform import chain_json
from bot.report.sizes import format_size
from bot.store.history.fleet_queries import Spread, Usage
from bot.web.links import image_url, key_of, package_url
from bot.web.parameters import Parameters, missing
from bot.web.responses.causes import version
from bot.web.responses.leaving import requirements_json, taken_out_by
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Row, Table, image_columns

Json = dict[str, Any]
_NAMES = 100
_PAGE = 25
_WAYS = 10


def packages(archive: Archive, parameters: Parameters) -> PageResponse:
    """The packages of all images whose name or source holds every word of `q`, in any case.

    The name itself comes first, then the largest. `next` is the following offset.
    """
    query, date, page = parameters.text("q"), parameters.date, parameters.page(_NAMES)
    words = query.lower().split()
    found = [s for s in archive.spread(date) if _holds(s, words)]
    found.sort(key=lambda s: (s.name.lower() != query.lower(), -s.total, s.name))
    shown = [asdict(s) for s in page.of(found)]
    json: Json = {
        "date": date,
        "count": len(found),
        "packages": shown,
        "next": page.next(len(found)),
    }
    tables = {"packages": spread_table("Packages", shown, date)}
    return PageResponse("packages.html.j2", json, tables, {"q": query, "page": page})


def _holds(spread: Spread, words: list[str]) -> bool:
    names = f"{spread.name} {spread.source}".lower()
    return all(word in names for word in words)


def package(archive: Archive, parameters: Parameters) -> PageResponse:
    """A package: CONTRACT's `why` in each image that holds it, with its version and bytes there.

    `leaves` are the packages that would leave with it, in one image or in those of this page
    together, `leaves_with` the requirements that would remove it: both by the image's own links,
    without a solver's replacements, which `minimize why` has.
    """
    name, date, page = parameters.path["name"], parameters.date, parameters.page(_PAGE, 200)
    found = archive.history.usage(name, date)
    if not found:
        raise missing(f"No image holds a package of this name{' at that time' if date else ''}.")
    shown = [_usage(archive, usage, date) for usage in page.of(found)]
    counts = Counter(version(usage.nevra) for usage in found)
    versions = [{"version": v, "images": n} for v, n in counts.most_common()]
    leaves = [one["leaves"] for one in shown if one["leaves"]]
    json: Json = {
        "name": name,
        "date": date,
        "source": found[0].source,
        "count": len(found),
        "known_size": sum(usage.installed_size or 0 for usage in found),
        "requested_in": sum(usage.requested for usage in found),
        "leaves": {n: sum(one[n] for one in leaves) for n in ("packages", "installed_size")},
        "versions": versions,
        "images": shown,
        "next": page.next(len(found)),
    }
    tables = {"images": _images_table(shown, name, date), "versions": _versions_table(versions)}
    ways = ways_of(shown)
    extra = {"page": page, "ways": ways[:_WAYS], "more_ways": len(ways[_WAYS:])}
    return PageResponse("package.html.j2", json, tables, extra)


def spread_table(caption: str, rows: list[Json], date: str | None) -> Table:
    """Each package over all images."""
    columns = (
        Column(
            "name",
            "Package",
            link=lambda row: package_url(row["name"], date=date),
            also=lambda row: f"from {row['source']}" if row["source"] != row["name"] else None,
        ),
        Column("source", "Source", only="csv"),
        Column("versions", "Versions", "count"),
        Column("images", "Images", "count"),
        Column("size", "Size, largest", "size"),
        Column("total", "In all images", "size"),
        Column("shared", "Beyond one copy", "size"),
    )
    return Table(caption, columns, rows)


def _usage(archive: Archive, usage: Usage, date: str | None) -> Json:
    contents = archive.history.contents(usage.key, date)
    graph, members = graph_of(contents), contents.members
    nevras = [str(member.nevra) for member in members]
    if usage.nevra in nevras:
        place = nevras.index(usage.nevra)
        chains = [chain_json(edges_of(members, c)) for c in shortest_chains(graph, place)]
        leaves = leaving(graph, members)[place]._asdict()
        drops = requirements_json(leaves_with(graph, members, place))
    else:
        # The image is unsolvable now; its packages are those of its last closure.
        chains, leaves, drops = [], None, []
    return {
        **asdict(usage.key),
        "nevra": usage.nevra,
        "installed_size": usage.installed_size,
        "requested": usage.requested,
        "since": usage.since,
        "roots": [chain[0]["from"] for chain in chains] + [usage.nevra] * usage.requested,
        "chains": chains,
        "leaves_with": drops,
        "leaves": leaves,
    }


def ways_of(shown: list[Json]) -> list[tuple[str, list[Json]]]:
    """The ways that lead to the package, each with its images, the commonest first."""
    found: dict[str, list[Json]] = {}
    for row in shown:
        for way in _why(row) or ["not known: the image cannot be installed now"]:
            found.setdefault(way, []).append(row)
    return sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))


def _images_table(rows: list[Json], name: str, date: str | None) -> Table:
    columns = (
        *image_columns(
            link=lambda row: image_url(key_of(row), date=date, package=name) + "#closure"
        ),
        Column("version", "Version", "code", value=lambda row: version(row["nevra"])),
        Column("installed_size", "Size", "size"),
        Column(
            "leaves_packages",
            "Leave with it",
            "count",
            value=lambda row: _leaves(row, "packages"),
            also=_leaving_bytes,
        ),
        Column(
            "leaves_installed_size",
            "Bytes with it",
            value=lambda row: _leaves(row, "installed_size"),
            only="csv",
        ),
        Column("why", "Why it is there", value=_reasons),
        Column("leaves_with", "What would take it out", value=taken_out_by),
        Column("since", "This version since (UTC)", "time"),
    )
    return Table("Images that hold it", columns, rows)


def _versions_table(rows: list[Json]) -> Table:
    columns = (Column("version", "Version", "code"), Column("images", "Images", "count"))
    return Table("Versions", columns, rows)


def _leaves(row: Row, what: str) -> int | None:
    return row["leaves"][what] if row["leaves"] else None


def _leaving_bytes(row: Row) -> str | None:
    return format_size(row["leaves"]["installed_size"]) if row["leaves"] else None


def _why(row: Row) -> list[str]:
    ways = [chain_words(chain) for chain in row["chains"]]
    return (["requested"] if row["requested"] else []) + ways


def _reasons(row: Row) -> str:
    ways = _why(row)
    more = len(ways) - 2
    return "; ".join(ways[:2]) + (f"; {more} more way{'s' * (more > 1)}" if more > 0 else "")
