"""Loads a configuration directory, with all its errors; imports one from Content Resolver.

A content-resolver-input tree is checked first, and copied only if all of it is valid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from bot import limits
from bot.distro.documents import KINDS, Configuration, Document
from bot.distro.images import image_keys
from bot.distro.repofile import checksum_of
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.distro.cache import Cache
    from bot.distro.check import CheckedDocument

# The server's settings are in the same folder and are not a document.
SETTINGS_FILE = "bot.yaml"
_NO_NAME = "its file name is not UTF-8, and is the document's id: rename it"
_MISNAMED = (
    ("*.yml", "not read: a document's file name ends in `.yaml`"),
    ("*.yaml", "not read: it is no file"),
)


@dataclass(frozen=True, slots=True)
class DocumentProblem:
    """A message about one place of a file; `line` counts from 1, null for the file as a whole;
    `field` is dotted or empty."""

    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        field = f" {self.field}:" if self.field else ""
        return _printable(f"{self.place}:{field} {self.message}")

    @property
    def place(self) -> str:
        """The file, and the line if there is one."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def order(self) -> tuple[str, int, str, str]:
        """The key by which they are sorted: what is about a whole file comes first."""
        return self.file, self.line or 0, self.field, self.message


def _is_text(name: str) -> bool:
    """Return whether a file's name is valid UTF-8."""
    return not any("\ud800" <= c <= "\udfff" for c in name)


def _printable(text: str) -> str:
    """`text` with characters that a terminal should not get escaped as in Python: `\\x1b`,
    `\\udcff`."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True, slots=True)
class ConfigurationReport:
    """The problems of a configuration, sorted by file and line; in `unused`, files whose names are
    wrong come last. `documents` is the number of YAML files read, including refused ones.
    """

    documents: int
    errors: tuple[DocumentProblem, ...]
    unused: tuple[DocumentProblem, ...]


class ConfigurationError(UsageError):
    """The configuration has refused documents; `problems` has every place."""

    def __init__(self, directory: Path, problems: tuple[DocumentProblem, ...]) -> None:
        many = f"{len(problems)} problems" if len(problems) > 1 else "A problem"
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{many} in the configuration {directory}:\n{listed}")
        self.problems = problems


def load_configuration(directory: Path, *, cache: Cache | None = None) -> Configuration:
    """Load all documents of `directory` (without sub-folders).

    With `cache`, a configuration that was valid is not parsed and checked again while its files'
    contents stay the same. Raises ConfigurationError listing every place at fault.
    """
    contents = documents_in(directory)
    remembered = cache.root / "configuration" / f"{_key(contents)}.json" if cache else None
    if remembered is not None:
        try:
            stored = json.loads(remembered.read_bytes())
            if all(
                checksum_of(Path(path)) == checksum for path, checksum in stored["read"].items()
            ):
                return _configuration(
                    {
                        i: (k, from_json(KINDS[k][0], plain))
                        for i, (k, plain) in stored["documents"].items()
                    }
                )
        except (OSError, ValueError, KeyError, TypeError):
            pass  # missing or damaged: the documents are read instead
    checked, report = _check(directory, contents)
    if report.errors:
        raise ConfigurationError(directory, report.errors)
    good = _valid_documents(checked)
    if cache is not None and remembered is not None:
        read = {path: checksum for c in checked.values() for path, checksum in c.read.items()}
        documents = {id_: (kind, asdict(document)) for id_, (kind, document) in good.items()}
        content = {"read": read, "documents": documents}
        cache.write(remembered, json.dumps(content, default=_json_value).encode())
    return _configuration(good)


def check_configuration(directory: Path) -> ConfigurationReport:
    """The errors of all documents, read anew, and what has no effect."""
    return _check(directory, documents_in(directory))[1]


def check_together(directory: Path, beside: Path) -> ConfigurationReport:
    """As `check_configuration`, for the documents of `directory` together with those of another.

    Of the other's documents only errors are reported; of two with one name, `directory`'s counts.
    """
    new, existing = documents_in(directory), documents_in(beside)
    _, both = _check(
        directory, {**existing, **new}, {name: beside for name in existing if name not in new}
    )
    return ConfigurationReport(
        documents=len(new),
        errors=both.errors,
        unused=tuple(p for p in both.unused if Path(p.file).parent == directory),
    )


def documents_in(directory: Path) -> dict[str, bytes]:
    """The contents of the YAML files by name, in order of names."""
    try:
        names = sorted(
            entry.name
            for entry in directory.iterdir()
            if entry.name.endswith(".yaml")
            and entry.name != SETTINGS_FILE
            and not entry.name.startswith(".")
            and entry.is_file()
        )
        return {name: _content(directory / name) for name in names}
    except OSError as error:
        raise UsageError(
            f"The configuration {directory} cannot be read: {error.strerror}.",
            "Name a directory of YAML documents with --config.",
        ) from error


def _content(path: Path) -> bytes:
    """The content of a file that may be a document; of one above the limit only enough to see
    that."""
    with path.open("rb") as file:
        return file.read(limits.YAML + 1)


def _key(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    # A configuration that this code accepted stays accepted until the code changes.
    for path in sorted(Path(__file__).parent.glob("*.py")):
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    for name, content in contents.items():
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _json_value(value: Any) -> Any:
    """A value of YAML that JSON lacks (a date, or a set), for JSON."""
    return value.isoformat() if isinstance(value, date) else sorted(value)


def from_json(type_: Any, data: Any) -> Any:
    """The value of a dataclass from its JSON `data`; without checks, and without pydantic.

    Raises KeyError, TypeError or ValueError for data of another class.
    """
    if data is None:
        return None
    if is_dataclass(type_):
        cls: Any = type_
        hints = _hints(cls)
        return cls(**{name: from_json(hints[name], part) for name, part in data.items()})
    if type_ is date:
        return date.fromisoformat(data)
    origin, inner = get_origin(type_), get_args(type_)
    if origin in (tuple, frozenset):
        return origin(from_json(inner[0], part) for part in data)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: from_json(inner[1], part) for key, part in data.items()}
    dataclasses = [part for part in inner if is_dataclass(part)]
    return from_json(dataclasses[0], data) if dataclasses and isinstance(data, dict) else data


_hints = lru_cache(maxsize=64)(get_type_hints)


Good = Mapping[str, tuple[str, Document]]


def _valid_documents(checked: Mapping[str, CheckedDocument]) -> Good:
    """The documents that are not refused, by id, with their kinds."""
    return {
        id_: (c.kind, c.document)
        for id_, c in checked.items()
        if c.document is not None and c.kind is not None
    }


def configuration_of(checked: Mapping[str, CheckedDocument]) -> Configuration:
    """The configuration of the documents, by id, that are not refused."""
    return _configuration(_valid_documents(checked))


def _configuration(good: Good) -> Configuration:
    documents: dict[str, dict[str, Document]] = {field: {} for _, field in KINDS.values()}
    for id_, (kind, document) in good.items():
        documents[KINDS[kind][1]][id_] = document
    fields: Mapping[str, Any] = documents
    return replace(Configuration(), **fields)


def _check(
    directory: Path, contents: Mapping[str, bytes], elsewhere: Mapping[str, Path] | None = None
) -> tuple[dict[str, CheckedDocument], ConfigurationReport]:
    from bot.distro.check import Finding, check_text
    from bot.distro.references import cross_check

    places = elsewhere or {}
    checked = {
        (id_ := name.removesuffix(".yaml")): check_text(text, id_, places.get(name, directory))
        for name, text in contents.items()
    }
    more_errors, more_unused = cross_check(checked, configuration_of(checked))
    errors = [(id_, finding) for id_, c in checked.items() for finding in c.errors]
    errors += [(id_, Finding((), None, _NO_NAME)) for id_ in checked if not _is_text(id_)]
    unused = [(id_, finding) for id_, c in checked.items() for finding in c.unused]

    def placed(findings: Iterable[tuple[str, Any]]) -> tuple[DocumentProblem, ...]:
        problems = (
            DocumentProblem(
                str(places.get(f"{id_}.yaml", directory) / f"{id_}.yaml"),
                f.line,
                f.field,
                f.message,
            )
            for id_, f in findings
        )
        return tuple(sorted(problems, key=lambda problem: problem.order))

    misnamed = [
        DocumentProblem(str(path), None, "", message)
        for pattern, message in _MISNAMED
        for path in sorted(directory.glob(pattern))
        if pattern == "*.yml" or not path.is_file()
    ]
    return checked, ConfigurationReport(
        documents=len(contents),
        errors=placed([*errors, *more_errors]),
        unused=(*placed([*unused, *more_unused]), *misnamed),
    )


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: the `copied` file names, and the `images` that can now be
    tracked."""

    report: ConfigurationReport
    copied: tuple[str, ...] = ()
    images: int = 0


def import_content_resolver(tree: Path, config: Path) -> Imported:
    """Copy the documents of `tree` (or of its `configs` folder) into `config`.

    Nothing is copied if a document is refused, or one of `config` together with them; the report
    says where. Raises UsageError for a file that exists with other contents.
    """
    source = tree / "configs" if (tree / "configs").is_dir() else tree
    documents = documents_in(source)
    if not documents:
        raise UsageError(
            f"There are no documents in {source}.",
            "Name a content-resolver-input checkout, or the folder of its YAML documents.",
        )
    existing = documents_in(config) if config.exists() else {}
    report = check_together(source, config) if existing else check_configuration(source)
    if report.errors:
        return Imported(report)
    conflicting = [
        name for name, content in documents.items() if existing.get(name, content) != content
    ]
    if conflicting:
        raise UsageError(
            f"{config} has other documents of the same name: {', '.join(conflicting[:10])}.",
            "Move them away first, or name another folder with --config.",
        )
    config.mkdir(parents=True, exist_ok=True)
    for name, content in documents.items():
        _write(config / name, content)
    return Imported(report, tuple(documents), len(image_keys(load_configuration(config))))


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically: a partial document would break the next import."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)
