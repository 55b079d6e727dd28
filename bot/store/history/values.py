"""The values of history. Sizes are bytes, times RFC 3339 UTC, run numbers rise with time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from bot.model.amount import Amount
from bot.model.closure import Edge, Link, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.surface import Surface

Change = Literal["came", "went", "changed", "unsolvable", "solvable"]
CauseKind = Literal["pull request", "commit", "distribution", "configuration", "unknown"]
Status = Literal["ok", "unsolvable"]
WEAK = "include-weak-deps"


@dataclass(frozen=True, order=True, slots=True)
class Member:
    """A package of an image, from its metadata."""

    nevra: Nevra
    source: str
    repository: str
    installed_size: int | None
    installed_size_nodocs: int | None
    download_size: int | None
    requested: bool


@dataclass(frozen=True, slots=True)
class ClosureFacts:
    """The figures of one closure, null if not known; `known_size` sums the known sizes.

    Of an unsolvable one: `problems` are the solver's texts, `causes` the same as data, the root
    first, `missing` the requests that nothing provides.
    """

    status: Status
    packages: int | None
    installed_size: int | None
    known_size: int | None
    installed_size_nodocs: int | None = None
    download_size: int | None = None
    layer_size: int | None = None
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    causes: tuple[UnsolvableCause, ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluatedImage:
    """One image as just solved.

    `inputs` identifies everything that the result depends on. `members` are sorted, `links` refer
    to their indices; `digest` identifies the closure. `requests` are those of environment and
    workload: names, `@group`s, and `WEAK` if weak dependencies are installed. `sources` are the
    source packages of those in the causes of an unsolvable one; history does not store them.
    `surface` is null if the headers were not read.
    """

    key: ImageKey
    snapshot: SnapshotState
    inputs: str
    digest: str
    facts: ClosureFacts
    requests: tuple[str, ...]
    weak: bool
    members: tuple[Member, ...] = ()
    links: tuple[Link, ...] = ()
    sources: Mapping[Nevra, str] = field(default_factory=dict, hash=False)
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """An image's packages and their links at some time; if unsolvable, of its last solvable
    state."""

    members: tuple[Member, ...] = ()
    links: tuple[Link, ...] = ()
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryImage:
    """An image in history; `gone` is true once no document describes it any more.

    `maintainer` is its workload's, `environment_requests` are its environment's; null if no run
    recorded them.
    """

    id: int
    key: ImageKey
    gone: bool
    maintainer: str | None = None
    environment_requests: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DocumentedImage:
    """An image as its documents describe it: see HistoryImage."""

    maintainer: str
    environment_requests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation of all images; `finished` is null while it runs, or if it was interrupted."""

    id: int
    started: str
    finished: str | None
    images: int | None
    solved: int | None
    moved: int | None
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An image at one run."""

    run: int
    evaluated: str
    snapshot: SnapshotState
    closure: int
    facts: ClosureFacts


@dataclass(frozen=True, slots=True)
class Point:
    """One point of an image's curve."""

    run: int
    evaluated: str
    closure: int
    status: Status
    packages: int | None
    installed_size: int | None
    known_size: int | None
    layer_size: int | None


@dataclass(frozen=True, slots=True)
class SurfaceState:
    """An image's attack surface and the time that it lasted; `until` null is the present."""

    since: str
    until: str | None
    surface: Surface


class Figures(NamedTuple):
    """The figures of an image; null where not known."""

    packages: int | None
    installed_size: int | None
    layer_size: int | None


@dataclass(frozen=True, slots=True)
class Curve:
    """The figures of an image over time.

    `first`: when the image was first evaluated, in seconds since 1970 UTC. `before`: the figures
    before each of its steps, with the step's time, oldest first. `now`: the present figures.
    """

    first: float
    before: tuple[tuple[float, Figures], ...]
    now: Figures


@dataclass(frozen=True, slots=True)
class Moves:
    """The steps of one figure since a time, summed for a linear trend.

    `total` is the sum of their deltas, `moment` that of deltas times seconds since then, `square`
    that of deltas times the seconds' square. `first`: when the image was first evaluated, in
    seconds since 1970 UTC.
    """

    first: float
    total: int
    moment: float
    square: float


@dataclass(frozen=True, slots=True)
class Cause:
    """One package's part in a step.

    `known_delta` counts an unknown size as 0, `delta` is null then; the known deltas of a step's
    causes add up to the step. `mover` is the package whose change brought or took this one (as
    after the step, or before it if it went), `chain` leads from a requested package to it, before
    the step if it went.
    """

    package: str
    change: Change
    before: Nevra | None
    after: Nevra | None
    delta: int | None
    known_delta: int
    kind: CauseKind
    mover: Nevra | None = None
    merged_change: int | None = None
    chain: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One move of an image: between two solvable states, or to and from an unsolvable one.

    `delta` is null if a size on either side is not known.
    """

    key: ImageKey
    run: int
    evaluated: str
    before: ClosureFacts
    after: ClosureFacts
    delta: int | None
    known_delta: int
    packages_delta: int | None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedEffect:
    """The effect of a pull request on one image, as its check measured it.

    `names` maps each package it touches to `came`, `went` or `changed`.
    """

    key: ImageKey
    evidence: str
    packages_before: int | None
    packages_after: int | None
    size_before: int | None
    size_after: int | None
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    landed_run: int | None = None


@dataclass(frozen=True, slots=True)
class MergedChange:
    """A merged pull request, or a commit that was pushed without one; `id` is 0 until it is stored.

    `number` is null for a pushed commit. `commit_sha` is the commit on the `branch`: the merge, or
    the pushed commit. `sources` maps its source packages to the version-release at its head, or to
    null if that is unknown or was not raised: then any later build has the change. `documents` are
    the ids of the repository documents in which it can arrive; none: in all. `landed_run` is the
    first run in which an image had its packages. One of a private repository, read back, is
    `private`, its texts are empty and its number is 0.
    """

    forge: str
    repository: str
    number: int | None
    title: str
    author: str
    url: str
    head_sha: str
    merged: str
    check_id: str | None
    sources: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    effects: tuple[MergedEffect, ...] = ()
    landed_run: int | None = None
    id: int = 0
    commit_sha: str = ""
    branch: str = ""
    documents: tuple[str, ...] = ()
    private: bool = False


@dataclass(frozen=True, slots=True)
class ObjectiveState:
    """The state of one metric of one objective in one image, which held from `since` on.

    Value and limit of a kind of attack surface are lists of names: those present, and those
    allowed.
    """

    objective: str
    key: ImageKey
    metric: str
    value: Amount | None
    limit: Amount | None
    target: int | None
    target_by: str | None
    met: bool | None
    reason: str = ""
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Growth that somebody accepted, with the recorded reason, for one head commit.

    Read back from a `private` repository, user, reason and place are empty.
    """

    accepted: str
    forge: str
    repository: str
    number: int
    head_sha: str
    accepted_by: str
    reason: str
    url: str
    objective: str
    key: ImageKey
    metric: str
    before: Amount | None
    value: Amount | None
    limit: Amount | None
    private: bool = False


@dataclass(frozen=True, slots=True)
class BranchFile:
    """A repository's `.minimize.yaml` on a branch, as last read; `content` is null if it has none.

    `documents` are the ids of the repository documents that the settings name for the branch,
    `requests` the texts of its files that request packages of images, by path; null: not read.
    """

    forge: str
    repository: str
    branch: str
    commit_sha: str
    private: bool
    documents: tuple[str, ...]
    content: str | None
    read: str
    requests: Mapping[str, str] | None = None


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """The place of an issue: the forge's name in the settings, and its repository."""

    forge: str
    repository: str


@dataclass(frozen=True, slots=True)
class Heading:
    """An objective's names, as in its document, and its place.

    `subject` is that of its issue, which stays when the document is renamed. `place` is the
    repository whose `.minimize.yaml` has it (`FORGE:OWNER/NAME`), null for a document; `private` is
    true if that repository is, or was when the file was read.
    """

    id: str
    name: str
    description: str
    maintainer: str
    workload: str
    document: Mapping[str, Any]
    place: str | None = None
    private: bool = False
    subject: str = ""


@dataclass(frozen=True, slots=True)
class DriftIssue:
    """The one issue about a subject (an objective, or a maintainer's week) in one place."""

    subject: str
    place: Place
    issue: str
    url: str
    state: Literal["open", "closed"]
    opened: str
    changed: str
    body: str
    private: bool = False
