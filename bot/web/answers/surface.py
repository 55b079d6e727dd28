"""`/surface`: over all images, the versions of each package, what is shared, what is lonely."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bot.web.answers.answer import Answer, Archive
from bot.web.answers.packages import spread_table
from bot.web.links import image_url, key_of, package_url
from bot.web.questions import Question
from bot.web.tables import Column, Table

Json = dict[str, Any]
_SHOWN = 100


def surface(archive: Archive, question: Question) -> Answer:
    """The attack surface as of the last run; `limit` is for each list."""
    limit = question.number("limit", _SHOWN, 5000) or _SHOWN
    history = archive.history
    spread = archive.remembered("spread", history.spread)
    lonely = archive.remembered("lonely", lambda: history.only_one_needs(5000))
    by_bytes = sorted(spread, key=lambda s: (-s.shared, s.name))
    json: Json = {
        "totals": asdict(archive.remembered("totals", history.totals)),
        "several_versions": sum(s.versions > 1 for s in spread),
        "versions": [asdict(s) for s in spread[:limit]],
        "shared": [asdict(s) for s in by_bytes[:limit]],
        "only_one": [
            {**asdict(u.key), **{n: v for n, v in asdict(u).items() if n != "key"}}
            for u in lonely[:limit]
        ],
    }
    tables = {
        "versions": spread_table("Most versions", json["versions"]),
        "shared": spread_table("Most bytes beyond one copy", json["shared"]),
        "only_one": _lonely_table(json["only_one"]),
    }
    return Answer("surface.html.j2", json, tables)


def _lonely_table(rows: list[Json]) -> Table:
    columns = (
        Column("nevra", "Package", link=lambda row: package_url(_name(row["nevra"]))),
        Column("source", "Source"),
        Column("installed_size", "Size", "size"),
        Column("workload", "Image", link=lambda row: image_url(key_of(row))),
        Column("arch", "Architecture"),
        Column("requested", "Requested"),
        Column("since", "Since (UTC)", "time"),
    )
    return Table("Packages that only one image needs", columns, rows)


def _name(nevra: str) -> str:
    return nevra.rsplit("-", 2)[0]
