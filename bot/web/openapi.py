"""The OpenAPI description of `/api`, generated from the types of the pages' data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from bot.distro.sharing import SHARED
from bot.model.result_json import Json
from bot.web.pages import PAGES, Page
from bot.web.pictures import PICTURES, Picture

_REFERENCE = re.compile(r'"#/components/schemas/(\w+)"')
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
_SHARED = "The configuration documents by file name, for --config, and the table of base images."
_NUMBERS = ("offset", "limit", "drawn")
_MEANING = {
    "date": "As of this day's end, or this moment; without it: now.",
    "since": "History since then.",
    "from": "The left side's day; without it: now.",
    "to": "The right side's day; without it: now.",
    "with": "The right side's architecture.",
    "window": "How much history: week, month, quarter, year; on an image also all.",
    "package": "The name of a package to highlight.",
    "q": "Words that the names must hold, in any case; of packages also their sources'.",
    "outlook": "Only objectives in this state.",
    "status": "Only images in this state: ok, unsolvable; by objectives broken, at risk, met.",
    "maintainer": "Only images of this maintainer, of the workload or of an objective.",
    "source": "Only images that hold a package of this source package.",
    "sort": "COLUMN, -COLUMN for the largest first, TABLE.COLUMN for another table than the first.",
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


@dataclass(frozen=True, slots=True)
class Problem:
    """The error, for people."""

    error: str


class _SerializedSchema(GenerateJsonSchema):
    """Fields are in the JSON even if they have a default."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Return whether the JSON always has a field."""
        always = field["type"] == "dataclass-field" and "serialization_exclude_if" not in field
        return always or super().field_is_required(field, total)


def describe() -> Json:
    """OpenAPI 3.1 as a JSON object."""
    types = [Problem, *(page.data for page in PAGES)]
    refs, definitions = TypeAdapter.json_schemas(
        [(data, "serialization", TypeAdapter(data)) for data in types],
        ref_template="#/components/schemas/{model}",
        schema_generator=_SerializedSchema,
    )
    schemas = {data: refs[data, "serialization"] for data in types}
    check = definitions["$defs"]["Check"]["properties"]
    for name in ("merge_base", "verdict", "stage"):
        check[name] = {"anyOf": [check[name], {"type": "null"}]}
    documents = {"type": "object", "additionalProperties": {"type": "string"}}
    rows = {"type": "array", "items": {"type": "object"}}
    shared = {
        "type": "object",
        "properties": {"documents": documents, "base_images": rows},
        "required": ["documents", "base_images"],
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "minimize",
            "version": version("minimize"),
            "description": "What the pages show, as JSON. Sizes are bytes, times RFC 3339 in UTC,"
            " null is not known.",
        },
        "paths": {
            **{f"/api{page.path}": {"get": _get(page, schemas)} for page in PAGES},
            SHARED: {"get": _described(_SHARED, shared, schemas[Problem])},
            **{
                f"{picture.path}.{kind}": {"get": _picture(picture, media)}
                for picture in PICTURES
                for kind, media in (("svg", "image/svg+xml"), ("png", "image/png"))
                if picture.png or kind == "svg"
            },
        },
        "components": {
            "schemas": _referenced(definitions["$defs"], json.dumps([*schemas.values()]))
        },
    }


def _referenced(schemas: Json, used: str) -> Json:
    """The schemas that a JSON text refers to, directly or through other schemas."""
    referenced: Json = {}
    names = re.findall(_REFERENCE, used)
    while names:
        name = names.pop()
        if name not in referenced:
            referenced[name] = schemas[name]
            names += re.findall(_REFERENCE, json.dumps(referenced[name]))
    return dict(sorted(referenced.items()))


def _picture(picture: Picture, media: str) -> Json:
    parameters = _parameters(picture.path, picture.query)
    responses = {"200": {"description": "The picture.", "content": {media: {"schema": {}}}}}
    page = {"text/html": {"schema": {"type": "string"}}}
    return {
        "summary": picture.summary,
        "parameters": parameters,
        "responses": {**responses, **_refusals(picture.path, parameters, page)},
    }


def _parameters(path: str, query: tuple[str, ...]) -> list[Json]:
    names = re.findall(r"{(\w+)}", path)
    parameters = [_parameter(name, "path") for name in names]
    return parameters + [_parameter(name, "query") for name in query]


def _refusals(path: str, parameters: list[Json], content: Json) -> Json:
    responses: Json = {}
    if any(parameter["in"] == "query" for parameter in parameters):
        meaning = "A value of the query is not what it should be."
        responses["400"] = {"description": meaning, "content": content}
    named = any(parameter["name"] in ("sort", "state") for parameter in parameters)
    if "{" in path or named:
        responses["404"] = {"description": "There is no such thing.", "content": content}
    return responses


def _described(summary: str, schema: Json, problem: Json) -> Json:
    """A route without parameters, which may be switched off."""
    content, wrong = ({"application/json": {"schema": s}} for s in (schema, problem))
    responses = {
        "200": {"description": "The answer.", "content": content},
        "404": {"description": "The server does not share it.", "content": wrong},
    }
    return {"summary": summary, "parameters": [], "responses": responses}


def _get(page: Page, schemas: Mapping[Any, Json]) -> Json:
    parameters = _parameters(page.path, page.query)
    content = {"application/json": {"schema": schemas[page.data]}}
    if page.tables:
        parameters.append(_parameter("sort", "query"))
        parameters.append(_parameter("format", "query", {"type": "string", "enum": ["csv"]}))
        parameters.append(_parameter("table", "query", {"type": "string", "enum": [*page.tables]}))
        content["text/csv"] = {"schema": {"type": "string"}}
    wrong = {"application/json": {"schema": schemas[Problem]}}
    responses = {"200": {"description": "The answer.", "content": content}}
    return {
        "summary": page.summary,
        "parameters": parameters,
        "responses": {**responses, **_refusals(page.path, parameters, wrong)},
    }


def _parameter(name: str, place: str, schema: Json | None = None) -> Json:
    chosen = schema or _SCHEMAS.get(name) or (_NUMBER if name in _NUMBERS else _TEXT)
    if place == "path":
        chosen = {"type": "string", "minLength": 1}
    parameter: Json = {"name": name, "in": place, "required": place == "path", "schema": chosen}
    return {**parameter, "description": _MEANING[name]} if name in _MEANING else parameter
