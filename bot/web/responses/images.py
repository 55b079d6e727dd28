"""`/images`: every image with its figures, now or at a date."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bot.model.image import ImageKey
from bot.objectives.jsonform import evaluation_json
from bot.store.history.values import Evaluation
from bot.web.links import image_url, key_of
from bot.web.parameters import Parameters
from bot.web.responses.image import totals_json
from bot.web.responses.response import Archive, PageResponse
from bot.web.tables import Column, Kind, Row, Table, image_columns

Json = dict[str, Any]
_PAGE = 100
_STATES = ("ok", "unsolvable")


def images(archive: Archive, parameters: Parameters) -> PageResponse:
    """The images whose names hold every word of `q`, and of one `status` if it is given.

    Each is CONTRACT's image of a closure, but for its packages, which are at its own address.
    `next` is the offset of the following ones.
    """
    words, date, page = (
        parameters.text("q").lower().split(),
        parameters.date,
        parameters.page(_PAGE),
    )
    status = parameters.text("status")
    found = [
        (key, evaluation)
        for key, evaluation in archive.evaluations(date).items()
        if all(word in _names(key) for word in words)
        and (status not in _STATES or evaluation.facts.status == status)
    ]
    rows = [{**asdict(key), **_figures(evaluation)} for key, evaluation in page.of(found)]
    json: Json = {
        "date": date,
        "count": len(found),
        "images": rows,
        "next": page.next(len(found)),
    }
    extra = {"q": parameters.text("q"), "status": status, "page": page}
    return PageResponse("images.html.j2", json, {"images": _table(rows, date)}, extra)


def _names(key: ImageKey) -> str:
    return f"{key.workload} {key.environment} {key.repository} {key.arch}".lower()


def _figures(evaluation: Evaluation) -> Json:
    written = evaluation_json(evaluation)
    return {
        **{name: written[name] for name in ("status", "problems", "missing", "causes", "snapshot")},
        "totals": totals_json(written),
        "evaluated": written["evaluated"],
    }


def _table(rows: list[Json], date: str | None) -> Table:
    def link(row: Row) -> str:
        return image_url(key_of(row), date=date)

    columns = (
        *image_columns(link=link),
        Column("status", "Status", "state"),
        _figure("packages", "Packages", "count"),
        _figure("installed_size", "Installed", "size"),
        _figure("download_size", "Download", "size"),
        _figure("layer_size", "Layer, gzip", "size"),
        Column("evaluated", "Evaluated (UTC)", "time"),
    )
    return Table("Images", columns, rows)


def _figure(name: str, title: str, kind: Kind) -> Column:
    return Column(name, title, kind, value=lambda row: (row["totals"] or {}).get(name))
