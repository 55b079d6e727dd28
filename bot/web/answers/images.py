"""`/images`: every image with its figures, now or at a date."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bot.model import ImageKey
from bot.objectives.jsonform import evaluation_json
from bot.store.history import Evaluation
from bot.web.answers.answer import Answer, Archive
from bot.web.links import image_url, key_of
from bot.web.questions import Question
from bot.web.tables import Column, Row, Table, image_columns

Json = dict[str, Any]
_PAGE = 100
_FIGURES = ("status", "packages", "installed_size", "download_size", "layer_size", "evaluated")


def images(archive: Archive, question: Question) -> Answer:
    """The images whose names hold every word of `q`; `next` is the offset of the following ones."""
    words, date = question.text("q").lower().split(), question.date
    offset = question.number("offset")
    limit = question.number("limit", _PAGE, 5000) or _PAGE
    known = archive.remembered("images", archive.history.images)
    keys = [i.key for i in known if all(word in _names(i.key) for word in words)]
    shown = keys[offset : offset + limit]
    found = _evaluations(archive, shown, date)
    rows = [{**asdict(key), **_figures(found.get(key))} for key in shown]
    following = offset + limit if len(keys) > offset + limit else None
    json: Json = {"date": date, "count": len(keys), "images": rows, "next": following}
    extra = {
        "q": question.text("q"),
        "offset": offset,
        "limit": limit,
        "previous": max(offset - limit, 0) if offset else None,
    }
    return Answer("images.html.j2", json, {"images": _table(rows, date)}, extra)


def _evaluations(
    archive: Archive, keys: list[ImageKey], date: str | None
) -> dict[ImageKey, Evaluation]:
    if date is None:
        latest = archive.remembered("evaluations", archive.history.latest_evaluations)
        return {key: latest[key] for key in keys if key in latest}
    found = {key: archive.history.evaluation(key, date) for key in keys}
    return {key: evaluation for key, evaluation in found.items() if evaluation is not None}


def _names(key: ImageKey) -> str:
    return f"{key.workload} {key.environment} {key.repository} {key.arch}".lower()


def _figures(evaluation: Evaluation | None) -> Json:
    if evaluation is None:
        return dict.fromkeys(_FIGURES)
    told = evaluation_json(evaluation)
    return {name: told[name] for name in _FIGURES}


def _table(rows: list[Json], date: str | None) -> Table:
    def link(row: Row) -> str:
        return image_url(key_of(row), date=date)

    columns = (
        *image_columns(link=link),
        Column("status", "Status", "state"),
        Column("packages", "Packages", "count"),
        Column("installed_size", "Installed", "size"),
        Column("download_size", "Download", "size"),
        Column("layer_size", "Layer, gzip", "size"),
        Column("evaluated", "Evaluated (UTC)", "time"),
    )
    return Table("Images", columns, rows)
