"""`.minimize.yaml`: what a repository says of its own checks, read from the base branch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from bot.check.compare import Thresholds
from bot.distro.documents import ObjectiveDocument
from bot.distro.quantities import parse_duration
from bot.errors import UsageError
from bot.model.result import REPOSITORY_FILE, FileProblem

if TYPE_CHECKING:
    from bot.check.repository_schema import ExternalModel, RepositoryFileModel
    from bot.distro.yamltext import YamlText

FILE_NAME = REPOSITORY_FILE
_BRANCH = re.compile(r"^(str|dict|list|[a-z-]+\[.*\])$")
# Beyond that it is no configuration; anybody may write one into a pull request.
_MAX_BYTES = 100_000
_MOST = 100


@dataclass(frozen=True, slots=True)
class ExternalBuild:
    """Packages that somebody else builds.

    `check` is a glob on the name of the check to wait for, for `deadline` seconds. `repository` and
    `base` (null: what is published) are URL templates of the head's and the base's packages.
    `chroots`: what `{chroot}` stands for by architecture, for each repository document (under ``
    for all); empty where no URL has it.
    """

    check: str
    repository: str
    deadline: float
    base: str | None = None
    chroots: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def chroot_of(self, document: str, arch: str) -> str | None:
        """The value of `{chroot}`; null where nothing is built there."""
        return (self.chroots.get(document) or self.chroots.get("") or {}).get(arch)


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """The repository's own settings; every field may be left out.

    `repositories`: branch globs and the ids of repository documents that such branches stand for,
    first match wins; empty: all documents. `workloads` and `architectures` narrow the images.
    `builder`: its name, `none` for no build, or null for the default; `external`: what the builder
    of that name needs. `definitions`: further macros for evaluation and build. `lookaside`: URL
    template of the dist-git lookaside cache.
    """

    repositories: tuple[tuple[str, tuple[str, ...]], ...] = ()
    workloads: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    builder: str | None = None
    dist: str | None = None
    definitions: Mapping[str, str] = field(default_factory=dict)
    lookaside: str | None = None
    thresholds: Thresholds | None = None
    objectives: tuple[ObjectiveDocument, ...] = ()
    external: ExternalBuild | None = None

    def repositories_of(self, branch: str) -> tuple[str, ...]:
        """Ids of the repository documents that `branch` stands for; empty for all."""
        for pattern, ids in self.repositories:
            if fnmatchcase(branch, pattern):
                return ids
        return ()


class RepositoryFileError(UsageError):
    """A file that is not right; `problems` has every place."""

    def __init__(self, problems: tuple[FileProblem, ...]) -> None:
        listed = problems[:_MOST]
        problems_text = "; ".join(map(str, listed))
        super().__init__(
            f"{FILE_NAME} on the base branch is not right: {problems_text}.",
            f"See the README for the fields of {FILE_NAME}.",
        )
        self.problems = listed


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that is right: what it means, and the fields as they are written.

    `values` has the text of each, by its dotted place; an objective's place has its name.
    """

    file: RepositoryFile
    values: Mapping[str, str]
    text: YamlText | None

    def line_of(self, *place: str | int) -> int:
        """The line, from 1, of a field."""
        return 1 if self.text is None else self.text.line_of(place)


def read_repository_file(content: bytes | None) -> RepositoryFile:
    """The settings in a `.minimize.yaml`; None (there is no such file) gives the defaults.

    Raises RepositoryFileError that names each wrong field.
    """
    return written_file(content).file


def written_file(content: bytes | None) -> WrittenFile:
    """The same, with the fields as they are written; safe to ask for a stranger's file."""
    if content is None:
        return WrittenFile(RepositoryFile(), {}, None)
    from bot.distro.yamltext import YamlError, parse_yaml

    if len(content) > _MAX_BYTES:
        problem = FileProblem(1, "", f"larger than {_MAX_BYTES} bytes")
        raise RepositoryFileError((problem,))
    try:
        text = parse_yaml(content)
    except YamlError as error:
        raise RepositoryFileError((FileProblem(error.line, "", f"not YAML: {error}"),)) from error
    except (ValueError, RecursionError) as error:
        problem = FileProblem(1, "", f"not YAML: {type(error).__name__}")
        raise RepositoryFileError((problem,)) from error
    data = {} if text.data is None else text.data
    model = _model(text, data)
    values = dict(_written(data, ""))
    return WrittenFile(_file(model), values, text)


def _model(text: YamlText, data: Any) -> RepositoryFileModel:
    from pydantic import ValidationError

    from bot.check.repository_schema import RepositoryFileModel

    problems = [FileProblem(line, key, "stands twice") for key, line in text.repeated]
    try:
        model = RepositoryFileModel.model_validate(data)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False, include_context=False):
            place = tuple(item["loc"])
            message = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                known = ", ".join(RepositoryFileModel.model_fields)
                message = f"no such field; there is {known}" if len(place) == 1 else "no such field"
            problems.append(_problem(text, place, message))
        raise RepositoryFileError(tuple(dict.fromkeys(problems))) from error
    problems += _objective_problems(text, model)
    if problems:
        raise RepositoryFileError(tuple(problems))
    return model


def _problem(text: YamlText, place: tuple[str | int, ...], message: str) -> FileProblem:
    # pydantic names the branches of a union in a place; the file has no such fields.
    steps = tuple(s for s in place if not (isinstance(s, str) and _BRANCH.search(s)))
    return FileProblem(text.line_of(steps), ".".join(map(str, steps)), message)


def _objective_problems(text: YamlText, model: RepositoryFileModel) -> Iterator[FileProblem]:
    from bot.distro.check import check_data

    for number, data in enumerate(model.objectives):
        _, errors = check_data("objective", {"description": "", "maintainer": "", **data})
        for place, message in errors:
            yield _problem(text, ("objectives", number, *place), message)


def _file(model: RepositoryFileModel) -> RepositoryFile:
    from bot.distro.objectives import objective_from_data
    from bot.distro.quantities import parse_size

    thresholds = None
    if model.thresholds is not None:
        default = Thresholds()
        size = model.thresholds.bytes
        thresholds = Thresholds(
            size=default.size if size is None else parse_size(size),
            percent=default.percent
            if model.thresholds.percent is None
            else model.thresholds.percent,
        )
    return RepositoryFile(
        repositories=_branches(model.repository),
        workloads=tuple(model.workloads),
        architectures=tuple(model.architectures),
        builder=model.builder,
        external=_external(model.external),
        dist=model.dist,
        definitions=dict(model.definitions),
        lookaside=model.lookaside,
        thresholds=thresholds,
        objectives=tuple(
            objective_from_data(f"{FILE_NAME}#{number}", item)
            for number, item in enumerate(model.objectives, 1)
        ),
    )


def _branches(
    value: str | list[str] | dict[str, str | list[str]] | None,
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if value is None:
        return ()
    if isinstance(value, dict):
        return tuple((glob, _ids(ids)) for glob, ids in value.items())
    return (("*", _ids(value)),)


def _ids(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _external(model: ExternalModel | None) -> ExternalBuild | None:
    if model is None:
        return None
    chroots: dict[str, dict[str, str]] = {}
    for name, value in model.chroots.items():
        if isinstance(value, dict):
            chroots[name] = {str(arch): chroot for arch, chroot in value.items()}
        else:
            chroots.setdefault("", {})[name] = value
    return ExternalBuild(
        check=model.check,
        repository=model.repository,
        deadline=parse_duration(model.deadline),
        base=model.base,
        chroots=chroots,
    )


def _written(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Fields of parsed YAML and their texts: `thresholds.bytes`, `objectives[small].limits`."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _written(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        for number, part in enumerate(value):
            name = part.get("name") if isinstance(part, dict) else None
            yield from _written(part, f"{place}[{name or number}]")
    elif isinstance(value, list):
        yield place, ", ".join("null" if part is None else str(part) for part in value) or "none"
    else:
        yield place, "null" if value is None else str(value)
