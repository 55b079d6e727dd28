"""Parts of the pages' schemas: images, edges, causes, objective statuses, checks.

Sizes are bytes, times RFC 3339 in UTC; null is not known. The tests hold every answer to them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.model.closure import Edge, UnsolvableCause
from bot.model.result import Verdict
from bot.store.history.values import CauseKind, Change, Status

Outlook = Literal["met", "at risk", "broken", "unknown"]


class Schema(BaseModel):
    """Exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class Key(Schema):
    """An image: environment and workload on one repository document and architecture."""

    workload: str
    environment: str
    repository: str
    arch: str


class Problem(Schema):
    """The error, for people."""

    error: str


class Totals(Schema):
    """The figures of a closure."""

    packages: int | None
    installed_size: int | None
    known_size: int | None
    installed_size_nodocs: int | None
    download_size: int | None
    layer_size: int | None


class EvaluatedSide(Totals):
    """A closure's figures, with its status."""

    status: Status
    problems: list[str]
    missing: list[str]
    causes: list[UnsolvableCause]


class PullRequest(Schema):
    """A merged pull request that the bot checked; all of a private one is null."""

    forge: str | None
    repository: str | None
    number: int | None
    title: str | None
    author: str | None
    url: str | None
    private: bool


class Commit(Schema):
    """A commit that was pushed without a pull request; all of a private one is null."""

    forge: str | None
    repository: str | None
    commit: str | None
    branch: str | None
    title: str | None
    author: str | None
    url: str | None
    private: bool


class Blame(Schema):
    """Who or what it was; `mover` is the package whose change did it, `chain` the way to it."""

    kind: CauseKind
    change: Change
    from_: str | None = Field(alias="from")
    to: str | None
    mover: str | None
    chain: list[Edge]
    pull_request: PullRequest | None
    commit: Commit | None


class Cause(Schema):
    """One package's part in a step."""

    package: str
    delta: int | None
    known_delta: int
    cause: Blame


class Step(Key):
    """One move of an image; the causes' deltas add up to it."""

    run: int
    evaluated: str
    before: EvaluatedSide
    after: EvaluatedSide
    delta: int | None
    known_delta: int
    packages_delta: int | None
    steps: list[Cause]


class ObjectiveStatus(Key):
    """One metric of one objective in one image."""

    metric: str
    value: int | None
    limit: int | None
    target: int | None
    target_by: str | None
    met: bool | None
    trend_per_week: float | None
    outlook: Outlook
    crosses: str | None
    reason: str


class NamedStanding(ObjectiveStatus):
    """With the objective's id and name."""

    id: str
    name: str


class Run(Schema):
    """One evaluation of all images."""

    id: int
    started: str
    finished: str | None
    images: int | None
    solved: int | None
    moved: int | None
    failed: list[str]


class AllImages(Schema):
    """All images together: `total` bytes, `distinct` if each package were there once."""

    images: int
    unsolvable: int
    packages: int
    versions: int
    total: int
    distinct: int


class Outlooks(Schema):
    """How many metrics of images are in each state."""

    met: int
    at_risk: int
    broken: int
    unknown: int


class Movement(Schema):
    """How far something moved; `by` adds up to `known_delta`, kind of cause by kind."""

    known_delta: int
    packages_delta: int
    steps: int
    by: dict[CauseKind, int]


class Mover(Key):
    """How far an image moved in seven days, and its largest step in them."""

    known_delta: int
    packages_delta: int
    steps: int
    last_run: int
    largest_step: Step | None


class Issue(Schema):
    """An issue that the bot keeps open about drift."""

    subject: str
    forge: str
    repository: str
    url: str
    opened: str
    changed: str


class CheckAbout(Schema):
    """The subject of a check, and its progress; `narrowed`: on some images alone."""

    id: str
    forge: str
    repository: str
    number: int
    head_sha: str
    title: str
    author: str
    url: str
    base_ref: str
    base_sha: str
    stage: Literal["waiting", "predicted", "final", "stopped"]
    verdict: Verdict | None
    summary: str | None
    problem: str | None
    created: str
    predicted: str | None
    finished: str | None
    open: bool
    narrowed: bool
