"""The shape of a check: CONTRACT's `check` object, and what the check was about.

A check is stored as its release wrote it: fields of later ones may be absent, and others there.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bot.model.package import Evidence
from bot.web.schemas.parts import (
    CheckAbout,
    CheckedChange,
    Edge,
    Key,
    Snapshot,
    SpecLine,
    Status,
    UnsolvableCause,
    Verdict,
)


class Layer(CheckedChange):
    """A layer's bytes: as a tar archive, and compressed."""

    uncompressed: int
    gzip: int
    zstd: int


class CheckedSide(CheckedChange):
    """An image before the change, or after it; `layer` is null until composed.

    `causes` say as data why it is unsolvable, the root first.
    """

    status: Status | Literal["absent"]
    problems: list[str]
    causes: list[UnsolvableCause] = Field(default_factory=list)
    packages: int | None
    installed_size: int | None
    known_size: int | None
    layer: Layer | None


class CheckedPackage(CheckedChange):
    """A package that goes, with its bytes."""

    nevra: str
    source: str
    from_: str = Field(alias="from")
    installed_size: int | None
    installed_size_nodocs: int | None
    download_size: int | None


class AddedPackage(CheckedPackage):
    """A package that comes: the ways to it, the line that brings it, what takes it out again."""

    requested: bool
    chains: list[list[Edge]]
    spec: SpecLine | None
    leaves_with: list[SpecLine]
    alternatives: list[SpecLine] = Field(default_factory=list)
    together_with: list[SpecLine] = Field(default_factory=list)
    stays_by: list[Edge] = Field(default_factory=list)
    instead: list[str] = Field(default_factory=list)


class ChangedPackage(CheckedChange):
    """A package that both sides have; `from` and `to` are NEVRAs."""

    name: str
    arch: str
    from_: str = Field(alias="from")
    to: str
    installed_size_delta: int | None


class CheckedObjective(CheckedChange):
    """An objective's metric, before and after."""

    name: str
    metric: str
    before: int | None
    value: int | None
    limit: int | None
    met: bool | None
    worse: bool = False
    reason: str = ""
    target: int | None = None
    target_by: str | None = None
    due: bool = False


class MovedFile(CheckedChange):
    """A file whose size moves; null where it is not."""

    package: str
    path: str
    before: int | None
    after: int | None


class CheckedImage(Key, CheckedChange):
    """An image on both sides."""

    changed: bool
    evidence: Evidence
    snapshot: Snapshot
    base: CheckedSide
    head: CheckedSide
    reason: str | None = None
    added: list[AddedPackage]
    removed: list[CheckedPackage]
    changed_packages: list[ChangedPackage]
    objectives: list[CheckedObjective]
    files: list[MovedFile] = Field(default_factory=list)


class Saving(Key, CheckedChange):
    """The saving of a suggestion in an image: packages that leave, others that `come` instead."""

    packages: int
    installed_size: int | None
    come: int = 0


class Suggestion(CheckedChange):
    """A line that could be another."""

    spec: SpecLine
    replace_with: str
    saves: list[Saving]


class Build(CheckedChange):
    """One side's build; `log` is its log's address here."""

    side: Literal["base", "head"]
    spec: str
    arch: str
    outcome: str
    message: str
    log: str | None
    seconds: float | None


class AcceptedGrowth(CheckedChange):
    """Who answers for going over a limit, why, when."""

    user: str
    reason: str
    time: str


class WrittenProblem(CheckedChange):
    """An error in a `.minimize.yaml`, and its line, from 1."""

    line: int
    field: str
    message: str


class WrittenField(CheckedChange):
    """A field of it before and after; null where it is not written."""

    field: str
    before: str | None
    after: str | None


class JudgedImage(Key):
    """An image as the changed file would have it judged."""

    changed: bool
    objectives: list[CheckedObjective]


class ProposedFile(CheckedChange):
    """The effect of a change to `.minimize.yaml` once it is merged; this check does not use it.

    With `problems` nothing else is known. `verdict` is null where no spec changed.
    """

    path: str
    action: Literal["added", "changed", "removed"]
    problems: list[WrittenProblem]
    fields: list[WrittenField]
    images_more: list[Key]
    images_fewer: list[Key]
    verdict: Verdict | None
    images: list[JudgedImage]
    notes: list[str]


class Check(CheckedChange):
    """`/api/checks/{id}`: the check's report, and `run`: what it was about.

    Without a report yet `verdict`, `merge_base` and `stage` are null, and the lists empty.
    """

    base: str
    head: str
    merge_base: str | None
    specs: list[str]
    sources: dict[str, str | None] = Field(default_factory=dict)
    verdict: Verdict | None
    stage: Literal["predicted", "final"] | None = None
    interrupted: bool = False
    incomplete: bool = False
    only_limits: bool = False
    accepted: AcceptedGrowth | None = None
    problems: list[str]
    notes: list[str] = Field(default_factory=list)
    images: list[CheckedImage]
    suggestions: list[Suggestion]
    builds: list[Build]
    configuration: ProposedFile | None = None
    run: CheckAbout
