"""`/packages` and `/packages/{name}`: in which images a package is, why, and what it costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from bot.objectives import Graph
from bot.report.causes import chain_words
from bot.store.history.surface import Usage
from bot.web.answers.answer import Answer, Archive
from bot.web.answers.causes import version
from bot.web.links import image_url, key_of, package_url
from bot.web.questions import Question, missing
from bot.web.tables import Column, Row, Table

Json = dict[str, Any]
_NAMES = 300
_PAGE = 20


def packages(archive: Archive, question: Question) -> Answer:
    """The packages of all images, those that start with `q`; `next` is the following offset."""
    start, offset = question.text("q"), question.number("offset")
    limit = question.number("limit", _NAMES, 5000) or _NAMES
    rows = [
        asdict(s)
        for s in archive.remembered("spread", archive.history.spread)
        if s.name.startswith(start)
    ]
    rows.sort(key=lambda row: (-row["total"], row["name"]))
    following = offset + limit if len(rows) > offset + limit else None
    shown = rows[offset : offset + limit]
    json: Json = {"count": len(rows), "packages": shown, "next": following}
    extra = {
        "q": start,
        "offset": offset,
        "limit": limit,
        "previous": max(offset - limit, 0) if offset else None,
    }
    return Answer("packages.html.j2", json, {"packages": spread_table("Packages", shown)}, extra)


def package(archive: Archive, question: Question) -> Answer:
    """A package: CONTRACT's `why` in each image that holds it, with its version and bytes there.

    Which capability would have to go for it to leave needs solving: `minimize why` tells that.
    """
    name, date = question.path["name"], question.date
    offset = question.number("offset")
    limit = question.number("limit", _PAGE, 200) or _PAGE
    found = archive.history.usage(name, date)
    if not found:
        raise missing(f"No image holds a package of this name{' at that time' if date else ''}.")
    shown = [_usage(archive, usage, date) for usage in found[offset : offset + limit]]
    counts = Counter(version(usage.nevra) for usage in found)
    versions = [{"version": v, "images": n} for v, n in counts.most_common()]
    json: Json = {
        "name": name,
        "date": date,
        "source": found[0].source,
        "count": len(found),
        "known_size": sum(usage.installed_size or 0 for usage in found),
        "requested_in": sum(usage.requested for usage in found),
        "versions": versions,
        "images": shown,
        "next": offset + limit if len(found) > offset + limit else None,
    }
    tables = {
        "images": _images_table(shown, name, date),
        "versions": Table(
            "Versions",
            (Column("version", "Version", "code"), Column("images", "Images", "count")),
            versions,
        ),
    }
    extra = {
        "offset": offset,
        "limit": limit,
        "previous": max(offset - limit, 0) if offset else None,
    }
    return Answer("package.html.j2", json, tables, extra)


def spread_table(caption: str, rows: list[Json]) -> Table:
    """Each package over all images."""
    columns = (
        Column("name", "Package", link=lambda row: package_url(row["name"])),
        Column("source", "Source"),
        Column("versions", "Versions", "count"),
        Column("images", "Images", "count"),
        Column("size", "Size, largest", "size"),
        Column("total", "In all images", "size"),
        Column("shared", "Beyond one copy", "size"),
    )
    return Table(caption, columns, rows)


def _usage(archive: Archive, usage: Usage, date: str | None) -> Json:
    contents = archive.history.contents(usage.key, date)
    graph = Graph(contents.members, contents.links)
    nevras = [str(member.nevra) for member in contents.members]
    if usage.nevra in nevras:
        place = nevras.index(usage.nevra)
        chains = [[dict(e) for e in graph.edges(chain)] for chain in graph.chains(place)]
        leaving = graph.leaving()[place]
        leaves = {"packages": leaving.packages, "installed_size": leaving.installed_size}
    else:
        # The image is unsolvable now, and other packages are those it had last.
        chains, leaves = [], None
    return {
        **asdict(usage.key),
        "nevra": usage.nevra,
        "installed_size": usage.installed_size,
        "requested": usage.requested,
        "since": usage.since,
        "roots": [chain[0]["from"] for chain in chains] + [usage.nevra] * usage.requested,
        "chains": chains,
        "leaves": leaves,
    }


def _images_table(rows: list[Json], name: str, date: str | None) -> Table:
    columns = (
        Column(
            "workload",
            "Image",
            link=lambda row: image_url(key_of(row), date=date, package=name) + "#closure",
            also=lambda row: f"{row['environment']}, {row['repository']}",
        ),
        Column("arch", "Architecture"),
        Column("version", "Version", "code", value=lambda row: version(row["nevra"])),
        Column("installed_size", "Size", "size"),
        Column(
            "leaves_packages", "Leave with it", "count", value=lambda row: _leaves(row, "packages")
        ),
        Column(
            "leaves_installed_size",
            "Bytes with it",
            "size",
            value=lambda row: _leaves(row, "installed_size"),
        ),
        Column("why", "Why", value=_why),
        Column("since", "Since (UTC)", "time"),
    )
    return Table("Images that hold it", columns, rows)


def _leaves(row: Row, what: str) -> int | None:
    return row["leaves"][what] if row["leaves"] else None


def _why(row: Row) -> str:
    ways = [chain_words(chain) for chain in row["chains"]]
    return "; ".join((["requested"] if row["requested"] else []) + ways[:2]) + (
        f"; {len(ways) - 2} more ways" if len(ways) > 2 else ""
    )
