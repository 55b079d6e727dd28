"""GitHub's OpenAPI description (npm `@octokit/openapi`), to check requests and answers against.

deploy/test gets it; without it, `github_description` gives None.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FOLDER = Path(sys.prefix) / "forge-descriptions" / "@octokit"


def npm_file(name: str) -> Path | None:
    """The file of a package that deploy/setup.bash has got, whichever version."""
    return next(iter(sorted(FOLDER.glob(f"{name}@*.json"))), None)


class Description:
    """The description, indexed by path; `problems` says what is not as it says."""

    def __init__(self, document: dict[str, Any]) -> None:
        resource = DRAFT202012.create_resource(_plain(document))
        self._document: dict[str, Any] = resource.contents
        self._registry = Registry().with_resource("urn:github", resource)
        # What is more fixed goes first: /app before /{owner}, commits/{ref}/status before its like.
        listed = sorted(
            self._document["paths"].items(), key=lambda i: (i[0].count("{"), -len(i[0]))
        )
        self._paths = [
            (re.compile("".join(map(_segment, re.split(r"(\{[^}]+\})", path))) + "$"), item)
            for path, item in listed
        ]

    def problems(
        self, method: str, url: str, body: Any, status: int | None = None, answer: Any = None
    ) -> list[str]:
        """What a request (and, with a status, its answer) has that the description has not."""
        parts = urlsplit(url)
        found = [item for pattern, item in self._paths if pattern.match(parts.path)]
        item = next((item for item in found if method.lower() in item), None)
        if item is None:
            return [f"{method} {parts.path}: no such path"]
        operation = self._plain_operation(item, method)
        said = f"{method} {parts.path}"
        parameters = [self._at(p) for p in operation.get("parameters", ())]
        known = {p["name"]: p["schema"] for p in parameters if p["in"] == "query"}
        problems = []
        for name, value in parse_qsl(parts.query):
            if name not in known:
                problems.append(f"{said}: no parameter {name}")
            else:
                kind = known[name].get("type")
                given = int(value) if kind == "integer" and value.isdecimal() else unquote(value)
                problems += self._errors(said, known[name], given)
        wanted = _json_schema(self._at(operation.get("requestBody", {})))
        if wanted is not None and body is not None:
            problems += self._errors(f"{said} body", wanted, body)
            properties = self._at(wanted).get("properties", {})
            problems += [
                f"{said}: no field {n}" for n in body if n not in properties and properties
            ]
        elif body not in (None, {}) and wanted is None:
            problems.append(f"{said}: takes no body")
        if status is not None and status != 304:
            problems += self._answer_problems(said, operation, status, answer)
        return problems

    def _answer_problems(self, said: str, operation: Any, status: int, answer: Any) -> list[str]:
        described = operation["responses"].get(str(status))
        if described is None:
            # What any request may come to is not described of each.
            return [] if status in (401, 403, 404, 429) or status >= 500 else [f"{said}: {status}?"]
        schema = _json_schema(self._at(described))
        return [] if schema is None else self._errors(f"{said} {status}", schema, answer)

    def _plain_operation(self, item: dict[str, Any], method: str) -> dict[str, Any]:
        shared = item.get("parameters", [])
        operation = item[method.lower()]
        return {**operation, "parameters": [*shared, *operation.get("parameters", [])]}

    def _at(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            found: Any = self._document
            for step in value["$ref"].removeprefix("urn:github#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            value = found
        return value

    def _errors(self, said: str, schema: Any, value: Any) -> list[str]:
        checker = jsonschema.Draft202012Validator(schema, registry=self._registry)
        return [f"{said}: {e.json_path}: {e.message[-200:]}" for e in checker.iter_errors(value)]


def _segment(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    # A ref or a file's path has slashes; a name has none.
    return "[^/]+" if part not in ("{ref}", "{path}", "{basehead}") else ".+"


def _json_schema(described: dict[str, Any]) -> Any:
    return described.get("content", {}).get("application/json", {}).get("schema")


def _plain(value: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes a type, references get a home."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: _plain(one) for name, one in value.items() if name not in ("example", "examples")}
    reference = made.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        made["$ref"] = f"urn:github{reference}"
    if made.get("nullable") is True:
        made.pop("nullable")
        return {"anyOf": [{"type": "null"}, made]}
    return made


@cache
def github_description() -> Description | None:
    file = npm_file("openapi")
    return None if file is None else Description(json.loads(file.read_text()))
