"""`/surface`: over all images, versions of packages, shared ones, ones used by one image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from bot.model.nevra import parse_nevra
from bot.objectives.jsonform import key_json
from bot.store.history.fleet_queries import Spread
from bot.web.links import image_url, key_of, package_url
from bot.web.parameters import Parameters
from bot.web.responses.image import ordered_architectures
from bot.web.responses.packages import spread_table
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Row, Table

Json = dict[str, Any]
_LISTED = 100
_SHOWN = 25


def surface(archive: Archive, parameters: Parameters) -> PageResponse:
    """The attack surface, now or at a date; `limit` is for each list."""
    date = parameters.date
    spread, used_by_one = archive.spread(date), archive.used_by_one(date)
    by_bytes = sorted(spread, key=lambda s: (-s.shared, s.name))
    listed = parameters.page(_LISTED).limit
    shown = parameters.page(_SHOWN).limit
    every = {
        "versions": _spread_json([s for s in spread if s.versions > 1] or spread),
        "shared": _spread_json([s for s in by_bytes if s.shared] or by_bytes),
        "only_one": [
            {**key_json(u.key), **{n: v for n, v in asdict(u).items() if n != "key"}}
            for u in used_by_one
        ],
    }
    several = sum(s.versions > 1 for s in spread)
    json: Json = {
        "date": date,
        "totals": asdict(archive.totals(date)),
        "several_versions": several,
        "only_one_bytes": sum(u.installed_size or 0 for u in used_by_one),
        **{name: rows[:listed] for name, rows in every.items()},
    }
    rows_used_by_one = used_by_one_rows(every["only_one"])
    tables = {
        "versions": spread_table("Most versions", every["versions"], date).first(shown),
        "shared": spread_table("Most bytes beyond one copy", every["shared"], date).first(shown),
        "only_one": _used_by_one_table(rows_used_by_one, date).first(shown),
    }
    return PageResponse("surface.html.j2", json, tables, {"used_by_one": len(rows_used_by_one)})


def _spread_json(spread: Iterable[Spread]) -> list[Json]:
    names = Spread.__slots__
    return [{name: getattr(one, name) for name in names} for one in spread]


def used_by_one_rows(packages: Iterable[Json]) -> list[Json]:
    """The packages of `only_one`, a row for each name: an image's architectures are one image.

    `installed_size` is the largest of them, and the rows are in its order.
    """
    families: dict[tuple[str, ...], list[Json]] = {}
    for package in packages:
        image = (package["workload"], package["environment"], package["repository"])
        families.setdefault((_name(package["nevra"]), *image), []).append(package)
    rows = [
        {
            **found[0],
            "name": name,
            "installed_size": max(
                (p["installed_size"] for p in found if p["installed_size"] is not None),
                default=None,
            ),
            "architectures": ordered_architectures({p["arch"] for p in found}),
            "requested": any(p["requested"] for p in found),
            "since": min(p["since"] for p in found),
        }
        for (name, *_), found in families.items()
    ]
    return sorted(rows, key=lambda row: (-(row["installed_size"] or 0), row["name"]))


def _used_by_one_table(rows: list[Json], date: str | None) -> Table:
    def image(row: Row) -> str:
        key = replace(key_of(row), arch=row["architectures"][0])
        return image_url(key, date=date)

    columns = (
        Column(
            "name",
            "Package",
            link=lambda row: package_url(row["name"], date=date),
            also=lambda row: f"from {row['source']}" if row["source"] != row["name"] else None,
        ),
        Column("source", "Source", only="csv"),
        Column("installed_size", "Size, largest", "size"),
        Column(
            "workload",
            "Image",
            link=image,
            also=lambda row: f"{row['environment']}, {row['repository']}",
        ),
        Column("environment", "Environment", only="csv"),
        Column("repository", "Repository", only="csv"),
        Column("architectures", "Architectures", value=lambda r: ", ".join(r["architectures"])),
        Column("requested", "Requested", spare=True),
        Column("since", "Since (UTC)", "time"),
    )
    return Table("Packages that only one image needs", columns, rows)


def _name(nevra: str) -> str:
    return parse_nevra(nevra).name
