"""The shape of each page's JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bot.model.closure import Edge, SnapshotState, UnsolvableCause
from bot.store.history.values import Status
from bot.web.schemas.parts import (
    AllImages,
    CheckAbout,
    Issue,
    Key,
    Movement,
    Mover,
    NamedStanding,
    ObjectiveStatus,
    Outlooks,
    Run,
    Schema,
    Step,
    Totals,
)


class Overview(Schema):
    """`/api/`."""

    date: str | None
    run: Run | None
    age_seconds: int | None
    totals: AllImages
    objectives: Outlooks
    attention: list[NamedStanding]
    movers: list[Mover]
    issues: list[Issue]
    checks: list[CheckAbout]


class ListedImage(Key):
    """An image in the list; its packages are at its own address."""

    status: Status
    problems: list[str]
    missing: list[str]
    causes: list[UnsolvableCause]
    snapshot: SnapshotState
    totals: Totals | None
    evaluated: str


class Images(Schema):
    """`/api/images`: `next` is the offset of the following ones."""

    date: str | None
    count: int
    images: list[ListedImage]
    next: int | None


class RequiredBy(Schema):
    """Who requires a package, for which capability."""

    nevra: str
    capability: str
    kind: str


class Leaves(Schema):
    """The packages that would leave with one, itself included, by the image's own links."""

    packages: int
    installed_size: int


class ImagePackage(Schema):
    """A package of an image."""

    nevra: str
    name: str
    epoch: int
    version: str
    release: str
    arch: str
    source: str
    from_: str = Field(alias="from")
    installed_size: int | None
    installed_size_nodocs: int | None
    download_size: int | None
    requested: bool
    required_by: list[RequiredBy]
    leaves: Leaves


class Requirement(Schema):
    """Who requires which capability."""

    nevra: str
    capability: str


class Highlight(Schema):
    """The packages of a name, the ways to them, and the requirements that would take them out."""

    name: str
    nevras: list[str]
    requested: bool
    chains: list[list[Edge]]
    leaves_with: list[Requirement]


class Point(Schema):
    """A point of an image's curve."""

    run: int
    evaluated: str
    closure: int
    status: Status
    packages: int | None
    installed_size: int | None
    known_size: int | None
    layer_size: int | None


class OtherArchitecture(Key):
    """The same image elsewhere."""

    status: Status
    packages: int | None
    installed_size: int | None
    download_size: int | None
    layer_size: int | None


class Image(Key):
    """`/api/images/{repository}/{environment}/{workload}/{arch}`."""

    date: str | None
    status: Status
    problems: list[str]
    missing: list[str]
    causes: list[UnsolvableCause]
    snapshot: SnapshotState
    evaluated: str
    totals: Totals | None
    packages: list[ImagePackage] | None
    highlight: Highlight | None
    history: list[Point]
    moved: Movement
    steps: list[Step]
    architectures: list[OtherArchitecture]
    objectives: list[NamedStanding]


class ComparedSide(Schema):
    """One side of a comparison."""

    arch: str
    date: str | None
    status: Status
    evaluated: str
    packages: int | None
    installed_size: int | None
    known_size: int | None
    layer_size: int | None


class Difference(Schema):
    """A package that differs."""

    name: str
    change: Literal["came", "went", "changed"]
    from_: str | None = Field(alias="from")
    to: str | None
    known_delta: int


class Comparison(Key):
    """An image at two times, or on two architectures."""

    left: ComparedSide
    right: ComparedSide
    packages: list[Difference]
    known_delta: int


class PackageThere(Schema):
    """A package on one architecture."""

    version: str
    installed_size: int | None


class PackageEverywhere(Schema):
    """A package on each architecture, null where it is not there; `spread` are the bytes between
    the smallest and the largest, where it is not counted as 0."""

    name: str
    differs: bool
    spread: int
    on: dict[str, PackageThere | None]


class Architectures(Key):
    """`/api/images/{repository}/{environment}/{workload}/{arch}/architectures`."""

    date: str | None
    architectures: list[OtherArchitecture]
    packages: list[PackageEverywhere]


class ObjectiveImages(Schema):
    """An objective in its images."""

    name: str
    id: str
    images: list[ObjectiveStatus]


class Objectives(Schema):
    """`/api/objectives`."""

    date: str | None
    objectives: list[ObjectiveImages]


class State(Key):
    """How a metric stood for a while."""

    metric: str
    value: int | None
    limit: int | None
    target: int | None
    target_by: str | None
    met: bool | None
    reason: str
    since: str | None
    until: str | None


class Accepted(Schema):
    """Growth that somebody accepted, and why; in a private repository where and who are null."""

    accepted: str
    private: bool
    forge: str | None
    repository: str | None
    number: int | None
    head_sha: str | None
    accepted_by: str | None
    reason: str | None
    url: str | None
    objective: str
    metric: str
    before: int | None
    value: int | None
    limit: int | None
    image: Key


class Objective(Schema):
    """`/api/objectives/{id}`."""

    id: str
    date: str | None
    name: str
    description: str
    maintainer: str
    workload: str
    document: dict[str, Any]
    images: list[ObjectiveStatus]
    history: list[State]
    accepted: list[Accepted]


class Spread(Schema):
    """A package over all images; `shared` are the bytes beyond one copy of each version."""

    name: str
    source: str
    versions: int
    images: int
    size: int | None
    total: int
    shared: int


class Packages(Schema):
    """`/api/packages`."""

    date: str | None
    count: int
    packages: list[Spread]
    next: int | None


class VersionCount(Schema):
    """How many images hold a version."""

    version: str
    images: int


class PackageInImage(Key):
    """A package in an image, and why it is there."""

    nevra: str
    installed_size: int | None
    requested: bool
    since: str
    roots: list[str]
    chains: list[list[Edge]]
    leaves_with: list[Requirement]
    leaves: Leaves | None


class PackagePage(Schema):
    """`/api/packages/{name}`; its own `leaves` are those of the listed images together."""

    name: str
    date: str | None
    source: str
    count: int
    known_size: int
    requested_in: int
    leaves: Leaves
    versions: list[VersionCount]
    images: list[PackageInImage]
    next: int | None


class Lonely(Key):
    """A package that only one image needs."""

    nevra: str
    source: str
    installed_size: int | None
    requested: bool
    since: str


class Surface(Schema):
    """`/api/surface`."""

    date: str | None
    totals: AllImages
    several_versions: int
    only_one_bytes: int
    versions: list[Spread]
    shared: list[Spread]
    only_one: list[Lonely]


class Checks(Schema):
    """`/api/checks`."""

    date: str | None
    checks: list[CheckAbout]
    next: int | None
