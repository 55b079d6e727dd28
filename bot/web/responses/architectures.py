"""`/images/.../architectures`: one image on all its architectures, package by package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from bot.report.sizes import format_size
from bot.store.history.values import Member
from bot.web.links import package_url
from bot.web.parameters import Parameters
from bot.web.responses.compare import by_name, versions
from bot.web.responses.image import architectures as on_each
from bot.web.responses.image import architectures_table, evaluated
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Row, Table

Json = dict[str, Any]
_SHOWN = 100


def architectures(archive: Archive, parameters: Parameters) -> PageResponse:
    """The packages of an image on each architecture, now or at a date; the largest differences
    first.

    Packages pair by name. `on` has each architecture's version and bytes, null where the package is
    not there; an architecture on which the image cannot be installed has none.
    """
    key, date = parameters.key, parameters.date
    evaluated(archive, key, date)
    sides = on_each(archive, parameters)
    arches = [side["arch"] for side in sides]
    held = {}
    for side in sides:
        other = replace(key, arch=side["arch"])
        ok = side["status"] == "ok"
        members = archive.history.contents(other, date, links=False).members if ok else ()
        held[side["arch"]] = by_name(members)
    rows = [_row(name, held) for name in sorted({n for names in held.values() for n in names})]
    rows.sort(key=lambda row: (-row["spread"], row["name"]))
    json: Json = {**asdict(key), "date": date, "architectures": sides, "packages": rows}
    differing = sum(row["differs"] for row in rows)
    tables = {
        "packages": _table(rows, arches, date).first(parameters.page(_SHOWN).limit),
        "architectures": architectures_table(sides, date),
    }
    extra = {"key": key, "differing": differing}
    return PageResponse("architectures.html.j2", json, tables, extra)


def _row(name: str, held: dict[str, dict[str, list[Member]]]) -> Json:
    on = {arch: _there(names.get(name)) for arch, names in held.items()}
    sizes = [there["installed_size"] or 0 if there else 0 for there in on.values()]
    shown_versions = {(there["version"] if there else None) for there in on.values()}
    spread = max(sizes) - min(sizes)
    return {
        "name": name,
        "differs": len(shown_versions) > 1 or spread > 0,
        "spread": spread,
        "on": on,
    }


def _there(members: Sequence[Member] | None) -> Json | None:
    if not members:
        return None
    sizes = [member.installed_size for member in members]
    return {
        "version": versions(members),
        "installed_size": None if None in sizes else sum(size or 0 for size in sizes),
    }


def _table(rows: list[Json], arches: list[str], date: str | None) -> Table:
    columns = [
        Column("name", "Package", link=lambda row: package_url(row["name"], date=date)),
        Column("spread", "Largest difference", "size"),
    ]
    for arch in arches:
        columns += _columns(arch)
    return Table("Packages on each architecture", tuple(columns), rows)


def _columns(arch: str) -> Iterable[Column]:
    def there(row: Row) -> Json | None:
        found: Json | None = row["on"][arch]
        return found

    def size(row: Row) -> int | None:
        found = there(row)
        return found["installed_size"] if found else None

    def version(row: Row) -> str | None:
        found = there(row)
        return found["version"] if found else None

    def words(row: Row) -> str:
        return format_size(size(row)) if there(row) else "not there"

    def other_version(row: Row) -> str | None:
        shown_versions = {found["version"] for found in row["on"].values() if found}
        return version(row) if len(shown_versions) > 1 else None

    return (
        Column(arch, arch, "figure", value=words, also=other_version, only="html"),
        Column(f"{arch}_version", arch, value=version, only="csv"),
        Column(f"{arch}_installed_size", arch, value=size, only="csv"),
    )
