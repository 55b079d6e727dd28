"""Checks one document's text: its data, or the places at fault and what is expected there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from bot.distro.documents import (
    KINDS,
    OPTIONS,
    Document,
    EnvironmentDocument,
    RepositoryDocument,
    ViewDocument,
    WorkloadDocument,
)
from bot.distro.repofile import with_repofiles
from bot.distro.validation import (
    InvalidDataError,
    Place,
    Problem,
    dotted,
    inner_types,
    keys_of,
    near,
    shown,
    validated,
)
from bot.distro.variables import BUILT_IN, variables_in
from bot.model.architecture import DEFAULT_ARCHITECTURES, RPM_ARCHITECTURES, meant_architecture
from bot.yamltext import YamlError, YamlText, parse_yaml

_PREFIXES = ("feedback-pipeline-", "content-resolver-")
_ALIASES = {"compose-view": "view"}
_OURS = "minimize-objective"


@dataclass(frozen=True, slots=True)
class Finding:
    """A message about one place of a document; `line` is null for the file as a whole."""

    place: Place
    line: int | None
    message: str

    @property
    def field(self) -> str:
        """The place as people write it: `data.source.repos.baseos.baseurl`."""
        return dotted(self.place)


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """A document and its `kind`; the document is null if it is refused: `errors` say why.

    `unused` are messages on what is accepted and has no effect. `read` has the sha256 of other
    files that it includes, by path.
    """

    kind: str | None
    document: Document | None
    errors: tuple[Finding, ...] = ()
    unused: tuple[Finding, ...] = ()
    text: YamlText | None = field(default=None, repr=False)
    read: Mapping[str, str] = field(default_factory=dict)

    def line_of(self, place: Place) -> int:
        """The line of `place`; 1 if the text could not be read."""
        return self.text.line_of(place) if self.text else 1


def check_text(
    content: bytes, id_: str, folder: Path | None = None, *, without: Collection[str] = ()
) -> CheckedDocument:
    """Read and check the YAML text of one document, and the `.repo` files that it names.

    Relative paths of these begin at `folder`. Documents of a kind in `without` are not read beyond
    their kind.
    """
    try:
        text = parse_yaml(content)
    except YamlError as error:
        return CheckedDocument(None, None, (Finding((), error.line, f"not YAML: {error}"),))
    kind, finding = _kind(text)
    if kind is None or finding is not None or kind in without:
        return CheckedDocument(kind, None, (finding,) if finding else (), (), text)
    data = text.data.get("data")
    read: Mapping[str, str] = {}
    errors: list[Finding] = []
    document = None
    if data is None:
        errors.append(_finding(text, ("data",), "expected a mapping here"))
    if kind == "repository":
        data, read, unread = with_repofiles(data, folder or Path())
        errors += [_finding(text, *problem) for problem in unread]
    if not errors:
        try:
            document = check_data(kind, id_, data)
        except InvalidDataError as error:
            errors += [_finding(text, ("data", *p.place), p.message) for p in error.problems]
    if document is None:
        return CheckedDocument(kind, None, tuple(errors), (), text)
    unused = tuple(_unused(kind, document, text))
    return CheckedDocument(kind, document, (), unused, text, read)


def check_data(kind: str, id_: str, data: Any) -> Document:
    """The document of `kind` with `data`. Raises InvalidDataError with the places at fault."""
    if not isinstance(data, dict):
        raise InvalidDataError((Problem((), f"expected a mapping, not {shown(data)}"),))
    source: Any = data.get("source")
    if kind == "repository" and not isinstance(source, dict):
        return _without_source(id_, data)
    values = _from_source(data, source) if kind == "repository" else data
    type_, _ = KINDS[kind]
    checked = validated(type_, {**values, "id": id_}, kind, lambda place: _in_yaml(place, data))
    if isinstance(checked, ViewDocument) and kind == "view-addon" and checked.base_view_id is None:
        message = "`base_view_id` is missing, and every view-addon must have it"
        raise InvalidDataError((Problem(("base_view_id",), message),))
    if isinstance(checked, EnvironmentDocument | WorkloadDocument):
        return replace(checked, options=tuple(o for o in checked.options if o in OPTIONS[kind]))
    return checked


def _without_source(id_: str, data: Mapping[str, Any]) -> NoReturn:
    """Raise InvalidDataError for what is wrong in a repository document outside `source`."""
    message = "`source` is missing, and every repository must have it"
    if "source" in data:
        message = f"expected a mapping, not {shown(data['source'])}"
    try:
        check_data("repository", id_, {**data, "source": {}})
    except InvalidDataError as error:
        others = tuple(p for p in error.problems if p.place[:1] != ("source",))
    raise InvalidDataError((*others, Problem(("source",), message)))


def _from_source(data: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """A repository document's data with the keys of `source` moved up beside the rest."""
    own = {k: v for k, v in data.items() if _is_beside(k, source)}
    below = {k: source[k] for k in RepositoryDocument.in_source if k in source}
    return {"architectures": DEFAULT_ARCHITECTURES, **below, **own}


def _is_beside(key: str, source: Mapping[str, Any]) -> bool:
    """Return whether a key beside `source` counts: `source` cannot have it, or does not."""
    if key in RepositoryDocument.beside_source:
        return not source.get(key)
    return key not in RepositoryDocument.in_source


def _in_yaml(place: Place, data: Mapping[str, Any]) -> Place:
    """The place of a repository document's field in its YAML; in other documents the places are the
    same."""
    if "source" not in data or not place or place[0] not in RepositoryDocument.in_source:
        return place
    if place[0] == "repos" and place[2:3] == ("access",):
        place = (*place[:2], *place[3:])
    key = str(place[0])
    return place if key in data and _is_beside(key, data["source"]) else ("source", *place)


def _finding(text: YamlText, place: Place, message: str) -> Finding:
    return Finding(place, text.line_of(place), message)


def _kind(text: YamlText) -> tuple[str | None, Finding | None]:
    """The document's type without its prefix, null if it cannot be read, and the first message on
    its head, null if there is none.
    """
    head = text.data
    if not isinstance(head, dict):
        return None, _finding(text, (), "expected a mapping with `document`, `version` and `data`")
    name = head.get("document")
    known = [p + k for p in _PREFIXES for k in (*KINDS, *_ALIASES) if k != "objective"]
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


def _unused(kind: str, document: Document, text: YamlText) -> Iterator[Finding]:
    """Messages on fields of an accepted document that nothing uses."""
    data = text.data["data"]
    if text.data["version"] != _version(kind):
        version = _version(kind)
        message = f"read as version {version}, the only one that is known"
        yield _finding(text, ("version",), message)
    for name, line in text.repeated:
        yield Finding((name,), line, f"`{name}` is repeated; the last one counts")
    keys = keys_of(type(document))
    if isinstance(document, RepositoryDocument):
        below = {key: keys[key] for key in (*document.in_source, *document.more_keys)}
        yield from _unknown_keys(text, ("data", "source"), data["source"], below)
        beside = {k: v for k, v in keys.items() if k not in below or k in document.beside_source}
        keys = beside | {"source": Any}
    yield from _unknown_keys(text, ("data",), data, keys)
    yield from _unknown_arches(text, ("data",), data)
    for index, option in enumerate(data.get("options") or [] if kind in OPTIONS else []):
        if option not in OPTIONS[kind]:
            message = f"option `{option}` is not known{near(option, OPTIONS[kind])}"
            yield _finding(text, ("data", "options", index), message)
    if kind == "workload":
        yield from _placeholders(text, data.get("package_placeholders", []))
    if isinstance(document, RepositoryDocument):
        yield from (_finding(text, *problem) for problem in _unknown_variables(document))


def _unknown_keys(
    text: YamlText, place: Place, data: Any, keys: Mapping[str, Any]
) -> Iterator[Finding]:
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _unknown_keys(text, (*place, index), item, keys)
        return
    for key, value in data.items() if isinstance(data, dict) else ():
        if key not in keys:
            message = f"`{key}` is not known here{near(key, keys)}"
            yield _finding(text, (*place, key), message)
            continue
        for is_mapping, inner in inner_types(keys[key]):
            if is_mapping and isinstance(value, dict):
                for id_, item in value.items():
                    yield from _unknown_keys(text, (*place, key, id_), item, keys_of(inner))
            else:
                yield from _unknown_keys(text, (*place, key), value, keys_of(inner))


def _unknown_arches(text: YamlText, place: Place, data: Any) -> Iterator[Finding]:
    """Messages on unknown architectures in lists and mappings; these entries are dropped."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _unknown_arches(text, (*place, index), item)
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        if key in ("architectures", "limit_arches") and isinstance(value, list):
            entries: Iterable[tuple[str | int, Any]] = enumerate(value)
        elif key in ("base_buildroot", "source_packages") or "arch_" in str(key):
            entries = ((arch, arch) for arch in value) if isinstance(value, dict) else ()
        else:
            yield from _unknown_arches(text, (*place, key), value)
            continue
        for step, arch in entries:
            meant = meant_architecture(str(arch))
            hint = f"; did you mean `{meant}`?" if meant else ""
            if arch not in RPM_ARCHITECTURES:
                message = f"unknown architecture `{arch}` is dropped{hint}"
                yield _finding(text, (*place, key, step), message)
            elif arch == "amd64":  # rpm knows it, but no repository folder has this name
                message = f"no repository is called `{arch}`{hint}"
                yield _finding(text, (*place, key, step), message)


def _unknown_variables(document: RepositoryDocument) -> Iterator[tuple[Place, str]]:
    known = {*BUILT_IN, *document.variables}
    for repo in document.repos:
        for name in ("baseurl", "metalink", "mirrorlist", "gpgkey"):
            values = getattr(repo, name)
            texts = [values] if isinstance(values, str) else values or []
            for variable in sorted({v for t in texts for v in variables_in(t)} - known):
                message = (
                    f"`${variable}` in `{name}` of `{repo.id}` has no value, and stays as it is:"
                    " give it one in `source.variables`"
                )
                yield ("data", "source", "repos", repo.id, name), message


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
