"""One document's text, checked: its plain data, or what is wrong, where, and what is expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.distro import schema
from bot.distro.repofiles import with_repofiles
from bot.distro.variables import BUILT_IN, variables_in
from bot.distro.yamltext import YamlError, YamlText, parse_yaml
from bot.model.architecture import RPM_ARCHITECTURES

Place = tuple[str | int, ...]
_PREFIXES = ("feedback-pipeline-", "content-resolver-")
_ALIASES = {"compose-view": "view"}
_OURS = "minimize-objective"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one place of a document."""

    place: Place
    line: int
    message: str

    @property
    def field(self) -> str:
        """The place as people write it: `data.source.repos.baseos.baseurl`."""
        return ".".join(str(step) for step in self.place)


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """A document's `kind` and `plain` data, null where it is refused; then `errors` say why.

    `unused` tells what is accepted and changes nothing. `read` are other files that it was made of:
    the sha256 of each, by its path.
    """

    kind: str | None
    plain: dict[str, Any] | None
    errors: tuple[Finding, ...] = ()
    unused: tuple[Finding, ...] = ()
    text: YamlText | None = field(default=None, repr=False)
    read: Mapping[str, str] = field(default_factory=dict)

    def line_of(self, place: Place) -> int:
        """The line of `place`, 1 where the text could not be read."""
        return self.text.line_of(place) if self.text else 1


def check_text(content: bytes, folder: Path | None = None) -> CheckedDocument:
    """Reads and checks the YAML text of one document, and the `.repo` files that it names.

    Relative paths of these begin at `folder`.
    """
    try:
        text = parse_yaml(content)
    except YamlError as error:
        return CheckedDocument(None, None, (Finding((), error.line, f"not YAML: {error}"),))
    kind, wrong = _kind(text)
    if kind is None or wrong is not None:
        return CheckedDocument(kind, None, (wrong,) if wrong else (), (), text)
    data = text.data.get("data")
    if data is None:
        return CheckedDocument(
            kind, None, (_finding(text, ("data",), "expected a mapping here"),), (), text
        )
    read: Mapping[str, str] = {}
    if kind == "repository":
        data, read, unread = with_repofiles(data, folder or Path())
        if unread:
            return CheckedDocument(
                kind, None, tuple(_finding(text, *found) for found in unread), (), text
            )
    plain, wrongs = check_data(kind, data)
    if plain is None:
        errors = tuple(_finding(text, ("data", *place), message) for place, message in wrongs)
        return CheckedDocument(kind, None, errors, (), text)
    unused = tuple(_unused(kind, text))
    if kind == "repository":
        unused += tuple(_finding(text, *found) for found in _unknown_variables(plain))
    if kind in schema.OPTIONS:
        plain["options"] = [o for o in plain["options"] if o in schema.OPTIONS[kind]]
    return CheckedDocument(kind, plain, (), unused, text, read)


def check_data(kind: str, data: Any) -> tuple[dict[str, Any] | None, tuple[tuple[Place, str], ...]]:
    """The checked `data` of a document of `kind`; or null, and the places at fault."""
    try:
        model = schema.MODELS[kind].model_validate(data)
    except ValidationError as failure:
        details = failure.errors(include_url=False)
        return None, tuple((_place(detail), _message(kind, detail)) for detail in details)
    return model.model_dump(mode="json"), ()


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean `x`?` where `known` has something like `word`, else nothing."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean `{found[0]}`?" if found else ""


def _finding(text: YamlText, place: Place, message: str) -> Finding:
    return Finding(place, text.line_of(place), message)


def _kind(text: YamlText) -> tuple[str | None, Finding | None]:
    """The document's type without its prefix, and what is wrong with its head."""
    head = text.data
    if not isinstance(head, dict):
        return None, _finding(text, (), "expected a mapping with `document`, `version` and `data`")
    name = head.get("document")
    known = [p + k for p in _PREFIXES for k in (*schema.MODELS, *_ALIASES) if k != "objective"]
    known.append(_OURS)
    if not isinstance(name, str):
        return None, _finding(
            text, ("document",), f"expected the document's type, such as `{known[0]}`"
        )
    if name not in known:
        expected = ", ".join(sorted({k for k in known if not k.startswith(_PREFIXES[1])}))
        message = f"unknown document type `{name}`; expected one of {expected}{near(name, known)}"
        return None, _finding(text, ("document",), message)
    kind = "objective"
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            kind = name.removeprefix(prefix)
    kind = _ALIASES.get(kind, kind)
    version = head.get("version")
    if version is None:
        return kind, _finding(text, ("version",), f"expected `version: {_version(kind)}`")
    if version != _version(kind) and kind in ("repository", "objective"):
        hint = ""
        if kind == "repository" and version == "1":
            hint = ": state its repositories under `data.source.repos`"
        message = f"version {version} is not read; expected version {_version(kind)}{hint}"
        return kind, _finding(text, ("version",), message)
    return kind, None


def _version(kind: str) -> str:
    return "2" if kind == "repository" else "1"


def _place(detail: ErrorDetails) -> Place:
    return tuple(step for step in detail["loc"] if step != "[key]")


_SAID = 200
_EXPECTED = {
    "string_type": "expected text",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a number",
    "too_short": "expected at least one",
    "int_parsing_size": "expected a whole number that a computer counts to",
    "less_than_equal": "expected at most {le}",
    "greater_than_equal": "expected {ge} or more",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "date_from_datetime_parsing": "expected a date such as 2027-03-01",
    "date_parsing": "expected a date such as 2027-03-01",
    "date_type": "expected a date such as 2027-03-01",
}
_PATTERNS = {
    "modules": "expected `name:stream`",
    "module_platform": "expected `platform:` and its stream, such as `platform:el9`",
    "dist": "expected a dot and a suffix, such as `.el9`",
    "releasever": "expected a release such as `10` or `rawhide`",
}


def _message(kind: str, detail: ErrorDetails) -> str:
    place, type_, value = _place(detail), detail["type"], detail["input"]
    last = next((str(step) for step in reversed(place) if isinstance(step, str)), "")
    context = detail.get("ctx") or {}
    if type_ == "missing":
        return f"`{last}` is missing, and every {kind} must say it"
    if type_ == "extra_forbidden":
        known = [name for name, _ in _fields(schema.MODELS[kind], place)]
        return f"unknown key `{last}`; expected one of {', '.join(known)}{near(last, known)}"
    if type_ == "value_error":
        return str(context.get("error", detail["msg"]))
    if type_ == "string_pattern_mismatch":
        return f"{_PATTERNS.get(last, detail['msg'])}, not `{value}`"
    expected = _EXPECTED.get(type_)
    if expected is None:
        return str(detail["msg"])
    bounds = {name: f"{bound:g}" if isinstance(bound, float) else bound
              for name, bound in detail.get("ctx", {}).items()}  # fmt: skip
    return f"{expected.format(**bounds)}, not {_said(value)}"


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    text = str(value)
    return f"`{text}`" if len(text) <= _SAID else f"`{text[:_SAID]}\N{HORIZONTAL ELLIPSIS}`"


def _fields(model: type[BaseModel], place: Place) -> Iterator[tuple[str, Any]]:
    """The fields of the model that holds the last step of `place`: top, or one level below."""
    if len(place) > 1:
        inner = model.model_fields.get(str(place[0]))
        for part in _models_of(inner.annotation if inner else None):
            yield from part.model_fields.items()
            return
    yield from model.model_fields.items()


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's annotation names, through lists, mappings and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_of(part)


def _unused(kind: str, text: YamlText) -> Iterator[Finding]:
    """The fields of an accepted document that nothing uses."""
    data = text.data["data"]
    if text.data["version"] != _version(kind):
        version = _version(kind)
        message = f"read as version {version}, the only one that is known"
        yield _finding(text, ("version",), message)
    for name, line in text.repeated:
        yield Finding((name,), line, f"`{name}` stands twice; the last one counts")
    yield from _unknown_keys(text, ("data",), data, schema.MODELS[kind])
    yield from _unknown_arches(text, ("data",), data)
    for index, option in enumerate(data.get("options") or [] if kind in schema.OPTIONS else []):
        if option not in schema.OPTIONS[kind]:
            message = f"option `{option}` is not known{near(option, schema.OPTIONS[kind])}"
            yield _finding(text, ("data", "options", index), message)
    if kind == "workload":
        yield from _placeholders(text, data.get("package_placeholders", []))


def _unknown_keys(
    text: YamlText, place: Place, data: Any, model: type[BaseModel]
) -> Iterator[Finding]:
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _unknown_keys(text, (*place, index), item, model)
        return
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        known = model.model_fields.get(key)
        if known is None:
            message = f"`{key}` is not known here{near(key, model.model_fields)}"
            yield _finding(text, (*place, key), message)
            continue
        for inner in _models_of(known.annotation):
            if "dict[" in str(known.annotation) and isinstance(value, dict):
                for id_, item in value.items():
                    yield from _unknown_keys(text, (*place, key, id_), item, inner)
            else:
                yield from _unknown_keys(text, (*place, key), value, inner)


def _unknown_arches(text: YamlText, place: Place, data: Any) -> Iterator[Finding]:
    """Architectures that are dropped, wherever a document lists or maps them."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _unknown_arches(text, (*place, index), item)
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        if key in ("architectures", "limit_arches") and isinstance(value, list):
            listed: Iterable[tuple[str | int, Any]] = enumerate(value)
        elif key in ("base_buildroot", "source_packages") or "arch_" in str(key):
            listed = ((arch, arch) for arch in value) if isinstance(value, dict) else ()
        else:
            yield from _unknown_arches(text, (*place, key), value)
            continue
        for step, arch in listed:
            if arch not in RPM_ARCHITECTURES:
                meant = near(str(arch), RPM_ARCHITECTURES)
                message = f"unknown architecture `{arch}` is dropped{meant}"
                yield _finding(text, (*place, key, step), message)


def _unknown_variables(plain: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    source = plain["source"]
    known = {*BUILT_IN, *source["variables"]}
    for id_, repo in source["repos"].items():
        for name in ("baseurl", "metalink", "mirrorlist", "gpgkey"):
            values = repo[name]
            texts = [values] if isinstance(values, str) else values or []
            for variable in sorted({v for t in texts for v in variables_in(t)} - known):
                message = (
                    f"`${variable}` in `{name}` of `{id_}` has no value, and stays as it is:"
                    " give it one in `source.variables`"
                )
                yield ("data", "source", "repos", id_, name), message


def _placeholders(text: YamlText, data: Any) -> Iterator[Finding]:
    place: Place = ("data", "package_placeholders")
    if not isinstance(data, list):
        if data:
            yield _finding(text, place, "expected a list of placeholders: these are ignored")
        return
    for index, srpm in enumerate(data):
        if not srpm.get("srpm_name"):
            yield _finding(text, (*place, index), "a placeholder without `srpm_name` is skipped")
        for inner, rpm in enumerate(srpm.get("rpms") or []):
            if not rpm.get("rpm_name"):
                message = "a package without `rpm_name` is skipped"
                yield _finding(text, (*place, index, "rpms", inner), message)
