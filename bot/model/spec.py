"""The result of evaluating a spec file: packages, dependencies, and the line of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import not_
from typing import Literal

from bot.model.nevra import Nevra
from bot.model.package import Dependency


@dataclass(frozen=True, order=True, slots=True)
class SpecLine:
    """A line of a spec file: path in the git repository, number from 1, text without its end.

    `feeds` are the unchanged lines that state a dependency of the change where this one, a macro's
    definition or a condition, decides what they say.
    """

    path: str
    line: int
    text: str
    feeds: tuple[SpecLine, ...] = field(default=(), compare=False, metadata={"exclude_if": not_})


@dataclass(frozen=True, slots=True)
class SpecDependency:
    """A dependency that a spec file states; `origin` null where no line can be named."""

    dependency: Dependency
    origin: SpecLine | None = None


@dataclass(frozen=True, slots=True)
class SpecPackage:
    """A binary package that a spec file describes. `built` is false where it has no `%files`.

    `files` are the lines of `%files`, expanded; the lists that `-f` names are not in them. `origin`
    is the `%package` line; null for the main package.
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
    """A macro that nothing defined, left in what a spec file says.

    `macro` is its text (`%{golang_arches}`), `where` the tag that has it (`ExclusiveArch`,
    `Requires`), `origin` the line, null where none can be named.
    """

    macro: str
    where: str
    origin: SpecLine | None = None


@dataclass(frozen=True, slots=True)
class SpecEvaluation:
    """One spec file, evaluated for one architecture.

    `source` is the Name, `evr` epoch, version and release of the main package. `excluded` is true
    when ExclusiveArch or ExcludeArch leave this architecture out: then `packages` is empty.
    `build_requires` are those of `BuildRequires`, generated ones not among them.
    `generates_requirements` is true where the spec has `%generate_buildrequires`.
    `notes` say what the reader must know (macros that were not the distribution's own).
    `unexpanded` are the macros that stayed in names, versions, architecture lists and capabilities
    of the packages: with one of them the rest is a guess, and `packages` and `excluded` are none
    to solve with.
    `build_sections` are name and expanded text of what the build runs (`prep` to `check`); `macros`
    name and value of rpm's own macros that the spec file sets, which act beside that text;
    `generator_tags` package, tag and value of `AutoReq` and its like.
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

    `cause`: `invalid`, rpm refuses it; `limit`, it ran into its sandbox's limits (time, memory,
    processes, output); `unexpanded`, a macro that nothing defines stands in the way;
    `unread`, a file that it reads is not there, and decides its packages or dependencies;
    `surroundings`, the sandbox itself could not work. `line` is the spec's, where rpm names one.
    """

    path: str
    arch: str
    cause: FailureCause
    message: str
    line: int | None = None


@dataclass(frozen=True, order=True, slots=True)
class RefusedLine:
    """A line (from 1) for which a file of the change cannot be evaluated, and why; the first line
    where none is named."""

    path: str
    line: int
    message: str
