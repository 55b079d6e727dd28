"""`/surface`: over all images, the versions of each package, what is shared, what is lonely."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bot.web.answers.answer import Answer, Archive
from bot.web.answers.packages import spread_table
from bot.web.links import image_url, key_of, package_url
from bot.web.questions import Question
from bot.web.tables import Column, Row, Table, image_columns

Json = dict[str, Any]
_LISTED = 100
_SHOWN = 25


def surface(archive: Archive, question: Question) -> Answer:
    """The attack surface, now or at a date; `limit` is for each list."""
    date = question.date
    spread, lonely = archive.spread(date), archive.lonely(date)
    by_bytes = sorted(spread, key=lambda s: (-s.shared, s.name))
    listed = question.page(_LISTED).limit
    shown = question.page(_SHOWN).limit
    every = {
        "versions": [asdict(s) for s in spread if s.versions > 1] or [asdict(s) for s in spread],
        "shared": [asdict(s) for s in by_bytes if s.shared] or [asdict(s) for s in by_bytes],
        "only_one": [
            {**asdict(u.key), **{n: v for n, v in asdict(u).items() if n != "key"}} for u in lonely
        ],
    }
    several = sum(s.versions > 1 for s in spread)
    json: Json = {
        "date": date,
        "totals": asdict(archive.totals(date)),
        "several_versions": several,
        "only_one_bytes": sum(u.installed_size or 0 for u in lonely),
        **{name: rows[:listed] for name, rows in every.items()},
    }
    tables = {
        "versions": spread_table("Most versions", every["versions"], date).first(shown),
        "shared": spread_table("Most bytes beyond one copy", every["shared"], date).first(shown),
        "only_one": _lonely_table(every["only_one"], date).first(shown),
    }
    return Answer("surface.html.j2", json, tables, {"lonely": len(lonely)})


def _lonely_table(rows: list[Json], date: str | None) -> Table:
    def image(row: Row) -> str:
        return image_url(key_of(row), date=date)

    columns = (
        Column(
            "name",
            "Package",
            value=lambda row: _name(row["nevra"]),
            link=lambda row: package_url(_name(row["nevra"]), date=date),
            also=lambda row: f"from {row['source']}",
        ),
        Column("nevra", "NEVRA", only="csv"),
        Column("source", "Source", only="csv"),
        Column("installed_size", "Size", "size"),
        *image_columns(link=image),
        Column("requested", "Requested", spare=True),
        Column("since", "Since (UTC)", "time"),
    )
    return Table("Packages that only one image needs", columns, rows)


def _name(nevra: str) -> str:
    return nevra.rsplit("-", 2)[0]
