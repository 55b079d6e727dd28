"""The OpenAPI description of everything under `/api`, made from the shapes."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any, NamedTuple

from pydantic.json_schema import models_json_schema

from bot.web import shapes
from bot.web.shapes import Shape

Json = dict[str, Any]
_IMAGE = "/api/images/{repository}/{environment}/{workload}/{arch}"
_DATE = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "maxLength": 0},
    ],
    "examples": ["2027-03-01", "2027-03-01T12:00:00Z"],
}
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_SCHEMAS = {"date": _DATE, "since": _DATE, "from": _DATE, "to": _DATE}
_NUMBERS = ("offset", "limit")
_MEANING = {
    "date": "As of this day's end, or this moment; without it: now.",
    "since": "History since then.",
    "from": "The left side's day; without it: now.",
    "to": "The right side's day; without it: now.",
    "with": "The right side's architecture.",
    "window": "How much history: month, year or all.",
    "package": "The name of a package to highlight.",
    "q": "Words that the names must hold; for packages, what they start with.",
    "outlook": "Only objectives in this state.",
    "offset": "How many to pass over.",
    "limit": "How many at most.",
    "format": "csv gives a table instead.",
    "key": "The token of a signed link, for a check of a private repository.",
    "table": "Which of the page's tables, with format=csv.",
}


class _Operation(NamedTuple):
    path: str
    shape: type[Shape]
    summary: str
    query: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


_OPERATIONS = (
    _Operation(
        "/api/",
        shapes.Overview,
        "Objectives by state, the biggest movers of the week, the age of the data.",
        ("date",),
        ("attention", "movers", "causes"),
    ),
    _Operation(
        "/api/images",
        shapes.Images,
        "Every image with its figures.",
        ("q", "date", "offset", "limit"),
        ("images",),
    ),
    _Operation(
        _IMAGE,
        shapes.Image,
        "One image: packages, history, steps and their causes, architectures.",
        ("date", "since", "window", "package"),
        ("packages", "steps", "causes", "architectures", "objectives", "history"),
    ),
    _Operation(
        f"{_IMAGE}/compare",
        shapes.Comparison,
        "Two dates, or two architectures, of one image.",
        ("from", "to", "with"),
        ("packages",),
    ),
    _Operation(
        "/api/objectives",
        shapes.Objectives,
        "Every objective: value, limit, target, trend.",
        ("outlook",),
        ("objectives",),
    ),
    _Operation(
        "/api/objectives/{id}",
        shapes.Objective,
        "One objective, how it stood, and the growth that was accepted.",
        (),
        ("images", "accepted", "history"),
    ),
    _Operation(
        "/api/packages",
        shapes.Packages,
        "The packages of all images.",
        ("q", "offset", "limit"),
        ("packages",),
    ),
    _Operation(
        "/api/packages/{name}",
        shapes.PackagePage,
        "In which images a package is, why, and what it costs.",
        ("date", "offset", "limit"),
        ("images", "versions"),
    ),
    _Operation(
        "/api/surface",
        shapes.Surface,
        "Versions of each package, bytes shared, packages that only one image needs.",
        ("limit",),
        ("versions", "shared", "only_one"),
    ),
    _Operation("/api/checks", shapes.Checks, "The checks, newest first.", ("offset", "limit")),
    _Operation("/api/checks/{id}", shapes.Check, "One check, in full.", ("key",)),
)


def describe() -> Json:
    """OpenAPI 3.1 as a JSON object."""
    used: list[type[Shape]] = [shapes.Problem, *(o.shape for o in _OPERATIONS)]
    _, made = models_json_schema(
        [(shape, "serialization") for shape in used],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "minimize",
            "version": version("minimize"),
            "description": "What the pages show, as JSON. Sizes are bytes, times RFC 3339 in UTC,"
            " null is not known.",
        },
        "paths": {operation.path: {"get": _get(operation)} for operation in _OPERATIONS},
        "components": {"schemas": made["$defs"]},
    }


def _get(operation: _Operation) -> Json:
    names = re.findall(r"{(\w+)}", operation.path)
    told = [_parameter(name, "path") for name in names]
    told += [_parameter(name, "query") for name in operation.query]
    content = {"application/json": {"schema": _ref(operation.shape)}}
    if operation.tables:
        told.append(_parameter("format", "query", {"type": "string", "enum": ["csv"]}))
        told.append(_parameter("table", "query", {"type": "string", "enum": [*operation.tables]}))
        content["text/csv"] = {"schema": {"type": "string"}}
    wrong = {"application/json": {"schema": _ref(shapes.Problem)}}
    answers: Json = {"200": {"description": "The answer.", "content": content}}
    if any(parameter["in"] == "query" for parameter in told):
        meaning = "A value of the query is not what it should be."
        answers["400"] = {"description": meaning, "content": wrong}
    if names:
        answers["404"] = {"description": "There is no such thing.", "content": wrong}
    return {"summary": operation.summary, "parameters": told, "responses": answers}


def _parameter(name: str, place: str, schema: Json | None = None) -> Json:
    chosen = schema or _SCHEMAS.get(name) or (_NUMBER if name in _NUMBERS else _TEXT)
    if place == "path":
        chosen = {"type": "string", "minLength": 1}
    told: Json = {"name": name, "in": place, "required": place == "path", "schema": chosen}
    return {**told, "description": _MEANING[name]} if name in _MEANING else told


def _ref(shape: type[Shape]) -> Json:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}
