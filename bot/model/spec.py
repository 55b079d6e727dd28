"""The result of evaluating a spec file: packages, dependencies, and the line of each; and that of
building it."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import not_
from typing import Literal

from bot.model.nevra import Nevra
from bot.model.package import Dependency


@dataclass(frozen=True, order=True, slots=True)
class SpecLine:
    """A line of a spec file: path in the git repository, number from 1, text without its end.

    `feeds` are the unchanged lines that state a dependency of the change, if this line, a macro's
    definition or a condition, decides their text.
    """

    path: str
    line: int
    text: str
    feeds: tuple[SpecLine, ...] = field(default=(), compare=False, metadata={"exclude_if": not_})


@dataclass(frozen=True, slots=True)
class SpecDependency:
    """A dependency in a spec file; `origin` is null where its line is not known."""

    dependency: Dependency
    origin: SpecLine | None = None


@dataclass(frozen=True, slots=True)
class SpecPackage:
    """A binary package of a spec file.

    `built` is false if it has no `%files`. `files` are the lines of `%files`, expanded, without the
    lists of `-f`. `origin` is the `%package` line; null for the main package.
    """

    nevra: Nevra
    dependencies: tuple[SpecDependency, ...]
    built: bool = True
    files: tuple[str, ...] = ()
    origin: SpecLine | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SpecSource:
    """A `Source` or `Patch` of a spec file, expanded: file name or URL."""

    tag: str
    location: str


@dataclass(frozen=True, order=True, slots=True)
class Unexpanded:
    """A macro that nothing defined, left in a text of a spec file.

    `macro` is its text (`%{golang_arches}`), `where` the tag that has it (`ExclusiveArch`,
    `Requires`), `origin` the line, null where it is not known.
    """

    macro: str
    where: str
    origin: SpecLine | None = None


@dataclass(frozen=True, slots=True)
class SpecEvaluation:
    """One spec file, evaluated for one architecture.

    `source` is the Name, `evr` epoch, version and release of the main package. `excluded` is true
    if ExclusiveArch or ExcludeArch leave this architecture out: then `packages` is empty.
    `build_requires` are those of `BuildRequires`, without generated ones. `generates_requirements`
    is true if the spec has `%generate_buildrequires`. `notes` are sentences for the reader (macros
    that were not the distribution's own). `unexpanded` are the macros left in names, versions,
    architecture lists and capabilities of the packages: if there is one, `packages` and `excluded`
    are a guess and must not be solved with. `build_sections` are name and expanded text of the
    scripts of the build (`prep` to `check`); `macros` are name and value of rpm's own macros that
    the spec file sets, which change the build beside that text; `generator_tags` are package, tag
    and value of `AutoReq` and the like.
    """

    path: str
    arch: str
    source: str
    evr: tuple[int, str, str]
    packages: tuple[SpecPackage, ...]
    build_requires: tuple[SpecDependency, ...] = ()
    sources: tuple[SpecSource, ...] = ()
    excluded: bool = False
    notes: tuple[str, ...] = ()
    generates_requirements: bool = False
    unexpanded: tuple[Unexpanded, ...] = ()
    build_sections: tuple[tuple[str, str], ...] = ()
    macros: tuple[tuple[str, str], ...] = ()
    generator_tags: tuple[tuple[str, str, str], ...] = ()


FailureCause = Literal["invalid", "limit", "unexpanded", "unread", "surroundings"]


@dataclass(frozen=True, slots=True)
class SpecFailure:
    """A spec file that could not be evaluated for one architecture.

    `cause`: `invalid`, rpm refuses it; `limit`, it exceeded a limit of its sandbox (time, memory,
    processes, output); `unexpanded`, a needed macro is not defined; `unread`, a file that it reads
    is missing, and decides its packages or dependencies; `surroundings`, the sandbox itself did not
    work. `line` is the spec's, where rpm names one.
    """

    path: str
    arch: str
    cause: FailureCause
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line, from 1, for which a file of the change cannot be evaluated, and why.

    `line` is null where none is named: a limit of the sandbox, a field that is not there.
    """

    path: str
    line: int | None
    message: str

    @property
    def order(self) -> tuple[str, int, str]:
        """The key by which lines are sorted; a file without a line comes first."""
        return self.path, self.line or 0, self.message


@dataclass(frozen=True, slots=True)
class BuildNote:
    """The outcome of one side's build, for the report, with the place of its log.

    `outcome`: `built`, `cached`, or what failed: `base-failed`, `head-failed`,
    `missing-requirement`, `not-built` (reason in `message`). `emulated`: not built on a machine of
    `arch`.
    """

    side: Literal["base", "head"]
    spec: str
    arch: str
    outcome: Literal[
        "built", "cached", "base-failed", "head-failed", "missing-requirement", "not-built"
    ]
    message: str = ""
    log: str | None = None
    seconds: float | None = None
    emulated: bool = False
