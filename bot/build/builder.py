"""The interface of a builder: one method, from a request to packages or to a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from bot.model.package import Package
from bot.model.spec import SpecEvaluation

if TYPE_CHECKING:
    from bot.closure.pool import Pool
    from bot.distro.documents import RepositoryDocument

# The message where only cached builds may be used, and there is none.
NOT_CACHED = "It has not been built here."

FailureKind = Literal["failed", "missing-requirement", "limit", "surroundings", "sources"]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One side of a change, to be built on one architecture.

    `checkout` is the directory of that side's files and `spec_path` the spec file in it;
    `evaluation` is that file's evaluation for `arch` (its Source, Patch and BuildRequires lines).
    `pool` solves the buildroot on the snapshot that both sides use. `definitions` are macro
    definitions without `%`, the same as in the evaluation (`dist` among them). `lookaside` is the
    URL template of dist-git's file store (see `bot.build.fetch`). `spec_text` replaces the file's
    text if that was rewritten (rpmautospec). `check` runs %check too.
    """

    checkout: Path
    spec_path: str
    arch: str
    document: RepositoryDocument
    pool: Pool
    evaluation: SpecEvaluation
    definitions: Mapping[str, str]
    side: Literal["base", "head"]
    lookaside: str | None = None
    spec_text: str | None = None
    check: bool = False


@dataclass(frozen=True, slots=True)
class BuiltPackages:
    """The packages of a build, without debug packages, sorted by NEVRA, and their files.

    `packages` have `file://` locations in the cache and `overlay` as repository. `seconds` is the
    time that this answer took, `from_cache` whether it was built before. `notes` are sentences for
    the report.
    """

    packages: tuple[Package, ...]
    rpms: tuple[Path, ...]
    log: Path
    from_cache: bool
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildFailed:
    """The reason why there are no packages.

    `failed`: the build itself failed, `message` has the last lines of its log;
    `missing-requirement`: the buildroot cannot be solved, `missing` are the names that nothing
    provides; `limit`: it exceeded a limit of its sandbox; `sources`: a source is missing or wrong;
    `surroundings`: sandbox, network or disk failed, another try may help.
    """

    kind: FailureKind
    message: str
    log: Path | None = None
    missing: tuple[str, ...] = ()
    seconds: float = 0.0


BuildOutcome = BuiltPackages | BuildFailed


class Builder(Protocol):
    """A way to build: `rpmbuild` in our own sandbox, `mock`, or another."""

    @property
    def name(self) -> str:
        """The name in `.minimize.yaml` and in reports."""

    def build(self, request: BuildRequest) -> BuildOutcome:
        """Build `request`, or answer from the cache. Failures are returned, not raised."""
