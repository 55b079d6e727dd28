"""The answer of `minimize advise`: the smallest image for a request, and the best edits.

Sizes are bytes by the advice's metric; unknown values are null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from bot.model.closure import UnsolvableCause
from bot.model.image import ImageKey, inline
from bot.model.nevra import Nevra
from bot.model.spec import SpecLine

Metric = Literal["installed", "download", "nodocs"]
Standing = Literal["supported", "possible", "contradicted"]
KnownBy = Literal["files", "headers", "metadata"]
EditKind = Literal["request", "prefer", "order", "weaken", "split"]


@dataclass(frozen=True, slots=True)
class Figures:
    """The number of packages of an image, and their size."""

    packages: int
    installed_size: int | None


@dataclass(frozen=True, slots=True)
class Losses:
    """The programs (paths), sonames and modules that the smaller package does not have."""

    programs: tuple[str, ...] = ()
    sonames: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Precedent:
    """A package of another distribution or newer release that does without the requirement."""

    repository: str
    nevra: Nevra


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence for an edit; each field is null where it was not or could not be determined.

    `use`: the files of staying packages in which a trace of leaving ones was found; empty if there
    is none in what was `looked_into`: the files, or only the headers (scriptlets, links).
    `integrity`: everything that the smaller image's files refer to is there as before. `runs`: the
    workload's test succeeds. `metadata_use`: metadata shows a use, and nothing that could be read
    shows that there is none.
    """

    use: tuple[str, ...] | None = None
    integrity: bool | None = None
    runs: bool | None = None
    precedent: tuple[Precedent, ...] = ()
    looked_into: Literal["files", "headers"] | None = None
    metadata_use: bool = False


@dataclass(frozen=True, slots=True)
class KnownState:
    """The state of an edit that is an opportunity, with its `id` and its page's `url`.

    `saved` is the bytes that it saved in all images when it landed; null where not known.
    """

    id: str
    state: Literal["found", "proposed", "declined", "landed"]
    url: str = ""
    saved: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one line, its place, and the evidence for it.

    It concerns one binary package and one capability name, with all its tags and versions. `kind`,
    from the least to the most invasive: `request` another package of the same source instead of the
    one named `package`; `prefer` a `Suggests` beside a requirement that several packages meet;
    `order` a requirement of scriptlets, which becomes `OrderWithRequires`; `weaken` a hand-written
    requirement; `split` `files` go to a subpackage. `to` is what to write instead. `written` is
    null where no header could be read. `saves` are the bytes that the edit saves alone, on all
    architectures of the image together. `opportunity` is null where the edit is not tracked as one.
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
        """The result of the evidence: `supported`, `possible` (nothing is known) or `contradicted`.

        Headers show only scriptlets and links, which is not enough for `supported`.
        """
        evidence = self.evidence
        if evidence.use or evidence.metadata_use or False in (evidence.integrity, evidence.runs):
            return "contradicted"
        if self.written is False and self.kind != "split":
            return "contradicted"
        nothing = evidence.use == () and evidence.looked_into == "files"
        return "supported" if nothing and self.written is not None else "possible"


@dataclass(frozen=True, slots=True)
class Swap:
    """A package of the smallest image that replaces packages of today's.

    `class_`: of the same source, or another. `saves` are the bytes that the smallest image would be
    larger without it. `prefer` is an edit of a package with the same effect, null if there is none.
    """

    of: tuple[str, ...]
    take: str
    saves: int
    class_: Literal["same-source", "other"] = field(metadata={"alias": "class"})
    loses: Losses
    prefer: Change | None = None

    @property
    def older(self) -> bool:
        """Return whether it is an older version of what it replaces: its request is a NEVRA."""
        return any(self.take.startswith(f"{name}-") and ":" in self.take for name in self.of)

    @property
    def suggested(self) -> bool:
        """Return whether it is shown by default: of the same source, and not an older version."""
        return self.class_ == "same-source" and not self.older


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest image for a request; no image for it is smaller than `bound`.

    The bound holds for images that keep the packages that are never swapped. `request` and
    `excludes` are what to add so that dnf installs exactly this.
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
    """The best plan with so many edits, on all architectures together.

    `packages` and `installed_size` are those of the image's own architecture, `arches` those of
    each. Every program that the image is for remains. `request` and `excludes` are as in
    `Smallest`: everything to be added to the image's own request.
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
    """A package of today's image, and the sums of all that would leave with it."""

    nevra: Nevra
    packages: int
    installed_size: int | None


@inline("key")
@dataclass(frozen=True, slots=True)
class ImageAdvice:
    """The advice for one image; of an unsolvable image only its problems and their causes.

    `programs_by` is what was read to find the programs that no plan removes: with `headers` also
    the targets of links among them, with `files` also what units start, with `metadata` only those
    in a directory of programs. Null where no plans were looked for.
    """

    key: ImageKey
    status: Literal["ok", "unsolvable"]
    problems: tuple[str, ...] = ()
    now: Figures | None = None
    smallest: Smallest | None = None
    plans: tuple[Plan, ...] = ()
    retained: tuple[Retained, ...] = ()
    programs_by: KnownBy | None = None
    causes: tuple[UnsolvableCause, ...] = ()

    def with_changes(self, changed: Callable[[ImageAdvice, Change], Change]) -> ImageAdvice:
        """Return the advice with each change of its plans and swaps replaced by `changed`."""
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
    """An edit over all images: the number of images in which it saves, and the total."""

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
    """A hand-written requirement without a trace of use in its package.

    `images` is the number of images with it, `looked_into` is `files` or only `headers`.
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

    No set of as many edits saves more than `bound`; `proved` is true if these do.
    """

    edits: int
    changes: tuple[OverallEdit, ...]
    saves: int
    bound: int
    proved: bool


@dataclass(frozen=True, slots=True)
class OverallTotal:
    """The edits of one source or maintainer: their number, the largest number of images of one of
    them, and the sum of what each saves alone."""

    name: str
    edits: int
    images: int
    saves: int


@dataclass(frozen=True, slots=True)
class Overall:
    """The edits over all images, the best few together, and sums by source and maintainer."""

    edits: tuple[OverallEdit, ...] = ()
    together: tuple[TogetherEdits, ...] = ()
    by_source: tuple[OverallTotal, ...] = ()
    by_maintainer: tuple[OverallTotal, ...] = ()


@inline("key")
@dataclass(frozen=True, slots=True)
class FleetRequest:
    """Everything to be added to one image's request, as in `Smallest`, for the fleet's packages."""

    key: ImageKey
    request: tuple[str, ...]
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fewest bytes of distinct packages that serve all images; each NEVRA counts once.

    `request` is by workload, `images` by image. `now` and `smallest` are the distinct packages of
    all images today, and of each image's own smallest form.
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
