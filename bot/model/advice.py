"""The answer of `minimize advise`: the smallest image for a request, and the best edits.

Sizes are bytes by the advice's metric; what is not known is null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from bot.model.image import ImageKey, inline
from bot.model.nevra import Nevra
from bot.model.spec import SpecLine

Metric = Literal["installed", "download", "nodocs"]
Standing = Literal["supported", "possible", "contradicted"]
EditKind = Literal["request", "prefer", "order", "weaken", "split"]


@dataclass(frozen=True, slots=True)
class Figures:
    """How many packages an image has, and their size."""

    packages: int
    installed_size: int | None


@dataclass(frozen=True, slots=True)
class Losses:
    """Programs (paths), sonames and modules that the smaller package does not have."""

    programs: tuple[str, ...] = ()
    sonames: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Precedent:
    """A package of another distribution, or a newer one, that has no such requirement."""

    repository: str
    nevra: Nevra


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence for an edit, each null where it was not looked for or could not be.

    `use`: the files of what stays in which a trace of what leaves was found; empty: no trace in
    what was `looked_into`: the files, or the headers alone (scriptlets, links). `integrity`: what
    the smaller image's files refer to is there as before. `runs`: the workload's test succeeds.
    """

    use: tuple[str, ...] | None = None
    integrity: bool | None = None
    runs: bool | None = None
    precedent: tuple[Precedent, ...] = ()
    looked_into: Literal["files", "headers"] | None = None


@dataclass(frozen=True, slots=True)
class KnownState:
    """The state of an edit that is an opportunity: its `id`, and `url` where that is to be seen.

    `saved` is what its landing saved in all images, bytes; null where that is not known.
    """

    id: str
    state: Literal["found", "proposed", "declined", "landed"]
    url: str = ""
    saved: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one line, where it is made, and what speaks for it.

    It is of one binary package and one capability name, with all its tags and versions. `kind` in
    the order of harm: `request` another package of the same source instead of the one named
    `package`; `prefer` a `Suggests` beside a requirement that several packages meet; `order` the
    requirement of scriptlets alone, which becomes `OrderWithRequires`; `weaken` a written
    requirement; `split` `files` go to a subpackage. `to` is what to write instead. `written` is
    null where no header could be read. `saves` is what the edit alone saves, on all architectures
    of the image together. `opportunity` is null where nobody tracks it as one.
    """

    kind: EditKind
    package: str
    source: str
    capability: str
    written: bool | None
    to: str
    saves: int = 0
    spec: SpecLine | None = None
    files: tuple[str, ...] = ()
    maintainers: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    opportunity: KnownState | None = None

    @property
    def standing(self) -> Standing:
        """The sense of the evidence: nothing needs it, nothing is known, or something does.

        Headers alone tell of scriptlets and links: that is not enough to say that nothing does.
        """
        found = self.evidence
        if found.use or found.integrity is False or found.runs is False:
            return "contradicted"
        if self.written is False and self.kind != "split":
            return "contradicted"
        nothing = found.use == () and found.looked_into == "files"
        return "supported" if nothing and self.written is not None else "possible"


@dataclass(frozen=True, slots=True)
class Swap:
    """A package that does in the smallest image what others do today.

    `class_`: of the same source, or another. `saves` is what the smallest image would have more
    without it. `prefer` is the edit that has the same effect for everybody, null where it has not.
    """

    of: tuple[str, ...]
    take: str
    saves: int
    class_: Literal["same-source", "other"] = field(metadata={"alias": "class"})
    loses: Losses
    prefer: Change | None = None

    @property
    def suggested(self) -> bool:
        """Return whether it is said unasked: of the same source, and no older version of what it
        replaces, which has the NEVRA of a package here."""
        older = any(self.take.startswith(f"{name}-") and ":" in self.take for name in self.of)
        return self.class_ == "same-source" and not older


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest image for a request; no image for it is smaller than `bound`, if none is
    swapped that never is.

    `request` and `excludes` are what to add so that dnf installs exactly this.
    """

    packages: int
    installed_size: int | None
    proved: bool
    bound: int
    request: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    instead: tuple[Swap, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchFigures:
    """A plan's figures on one architecture."""

    arch: str
    packages: int
    installed_size: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The best that so many edits can do on all architectures together.

    `packages` and `installed_size` are of the image's own architecture, `arches` of each. Every
    program that the image is for is still there. `request` and `excludes` as in `Smallest`: all
    that has to be added to the image's own request.
    """

    edits: int
    packages: int
    installed_size: int | None
    proved: bool
    bound: int
    request: tuple[str, ...]
    arches: tuple[ArchFigures, ...]
    changes: tuple[Change, ...]
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retained:
    """A package of today's image, and all that would leave with it."""

    nevra: Nevra
    packages: int
    installed_size: int | None


@inline("key")
@dataclass(frozen=True, slots=True)
class ImageAdvice:
    """The advice for one image; where it is unsolvable, no more than its problems."""

    key: ImageKey
    status: Literal["ok", "unsolvable"]
    problems: tuple[str, ...] = ()
    now: Figures | None = None
    smallest: Smallest | None = None
    plans: tuple[Plan, ...] = ()
    retained: tuple[Retained, ...] = ()

    def with_changes(self, changed: Callable[[ImageAdvice, Change], Change]) -> ImageAdvice:
        """The advice with each change of its plans and swaps as `changed` returns it."""
        plans = tuple(
            replace(plan, changes=tuple(changed(self, change) for change in plan.changes))
            for plan in self.plans
        )
        if self.smallest is None:
            return replace(self, plans=plans)
        swaps = tuple(
            replace(swap, prefer=changed(self, swap.prefer)) if swap.prefer is not None else swap
            for swap in self.smallest.instead
        )
        return replace(self, plans=plans, smallest=replace(self.smallest, instead=swaps))


@dataclass(frozen=True, slots=True)
class OverallEdit:
    """An edit over all images that were looked at: in how many it saves, and how much together."""

    kind: EditKind
    package: str
    source: str
    capability: str
    images: int
    saves: int
    maintainers: tuple[str, ...] = ()
    standing: Standing = "possible"
    opportunity: KnownState | None = None


@dataclass(frozen=True, slots=True)
class UnusedRequirement:
    """A written requirement with no trace of use in its package, and in how many images it is.

    `looked_into`: the package's files, or its header alone.
    """

    package: str
    source: str
    capability: str
    images: int
    looked_into: Literal["files", "headers"]
    maintainers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TogetherEdits:
    """Orders and weakenings that save most together over all images, found one after another.

    No so many edits save more than `bound`; `proved` is true where these do.
    """

    edits: int
    changes: tuple[OverallEdit, ...]
    saves: int
    bound: int
    proved: bool


@dataclass(frozen=True, slots=True)
class OverallTotal:
    """The edits of one source or maintainer: how many, in how many images the widest of them saves,
    and the sum of what each saves alone."""

    name: str
    edits: int
    images: int
    saves: int


@dataclass(frozen=True, slots=True)
class Overall:
    """The edits over all images, the best few together, and their sums by source and maintainer."""

    edits: tuple[OverallEdit, ...] = ()
    together: tuple[TogetherEdits, ...] = ()
    by_source: tuple[OverallTotal, ...] = ()
    by_maintainer: tuple[OverallTotal, ...] = ()


@inline("key")
@dataclass(frozen=True, slots=True)
class FleetRequest:
    """All that has to be added to one image's request, as in `Smallest`, for the fleet's choice."""

    key: ImageKey
    request: tuple[str, ...]
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fewest bytes of distinct packages that serve all images; each NEVRA counts once.

    `request` is by workload, `images` by image. `now` and `smallest` are the distinct packages of
    all images as they are today, and where each is made its own smallest.
    """

    packages: int
    installed_size: int | None
    proved: bool
    bound: int
    request: dict[str, tuple[str, ...]]
    images: tuple[FleetRequest, ...]
    now: Figures
    smallest: Figures


@dataclass(frozen=True, slots=True)
class Advice:
    """The whole answer."""

    metric: Metric
    images: tuple[ImageAdvice, ...]
    overall: tuple[OverallEdit, ...] = ()
    fleet: Fleet | None = None
    together: tuple[TogetherEdits, ...] = ()
    by_source: tuple[OverallTotal, ...] = ()
    by_maintainer: tuple[OverallTotal, ...] = ()
    unused: tuple[UnusedRequirement, ...] | None = None
