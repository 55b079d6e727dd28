"""`.minimize.yaml`: the settings of a repository for its own checks, read from the base branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from bot import limits
from bot.build.url_template import placeholders_in, project_problem, template_problem
from bot.check.compare import Thresholds
from bot.distro.fields import (
    EXACT,
    After,
    Before,
    Names,
    OneOrMany,
    Percent,
    Size,
    matching,
    no_mapping_is_empty,
    parse_duration,
)
from bot.distro.objectives import ObjectiveDocument
from bot.distro.validation import InvalidDataError, Place, dotted, validated
from bot.errors import UsageError
from bot.model.architecture import DEFAULT_ARCHITECTURES, RPM_ARCHITECTURES
from bot.model.result import REPOSITORY_FILE, FileProblem
from bot.requests.file_images import FileImage

if TYPE_CHECKING:
    from bot.yamltext import YamlText

# The number of problems that one error message lists.
_MOST = 100
# Seconds: no deadline is shorter than the polling interval, and no run waits longer than a week.
_SHORTEST, _LONGEST = 60.0, 7 * 86400.0


def _arch(value: str) -> str:
    if value not in RPM_ARCHITECTURES:
        common = ", ".join(DEFAULT_ARCHITECTURES)
        raise ValueError(f"expected an architecture by rpm's name, such as {common}")
    return value


def _template(value: str) -> str:
    problem = template_problem(value)
    if problem is not None:
        raise ValueError(problem)
    return value


def _project(value: str) -> str:
    problem = project_problem(value)
    if problem is not None:
        raise ValueError(problem)
    return value


def _names_the_change(value: str) -> str:
    if not placeholders_in(value) & {"number", "sha"}:
        raise ValueError("without {number} or {sha} it is the same for every change")
    return value


def _names_no_change(value: str) -> str:
    if "number" in placeholders_in(value):
        raise ValueError("{number} names the change, not its base")
    return value


def _deadline(value: str) -> float:
    seconds = parse_duration(value)
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ValueError("expected something between `1 min` and `7 d`")
    return seconds


def _below_documents(value: Any) -> Any:
    """Chroots by repository document; those for every document are under ""."""
    is_flat = isinstance(value, dict) and not any(isinstance(v, dict) for v in value.values())
    return {"": value} if value and is_flat else no_mapping_is_empty(value)


Arch = Annotated[str, After(_arch)]
Template = Annotated[str, After(_template)]
Project = Annotated[str, After(_project)]
Chroot = Annotated[
    str, matching(r"[A-Za-z0-9._+-]{1,100}", "expected a name such as `fedora-rawhide-x86_64`")
]


@dataclass(frozen=True, slots=True)
class ExternalBuild:
    """Packages that are built elsewhere.

    `check` is a glob for the name of the check to wait for, at most `deadline` seconds.
    `repository` and `base` (null: the published packages) are URL templates of the head's and the
    base's packages. Instead of `repository`, `service` names a build service of the server's
    settings, to which the check links; `project` is a template for Copr's owner and project if it
    does not link. `chroots` has the value of `{chroot}` by architecture for each repository
    document ("" for all); empty if no URL uses it.
    """

    __pydantic_config__: ClassVar = EXACT

    check: Annotated[str, matching(r"(?s).{1,200}", "expected 1 to 200 characters")]
    repository: Annotated[Template, After(_names_the_change)] | None = None
    service: str | None = None
    project: Annotated[Project, After(_names_the_change)] | None = None
    deadline: Annotated[float, After(_deadline, str)] = 7200.0
    base: Annotated[Template, After(_names_no_change)] | None = None
    chroots: Annotated[Mapping[str, Mapping[Arch, Chroot]], Before(_below_documents)] = field(
        default_factory=dict
    )

    def chroot_of(self, document: str, arch: str) -> str | None:
        """The value of `{chroot}`; null if nothing is built for the architecture."""
        return (self.chroots.get(document) or self.chroots.get("") or {}).get(arch)


def _fields_fit(external: ExternalBuild) -> ExternalBuild:
    if (external.repository is None) == (external.service is None):
        raise ValueError("give one of `repository` and `service`")
    if external.project is not None and external.service is None:
        raise ValueError("`project` is set, but no `service`")
    named = "chroot" in placeholders_in(f"{external.repository or ''}{external.base or ''}")
    if named and not external.chroots:
        raise ValueError("the URL contains {chroot}, but `chroots` is empty")
    if external.chroots and not named and external.service is None:
        raise ValueError("`chroots` is set, but no URL contains {chroot}")
    return external


@dataclass(frozen=True, slots=True)
class _ThresholdFields:
    """The size change from which a package counts as moved; both must be exceeded."""

    __pydantic_config__: ClassVar = EXACT

    bytes: Size | None = None
    percent: Percent | None = None


def _thresholds(fields: _ThresholdFields) -> Thresholds:
    default = Thresholds()
    return Thresholds(
        size=default.size if fields.bytes is None else fields.bytes,
        percent=default.percent if fields.percent is None else fields.percent,
    )


def _of_every_branch(value: Any) -> Any:
    return value if value is None or isinstance(value, dict) else {"": value}


def _branches(
    branches: Mapping[str, tuple[str, ...]] | None,
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((glob or "*", ids) for glob, ids in (branches or {}).items())


def _with_maintainer(value: Any) -> Any:
    """The keys of an objective; its default description and maintainer are those of the
    repository."""
    if not isinstance(value, dict):
        return value
    return {"description": "", "maintainer": "", **value, "id": ""}


def _numbered(objectives: tuple[ObjectiveDocument, ...]) -> tuple[ObjectiveDocument, ...]:
    return tuple(replace(o, id=f"{REPOSITORY_FILE}#{n}") for n, o in enumerate(objectives, 1))


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """The settings of a repository; every field may be left out.

    `repository`: branch globs with ids of repository documents, first match wins; empty: all
    documents. `workloads` and `architectures` narrow the images; `images` name the place of images
    from files such as Containerfiles. `builder`: its name, `none` for no build, or null for the
    default; `external`: the settings of that builder. `definitions`: additional macros for
    evaluation and build. `lookaside`: URL template of the dist-git lookaside cache. `suggestions`:
    whether lines that could be weaker are looked for, and suggested where the pull request shows
    them. `maintainers`: by names of sources, or globs of them.
    """

    __pydantic_config__: ClassVar = EXACT

    repository: Annotated[
        tuple[tuple[str, tuple[str, ...]], ...],
        After(_branches, dict[str, OneOrMany] | None),
        Before(_of_every_branch),
    ] = ()
    workloads: Names = ()
    images: tuple[FileImage, ...] = ()
    architectures: tuple[Arch, ...] = ()
    builder: Literal["rpmbuild", "mock", "external", "none"] | None = None
    external: Annotated[ExternalBuild, After(_fields_fit)] | None = None
    dist: str | None = None
    definitions: Mapping[str, str] = field(default_factory=dict)
    lookaside: str | None = None
    suggestions: bool = True
    maintainers: Annotated[Mapping[str, OneOrMany], Before(no_mapping_is_empty)] = field(
        default_factory=dict
    )
    thresholds: Annotated[Thresholds, After(_thresholds, _ThresholdFields)] | None = None
    objectives: Annotated[
        tuple[ObjectiveDocument, ...],
        After(_numbered, tuple[Annotated[ObjectiveDocument, Before(_with_maintainer)], ...]),
    ] = ()

    def repositories_of(self, branch: str) -> tuple[str, ...]:
        """Ids of the repository documents for `branch`; empty for all."""
        for pattern, ids in self.repository:
            if fnmatchcase(branch, pattern):
                return ids
        return ()


class RepositoryFileError(UsageError):
    """The file is invalid; `problems` has the first 100 places."""

    def __init__(self, problems: tuple[FileProblem, ...]) -> None:
        listed = problems[:_MOST]
        text = "; ".join(map(str, listed))
        super().__init__(
            f"{REPOSITORY_FILE} on the base branch is invalid: {text}"
            f"{'' if text[-1:] == '?' else '.'}",
            f"See the README for the fields of {REPOSITORY_FILE}.",
        )
        self.problems = listed


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A valid file: its settings, and the fields as they are written.

    `values` has the text of each field by its dotted place; in the place of an objective, its name
    stands for its number.
    """

    file: RepositoryFile
    values: Mapping[str, str]
    text: YamlText | None

    def line_of(self, *place: str | int) -> int:
        """The line, from 1, of a field."""
        return 1 if self.text is None else self.text.line_of(place)


def read_repository_file(content: bytes | None) -> RepositoryFile:
    """Read the settings in a `.minimize.yaml`; None (there is no such file) gives the defaults.

    Raises RepositoryFileError that names each wrong field.
    """
    return written_file(content).file


def written_file(content: bytes | None) -> WrittenFile:
    """As `read_repository_file`, with the fields as they are written. Safe for untrusted files."""
    if content is None:
        return WrittenFile(RepositoryFile(), {}, None)
    from bot.yamltext import YamlError, parse_yaml

    if len(content) > limits.REPOSITORY_FILE:
        problem = FileProblem(None, "", f"larger than {limits.REPOSITORY_FILE} bytes")
        raise RepositoryFileError((problem,))
    try:
        text = parse_yaml(content)
    except YamlError as error:
        raise RepositoryFileError((FileProblem(error.line, "", f"not YAML: {error}"),)) from error
    except (ValueError, RecursionError) as error:
        problem = FileProblem(None, "", f"not YAML: {type(error).__name__}")
        raise RepositoryFileError((problem,)) from error
    data = {} if text.data is None else text.data
    return WrittenFile(_validated(text, data), dict(_written(data, "")), text)


def _validated(text: YamlText, data: Any) -> RepositoryFile:
    problems = [FileProblem(line, key, "is repeated") for key, line in text.repeated]
    try:
        file = validated(RepositoryFile, data, REPOSITORY_FILE, _in_yaml)
        for field_name, message in _contradictions(file):
            problems.append(FileProblem(text.line_of((field_name,)), "", message))
    except InvalidDataError as error:
        problems += [
            FileProblem(text.line_of(p.place), dotted(p.place), p.message) for p in error.problems
        ]
    if problems:
        raise RepositoryFileError(tuple(problems))
    return file


def _in_yaml(place: Place) -> Place:
    """A field's place in the file; a file may leave out the level of branches or documents."""
    return tuple(step for step in place if step != "")


def _contradictions(file: RepositoryFile) -> Iterator[tuple[str, str]]:
    """Yield fields that contradict another one, with what is wrong."""
    if file.builder == "external" and file.external is None:
        yield (
            "builder",
            "`builder: external` needs `external` with `check` and `repository` or `service`",
        )
    if file.external is not None and file.builder != "external":
        yield "external", "`external` is set, but `builder` is not `external`"


def _written(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Fields of parsed YAML and their texts, such as `thresholds.bytes`,
    `objectives[small].limits`."""
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
