"""`/images/.../compare`: two dates, or two architectures, of one image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from bot.model.image import ImageKey
from bot.objectives.jsonform import evaluation_json
from bot.store.history.values import Member
from bot.web.links import package_url
from bot.web.parameters import Parameters
from bot.web.responses.image import evaluated, ordered_architectures
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Table

Json = dict[str, Any]
_FIGURES = ("status", "evaluated", "packages", "installed_size", "known_size", "layer_size")


def compare(archive: Archive, parameters: Parameters) -> PageResponse:
    """The differences between `from` and `to` (dates, null is now), and, with `with`, an
    architecture.

    Packages pair by name; a package of several versions pairs as it stands.
    """
    key = parameters.key
    other = replace(key, arch=parameters.text("with") or key.arch)
    dates = parameters.moment("from"), parameters.moment("to")
    left, right = _side(archive, key, dates[0]), _side(archive, other, dates[1])
    rows = _differences(*(_held(archive, k, d) for k, d in zip((key, other), dates, strict=True)))
    json: Json = {
        **asdict(key),
        "left": left,
        "right": right,
        "packages": rows,
        "known_delta": sum(row["known_delta"] for row in rows),
    }
    known = archive.cached("images", archive.history.images)
    arches = ordered_architectures(
        {i.key.arch for i in known if replace(i.key, arch=key.arch) == key}
    )
    extra = {"key": key, "arches": arches, "dates": dates}
    tables = {"packages": _table(rows, left, right), "sides": _sides_table(left, right)}
    return PageResponse("compare.html.j2", json, tables, extra)


def _side(archive: Archive, key: ImageKey, date: str | None) -> Json:
    written = evaluation_json(evaluated(archive, key, date))
    return {"arch": key.arch, "date": date, **{name: written[name] for name in _FIGURES}}


def _held(archive: Archive, key: ImageKey, date: str | None) -> dict[str, list[Member]]:
    return by_name(archive.history.contents(key, date, links=False).members)


def _differences(left: Mapping[str, list[Member]], right: Mapping[str, list[Member]]) -> list[Json]:
    rows = []
    for name in sorted(left.keys() | right.keys()):
        before, after = left.get(name, []), right.get(name, [])
        if [_version_and_size(m) for m in before] == [_version_and_size(m) for m in after]:
            continue
        change = "changed" if before and after else "came" if after else "went"
        rows.append(
            {
                "name": name,
                "change": change,
                "from": versions(before) or None,
                "to": versions(after) or None,
                "known_delta": _bytes(after) - _bytes(before),
            }
        )
    return sorted(rows, key=lambda row: (-abs(row["known_delta"]), row["name"]))


def _version_and_size(member: Member) -> tuple[str, int | None]:
    return member.nevra.evr, member.installed_size


def _bytes(members: list[Member]) -> int:
    return sum(member.installed_size or 0 for member in members)


def _sides_table(left: Json, right: Json) -> Table:
    columns = (
        Column("side", "Side"),
        Column("arch", "Architecture"),
        Column("evaluated", "Evaluated (UTC)", "time"),
        Column("status", "Status", "state"),
        Column("packages", "Packages", "count"),
        Column("known_size", "Installed", "size"),
        Column("layer_size", "Layer, gzip", "size"),
    )
    rows = [{"side": "Left", **left}, {"side": "Right", **right}]
    return Table("Both sides", columns, rows)


def _table(rows: list[Json], left: Json, right: Json) -> Table:
    two = left["arch"] != right["arch"]
    columns = (
        Column("name", "Package", link=lambda row: package_url(row["name"])),
        Column("change", "What"),
        Column("known_delta", "Bytes", "delta"),
        Column("from", f"Left, {left['arch']}" if two else "Left", "code"),
        Column("to", f"Right, {right['arch']}" if two else "Right", "code"),
    )
    return Table("What differs", columns, rows)


def versions(members: Iterable[Member]) -> str:
    """The versions of packages, with an epoch only where it is not 0."""
    return ", ".join(member.nevra.evr.removeprefix("0:") for member in members)


def by_name(members: Iterable[Member]) -> dict[str, list[Member]]:
    """The packages of each name; most names have one."""
    found: dict[str, list[Member]] = {}
    for member in members:
        found.setdefault(member.nevra.name, []).append(member)
    return found
