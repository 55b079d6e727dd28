"""GitHub's OpenAPI description (npm `@octokit/openapi`), to check requests and answers against.

deploy/test gets it; without it, `github_description` gives None.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs

Json = dict[str, Any]

FOLDER = Path(sys.prefix) / "forge-descriptions" / "@octokit"
# What any request may come to is not described of each: moved, not known, refused, too many.
_ANYWHERE = (301, 307, 308, 401, 403, 404, 406, 410, 422, 429)
# A ref or a file's path has slashes; a name has none.
_WITH_SLASHES = ("ref", "path", "basehead")


def npm_file(name: str) -> Path | None:
    """The file of a package that deploy/setup.bash downloaded, of any version."""
    return next(iter(sorted(FOLDER.glob(f"{name}@*.json"))), None)


@dataclass(frozen=True)
class Operation:
    """One method of one path: schemas of its parameters, of its body, of its answers."""

    parameters: dict[tuple[str, str], Any]  # ("query" or "path", name) -> schema
    body: Any | None
    answers: dict[str, Any | None]


class Description:
    """The description, indexed by path; `problems` says what is not as it says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        # What is more fixed goes first: /app before /{owner}, commits/{ref}/status before its like.
        listed = sorted(document["paths"].items(), key=lambda i: (i[0].count("{"), -len(i[0])))
        self._paths = [
            (re.compile("".join(map(_segment, re.split(r"(\{[^}]+\})", path))) + "$"), item)
            for path, item in listed
        ]
        self._found: dict[tuple[str, str], tuple[Operation, dict[str, str]] | None] = {}
        self._operations: dict[int, Operation] = {}
        self._validators: dict[tuple[int, bool], Any] = {}
        self._registries: dict[bool, Any] = {}

    def request_problems(self, method: str, url: str, body: Any) -> list[str]:
        """Return the parts of a request that the description lacks: path, parameters, body."""
        parts = urlsplit(url)
        said = f"{method} {parts.path}"
        found = self._operation(method, parts.path)
        if found is None:
            return [f"{said}: no such path"]
        operation, named = found
        given = [("path", name, unquote(value)) for name, value in named.items()]
        given += [("query", *pair) for pair in parse_qsl(parts.query, keep_blank_values=True)]
        problems = []
        for place, name, value in given:
            schema = operation.parameters.get((place, name))
            if schema is None:
                problems.append(f"{said}: no parameter {name}")
            else:
                problems += self._errors(f"{said} {name}", schema, _typed(schema, value))
        if operation.body is None:
            return [*problems, f"{said}: takes no body"] if body not in (None, {}) else problems
        if body is not None:
            problems += self._errors(f"{said} body", operation.body, body)
        return problems

    def answer_problems(
        self, method: str, url: str, status: int, answer: Any, *, whole: bool = True
    ) -> list[str]:
        """Return the parts of an answer that the description lacks: its status, types of fields.

        With `whole`, missing fields are reported too.
        """
        path = urlsplit(url).path
        found = self._operation(method, path)
        if found is None or status == 304:
            return []
        answers = found[0].answers
        if str(status) not in answers:
            unusual = status not in _ANYWHERE and status < 500
            return [f"{method} {path}: the status {status} is not described"] if unusual else []
        schema = answers[str(status)]
        if schema is None:
            return []
        return self._errors(f"{method} {path} {status}", schema, answer, whole=whole)

    def problems(
        self, method: str, url: str, body: Any, status: int | None = None, answer: Any = None
    ) -> list[str]:
        """Return the problems of a request and, with a status, of its answer."""
        problems = self.request_problems(method, url, body)
        if status is not None:
            problems += self.answer_problems(method, url, status, answer)
        return problems

    def _operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        key = (method, path)
        if key not in self._found:
            self._found[key] = None
            for pattern, item in self._paths:
                match = pattern.match(path)
                if match is not None and method.lower() in item:
                    self._found[key] = (self._parsed(item, method.lower()), match.groupdict())
                    break
        return self._found[key]

    def _parsed(self, item: dict[str, Any], method: str) -> Operation:
        described = item[method]
        known = self._operations.get(id(described))
        if known is None:
            listed = [*item.get("parameters", ()), *described.get("parameters", ())]
            parameters = [self._at(one) for one in listed]
            body = _json_schema(self._at(described.get("requestBody", {})))
            known = self._operations[id(described)] = Operation(
                {(one["in"], one["name"]): _plain(one["schema"]) for one in parameters},
                None if body is None else _plain(_closed(self._at(body))),
                {
                    status: _plain(_json_schema(self._at(answer)))
                    for status, answer in described["responses"].items()
                },
            )
        return known

    def _at(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            found: Any = self._document
            for step in value["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            value = found
        return value

    def _errors(self, said: str, schema: Any, value: Any, *, whole: bool = True) -> list[str]:
        # The schemas live as long as the operations that hold them: their ids are theirs.
        validator = self._validators.get((id(schema), whole))
        if validator is None:
            validator = self._validators[id(schema), whole] = jsonschema_rs.Draft202012Validator(
                schema if whole else _in_part(schema),
                registry=self._registry(whole=whole),
                validate_formats=True,
            )
        if validator.is_valid(value):
            return []
        return [
            f"{said}: {'.'.join(map(str, e.instance_path))}: {e.message[-300:]}"
            for e in validator.iter_errors(value)
        ]

    def _registry(self, *, whole: bool) -> Any:
        if whole not in self._registries:
            components = _plain(self._document["components"])
            made = {"components": components if whole else _in_part(components)}
            self._registries[whole] = jsonschema_rs.Registry([("urn:github", made)])
        return self._registries[whole]


def _segment(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part[1:-1]
    return f"(?P<{name.replace('-', '_')}>{'.+' if name in _WITH_SLASHES else '[^/]+'})"


def _typed(schema: Any, text: str) -> Any:
    """A parameter's text as the type that its schema names; as it is where it cannot be that."""
    if schema.get("type") == "integer" and text.isdecimal():
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _json_schema(described: dict[str, Any]) -> Any:
    return described.get("content", {}).get("application/json", {}).get("schema")


def _changed(value: Any, change: Callable[[Json], Json], but: Collection[str] = ()) -> Any:
    """JSON with `change` applied to a copy of each object, inner ones first.

    The values of the keys `but` stay as they are.
    """
    if isinstance(value, list):
        return [_changed(item, change, but) for item in value]
    if not isinstance(value, dict):
        return value
    return change(
        {k: item if k in but else _changed(item, change, but) for k, item in value.items()}
    )


def _closed(schema: Any) -> Any:
    """A body's schema that takes no fields but the named ones, GitHub overlooks them silently."""

    def close(part: Json) -> Json:
        if isinstance(part.get("properties"), dict) and part.get("type") == "object":
            part.setdefault("additionalProperties", False)
        return part

    # What is one of several is no whole object by itself.
    return _changed(schema, close, ("oneOf", "anyOf", "allOf"))


def _in_part(schema: Any) -> Any:
    """A schema that also takes what lacks fields (so that of several more than one may fit)."""

    def loosen(part: Json) -> Json:
        if isinstance(part.get("required"), list):
            del part["required"]
        if isinstance(part.get("oneOf"), list):
            part["anyOf"] = part.pop("oneOf")
        return part

    return _changed(schema, loosen)


def _plain(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes a type, references get a home."""

    def convert(part: Json) -> Json:
        part.pop("example", None)
        part.pop("examples", None)
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            part["$ref"] = f"urn:github{reference}"
        if part.get("nullable") is True:
            part.pop("nullable")
            return {"anyOf": [{"type": "null"}, part]}
        return part

    return _changed(schema, convert, ("example", "examples"))


@cache
def github_description() -> Description | None:
    file = npm_file("openapi")
    if file is None:
        return None
    document = json.loads(file.read_text())
    for correct in (_deleted_forks, _accounts_of_installations):
        correct(document)
    return Description(document)


def _deleted_forks(document: dict[str, Any]) -> None:
    """A fork that was deleted leaves null, as the webhooks' own description has it."""
    pull = document["components"]["schemas"]["pull-request"]["properties"]
    repository = {"$ref": "#/components/schemas/repository"}
    pull["head"]["properties"]["repo"] = {"nullable": True, "allOf": [repository]}


def _accounts_of_installations(document: dict[str, Any]) -> None:
    """One is a user or an enterprise, as everywhere else; the list says it is both at once."""
    listed = document["paths"]["/app/installations"]["get"]["responses"]["200"]
    described = listed["content"]["application/json"]["schema"]["items"]["properties"]
    described["account"] = document["components"]["schemas"]["installation"]["properties"][
        "account"
    ]
