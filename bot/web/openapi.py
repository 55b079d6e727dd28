"""The OpenAPI description of everything under `/api`, made from the schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from bot.web import schemas
from bot.web.responses.checks import Check

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
_NUMBERS = ("offset", "limit", "drawn")
_MEANING = {
    "date": "As of this day's end, or this moment; without it: now.",
    "since": "History since then.",
    "from": "The left side's day; without it: now.",
    "to": "The right side's day; without it: now.",
    "with": "The right side's architecture.",
    "window": "How much history: month, year or all.",
    "package": "The name of a package to highlight.",
    "q": "Words that the names must hold, in any case; of packages also their sources'.",
    "outlook": "Only objectives in this state.",
    "status": "Only images in this state: ok or unsolvable.",
    "drawn": "How many packages the graph draws at most.",
    "theme": "light or dark; without it as the reader prefers (PNG: light).",
    "width": "narrow: for a phone.",
    "metric": "Which of the objective's metrics.",
    "label": "What the badge says on its left.",
    "offset": "How many to pass over.",
    "limit": "How many at most.",
    "format": "csv gives a table instead, all of it unless there is a limit.",
    "key": "The token of a signed link, for a check of a private repository.",
    "table": "Which of the page's tables, with format=csv.",
}


class _Operation(NamedTuple):
    path: str
    schema_class: type
    summary: str
    query: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


_OPERATIONS = (
    _Operation(
        "/api/",
        schemas.Overview,
        "Objectives by state, the biggest movers of the week, the age of the data.",
        ("date", "limit"),
        ("attention", "movers", "causes", "checks"),
    ),
    _Operation(
        "/api/images",
        schemas.Images,
        "Every image with its figures.",
        ("q", "status", "date", "offset", "limit"),
        ("images",),
    ),
    _Operation(
        _IMAGE,
        schemas.Image,
        "One image: packages, history, steps and their causes, architectures.",
        ("date", "since", "window", "package", "drawn", "limit"),
        ("packages", "largest", "steps", "causes", "architectures", "objectives", "history"),
    ),
    _Operation(
        f"{_IMAGE}/compare",
        schemas.Comparison,
        "Two dates, or two architectures, of one image.",
        ("from", "to", "with"),
        ("packages", "sides"),
    ),
    _Operation(
        f"{_IMAGE}/architectures",
        schemas.Architectures,
        "One image on all its architectures, package by package.",
        ("date", "limit"),
        ("packages", "architectures"),
    ),
    _Operation(
        "/api/objectives",
        schemas.Objectives,
        "Every objective: value, limit, target, trend.",
        ("outlook", "date", "offset", "limit"),
        ("objectives",),
    ),
    _Operation(
        "/api/objectives/{id}",
        schemas.Objective,
        "One objective, how it stood, and the growth that was accepted.",
        ("date", "since", "window", "limit"),
        ("images", "accepted", "history"),
    ),
    _Operation(
        "/api/packages",
        schemas.Packages,
        "The packages of all images.",
        ("q", "date", "offset", "limit"),
        ("packages",),
    ),
    _Operation(
        "/api/packages/{name}",
        schemas.PackagePage,
        "In which images a package is, why, and what it costs.",
        ("date", "offset", "limit"),
        ("images", "versions"),
    ),
    _Operation(
        "/api/surface",
        schemas.Surface,
        "Versions of each package, bytes shared, packages that only one image needs.",
        ("date", "limit"),
        ("versions", "shared", "only_one"),
    ),
    _Operation(
        "/api/checks",
        schemas.Checks,
        "The checks, newest first.",
        ("date", "offset", "limit"),
        ("checks",),
    ),
    _Operation("/api/checks/{id}", Check, "One check, in full.", ("key",)),
)


class _Picture(NamedTuple):
    path: str
    summary: str
    query: tuple[str, ...] = ()
    png: bool = True


_PAGE = "/images/{repository}/{environment}/{workload}/{arch}"
_CHART = ("theme", "width")
_PICTURES = (
    _Picture(f"{_PAGE}/size", "Installed size over time.", ("date", "since", "window", *_CHART)),
    _Picture(f"{_PAGE}/packages", "Packages over time.", ("date", "since", "window", *_CHART)),
    _Picture(f"{_PAGE}/treemap", "Where the bytes are.", ("date", *_CHART)),
    _Picture(f"{_PAGE}/architectures", "Its size on each architecture.", ("date", *_CHART)),
    _Picture(f"{_PAGE}/graph", "Who requires whom.", ("date", "package", "drawn"), png=False),
    _Picture(f"{_PAGE}/badge", "An image's badge.", ("date", "label"), png=False),
    _Picture(
        "/objectives/{id}/burn-down",
        "An objective's values, its limit, the way to its target.",
        ("metric", "date", "since", "window", *_CHART),
    ),
    _Picture("/objectives/{id}/badge", "An objective's badge.", ("date", "label"), png=False),
    _Picture("/surface/versions", "The packages of most versions.", ("date", *_CHART)),
    _Picture("/movers", "The biggest movers of the week.", ("date", *_CHART)),
    _Picture("/checks/{id}/graph", "How a check's added packages come in.", png=False),
)


class _Written(GenerateJsonSchema):
    """Fields of a result are in its JSON whether they have a default or not."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Return whether the JSON always has a field."""
        written = field["type"] == "dataclass-field" and "serialization_exclude_if" not in field
        return written or super().field_is_required(field, total)


def describe() -> Json:
    """OpenAPI 3.1 as a JSON object."""
    used = [schemas.Problem, *(o.schema_class for o in _OPERATIONS)]
    _, made = TypeAdapter.json_schemas(
        [(each, "serialization", TypeAdapter(each)) for each in used],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Written,
    )
    check = made["$defs"]["Check"]["properties"]
    for name in ("merge_base", "verdict", "stage"):
        check[name] = {"anyOf": [check[name], {"type": "null"}]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "minimize",
            "version": version("minimize"),
            "description": "What the pages show, as JSON. Sizes are bytes, times RFC 3339 in UTC,"
            " null is not known.",
        },
        "paths": {
            **{operation.path: {"get": _get(operation)} for operation in _OPERATIONS},
            **{
                f"{picture.path}.{kind}": {"get": _picture(picture, media)}
                for picture in _PICTURES
                for kind, media in (("svg", "image/svg+xml"), ("png", "image/png"))
                if picture.png or kind == "svg"
            },
        },
        "components": {"schemas": _referenced(made["$defs"], (each.__name__ for each in used))},
    }


def _referenced(described: Json, names: Iterable[str]) -> Json:
    """The schemas of `names`, and those that they refer to."""
    wanted, found = list(names), {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = described[name]
            wanted += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(found[name]))
    return dict(sorted(found.items()))


def _picture(picture: _Picture, media: str) -> Json:
    parameters = _parameters(picture.path, picture.query)
    answers = {"200": {"description": "The picture.", "content": {media: {"schema": {}}}}}
    page = {"text/html": {"schema": {"type": "string"}}}
    return {
        "summary": picture.summary,
        "parameters": parameters,
        "responses": {**answers, **_refusals(picture.path, parameters, page)},
    }


def _parameters(path: str, query: tuple[str, ...]) -> list[Json]:
    names = re.findall(r"{(\w+)}", path)
    parameters = [_parameter(name, "path") for name in names]
    return parameters + [_parameter(name, "query") for name in query]


def _refusals(path: str, parameters: list[Json], content: Json) -> Json:
    answers: Json = {}
    if any(parameter["in"] == "query" for parameter in parameters):
        meaning = "A value of the query is not what it should be."
        answers["400"] = {"description": meaning, "content": content}
    if "{" in path:
        answers["404"] = {"description": "There is no such thing.", "content": content}
    return answers


def _get(operation: _Operation) -> Json:
    parameters = _parameters(operation.path, operation.query)
    content = {"application/json": {"schema": _ref(operation.schema_class)}}
    if operation.tables:
        parameters.append(_parameter("format", "query", {"type": "string", "enum": ["csv"]}))
        parameters.append(
            _parameter("table", "query", {"type": "string", "enum": [*operation.tables]})
        )
        content["text/csv"] = {"schema": {"type": "string"}}
    wrong = {"application/json": {"schema": _ref(schemas.Problem)}}
    answers = {"200": {"description": "The answer.", "content": content}}
    return {
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {**answers, **_refusals(operation.path, parameters, wrong)},
    }


def _parameter(name: str, place: str, schema: Json | None = None) -> Json:
    chosen = schema or _SCHEMAS.get(name) or (_NUMBER if name in _NUMBERS else _TEXT)
    if place == "path":
        chosen = {"type": "string", "minLength": 1}
    parameter: Json = {"name": name, "in": place, "required": place == "path", "schema": chosen}
    return {**parameter, "description": _MEANING[name]} if name in _MEANING else parameter


def _ref(schema_class: type) -> Json:
    return {"$ref": f"#/components/schemas/{schema_class.__name__}"}
