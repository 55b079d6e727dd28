"""A configuration directory: all its documents, or all that is wrong with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.distro.documents import MAX_BYTES, Configuration
from bot.distro.plain import document_from
from bot.distro.repofiles import checksum_of
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.distro.cache import Cache
    from bot.distro.check import CheckedDocument

# The server's settings live in the same folder; they are no document.
SETTINGS_FILE = "bot.yaml"
_FIELDS = {
    "repository": "repositories",
    "environment": "environments",
    "workload": "workloads",
    "unwanted": "unwanted",
    "label": "labels",
    "view": "views",
    "view-addon": "views",
    "buildroot": "buildroots",
    "objective": "objectives",
}
_NO_NAME = "its file name is not UTF-8, and is the document's id: rename it"
_MISNAMED = (
    ("*.yml", "not read: a document's file name ends in `.yaml`"),
    ("*.yaml", "not read: it is no file"),
)
# A configuration that these files accepted is accepted until one of them changes.
_CHECKERS = (
    *("check.py", "load.py", "plain.py", "references.py", "repofile.py", "repofiles.py"),
    *("schema.py", "variables.py", "yamltext.py"),
)


@dataclass(frozen=True, order=True, slots=True)
class DocumentProblem:
    """A message about one place of a file; `line` from 1, `field` dotted or empty."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f" {self.field}:" if self.field else ""
        return _printable(f"{self.file}:{self.line}:{field} {self.message}")


def _is_text(name: str) -> bool:
    """Return whether a file's name can be written: no bytes in it that are no UTF-8."""
    return not any("\ud800" <= c <= "\udfff" for c in name)


def _printable(text: str) -> str:
    """`text` with what no terminal should be sent as Python writes it: `\\x1b`, `\\udcff`."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True, slots=True)
class ConfigurationReport:
    """`documents` is the number of YAML files read, refused ones too. Sorted by file and line."""

    documents: int
    errors: tuple[DocumentProblem, ...]
    unused: tuple[DocumentProblem, ...]


class ConfigurationError(UsageError):
    """Documents are refused; `problems` has every place."""

    def __init__(self, directory: Path, problems: tuple[DocumentProblem, ...]) -> None:
        many = f"{len(problems)} problems" if len(problems) > 1 else "A problem"
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{many} in the configuration {directory}:\n{listed}")
        self.problems = problems


def load_configuration(directory: Path, *, cache: Cache | None = None) -> Configuration:
    """All documents of `directory` (sub-folders are not read).

    With `cache`, a configuration that was once found good is not parsed and checked again while
    its files' contents stay the same. Raises ConfigurationError listing every place at fault.
    """
    contents = documents_in(directory)
    remembered = cache.root / "configuration" / f"{_key(contents)}.json" if cache else None
    if remembered is not None:
        try:
            known = json.loads(remembered.read_bytes())
            if all(checksum_of(Path(path)) == said for path, said in known["read"].items()):
                return _configuration(known["documents"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not there yet, or damaged: both are mended by reading the documents
    checked, report = _check(directory, contents)
    if report.errors:
        raise ConfigurationError(directory, report.errors)
    plain = [[c.kind, id_, c.plain] for id_, c in checked.items()]
    if cache is not None and remembered is not None:
        read = {path: said for c in checked.values() for path, said in c.read.items()}
        cache.write(remembered, json.dumps({"read": read, "documents": plain}).encode())
    return _configuration(plain)


def check_configuration(directory: Path) -> ConfigurationReport:
    """Reads every document anew and says what is wrong, and what is said to nobody."""
    return _check(directory, documents_in(directory))[1]


def check_together(directory: Path, beside: Path) -> ConfigurationReport:
    """The same of the documents of `directory` once they stand beside those of another.

    Of the other's only what is wrong with them is told; of two with one name `directory`'s counts.
    """
    new, there = documents_in(directory), documents_in(beside)
    _, both = _check(
        directory, {**there, **new}, {name: beside for name in there if name not in new}
    )
    return ConfigurationReport(
        documents=len(new),
        errors=both.errors,
        unused=tuple(p for p in both.unused if Path(p.file).parent == directory),
    )


def documents_in(directory: Path) -> dict[str, bytes]:
    """The YAML files' contents by name, in order of names."""
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
    """All of a file that may be a document; of a larger one enough to tell that it is none."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _key(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in _CHECKERS:
        status = (Path(__file__).parent / name).stat()
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    for name, content in contents.items():
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _configuration(
    plain: Iterable[tuple[str, str, Mapping[str, Any]] | list[Any]],
) -> Configuration:
    documents: dict[str, dict[str, Any]] = {field: {} for field in _FIELDS.values()}
    for kind, id_, data in plain:
        documents[_FIELDS[kind]][id_] = document_from(kind, id_, data)
    return Configuration(**documents)


def _check(
    directory: Path, contents: Mapping[str, bytes], elsewhere: Mapping[str, Path] | None = None
) -> tuple[dict[str, CheckedDocument], ConfigurationReport]:
    from bot.distro.check import Finding, check_text
    from bot.distro.references import cross_check

    places = elsewhere or {}
    checked = {
        name.removesuffix(".yaml"): check_text(text, places.get(name, directory))
        for name, text in contents.items()
    }
    good = [[c.kind, id_, c.plain] for id_, c in checked.items() if c.plain is not None]
    more_errors, more_unused = cross_check(checked, _configuration(good))
    errors = [(id_, finding) for id_, c in checked.items() for finding in c.errors]
    errors += [(id_, Finding((), 1, _NO_NAME)) for id_ in checked if not _is_text(id_)]
    unused = [(id_, finding) for id_, c in checked.items() for finding in c.unused]

    def placed(found: Iterable[tuple[str, Any]]) -> tuple[DocumentProblem, ...]:
        return tuple(
            sorted(
                DocumentProblem(
                    str(places.get(f"{id_}.yaml", directory) / f"{id_}.yaml"),
                    f.line,
                    f.field,
                    f.message,
                )
                for id_, f in found
            )
        )

    misnamed = [
        DocumentProblem(str(path), 1, "", message)
        for pattern, message in _MISNAMED
        for path in sorted(directory.glob(pattern))
        if pattern == "*.yml" or not path.is_file()
    ]
    return checked, ConfigurationReport(
        documents=len(contents),
        errors=placed([*errors, *more_errors]),
        unused=(*placed([*unused, *more_unused]), *misnamed),
    )
