"""`.minimize.yaml`: what a repository says of its own checks, read from the base branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bot.check.compare import Thresholds
from bot.distro import ObjectiveDocument
from bot.errors import UsageError

if TYPE_CHECKING:
    from pydantic import ValidationError

FILE_NAME = ".minimize.yaml"


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """The repository's own settings; every field may be left out.

    `repositories`: branch globs and the ids of repository documents that such branches stand for,
    first match wins; empty: all documents. `workloads` and `architectures` narrow the images.
    `builder`: its name, `none` for no build, or null for the default. `definitions`: further
    macros for evaluation and build. `lookaside`: URL template of the dist-git lookaside cache.
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

    def repositories_of(self, branch: str) -> tuple[str, ...]:
        """Ids of the repository documents that `branch` stands for; empty for all."""
        for pattern, ids in self.repositories:
            if fnmatchcase(branch, pattern):
                return ids
        return ()


def read_repository_file(content: bytes | None) -> RepositoryFile:
    """The settings in a `.minimize.yaml`; None (there is no such file) gives the defaults.

    Raises UsageError that names each wrong field.
    """
    if content is None:
        return RepositoryFile()
    import yaml
    from pydantic import ValidationError

    from bot.check.repository_schema import RepositoryFileModel
    from bot.distro import objective_from_data, parse_size

    try:
        data = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise UsageError(f"{FILE_NAME} on the base branch is not YAML: {error}") from error
    try:
        model = RepositoryFileModel.model_validate(data if data is not None else {})
    except ValidationError as error:
        raise UsageError(_say(error), f"See the README for the fields of {FILE_NAME}.") from error
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


def _say(error: ValidationError) -> str:
    places = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"]) or "the file"
        places.append(f"{place}: {item['msg']}")
    return f"{FILE_NAME} on the base branch is not right: " + "; ".join(places) + "."
