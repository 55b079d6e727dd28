"""`.minimize.yaml`: what a repository says of its own checks, read from the base branch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bot.check.compare import Thresholds
from bot.check.duration import parse_duration
from bot.distro import ObjectiveDocument
from bot.errors import UsageError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from bot.check.repository_schema import ExternalModel
    from bot.distro.yamltext import YamlText

FILE_NAME = ".minimize.yaml"
_BRANCH = re.compile(r"^(str|dict|list|[a-z-]+\[.*\])$")


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
        """What `{chroot}` stands for; null where nothing is built there."""
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


def read_repository_file(content: bytes | None) -> RepositoryFile:
    """The settings in a `.minimize.yaml`; None (there is no such file) gives the defaults.

    Raises UsageError that names each wrong field.
    """
    if content is None:
        return RepositoryFile()
    from pydantic import ValidationError

    from bot.check.repository_schema import RepositoryFileModel
    from bot.distro import objective_from_data, parse_size
    from bot.distro.yamltext import YamlError, parse_yaml

    try:
        text = parse_yaml(content)
    except YamlError as error:
        raise _refused([f"{FILE_NAME}:{error.line}: not YAML: {error}"]) from error
    if text.repeated:
        raise _refused(f"{FILE_NAME}:{line}: {key}: stands twice" for key, line in text.repeated)
    try:
        model = RepositoryFileModel.model_validate(text.data if text.data is not None else {})
    except ValidationError as error:
        raise _refused(_places(error, text)) from error
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


def _refused(places: Iterable[str]) -> UsageError:
    return UsageError(
        f"{FILE_NAME} on the base branch is not right: {'; '.join(dict.fromkeys(places))}.",
        f"See the README for the fields of {FILE_NAME}.",
    )


def _places(error: ValidationError, text: YamlText) -> Iterator[str]:
    """`file:line: field: what is wrong` of each place."""
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        # pydantic names the branches of a union in the place; the file has no such fields.
        steps = [s for s in item["loc"] if not (isinstance(s, str) and _BRANCH.search(s))]
        name = ".".join(str(step) for step in steps) or "the file"
        message = item["msg"].removeprefix("Value error, ")
        yield f"{FILE_NAME}:{text.line_of(tuple(steps))}: {name}: {message}"
