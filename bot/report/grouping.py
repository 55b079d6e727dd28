"""Images on which a change has the same effect: one row for architectures, groups for images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bot.model.architecture import all_architectures, architecture_order
from bot.model.closure import UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.result import Added, CheckResult, ImageResult, Side
from bot.model.spec import SpecLine
from bot.report.blocks import truncated
from bot.report.phrase import Phrase, joined, plain
from bot.report.template import Place, image_phrase, say, workload_name

# The set of symbols that is required of a library: `libc.so.6(GLIBC_2.34)(64bit)`.
_SYMBOLS = re.compile(r"^(\S+\.so[^\s()]*)\([^()]+\)(?=\(|$)")
CauseKey = tuple[str, str, str, str, SpecLine | None, SpecLine | None]


@dataclass(frozen=True)
class Row:
    """One image on the architectures on which the change has the same effect.

    `images` are in the order of architectures; `checked` are all architectures on which this image
    was checked.
    """

    images: tuple[ImageResult, ...]
    checked: tuple[str, ...]

    @property
    def place(self) -> Place:
        return place_of_image(self.first)

    @property
    def arches(self) -> tuple[str, ...]:
        return tuple(image.key.arch for image in self.images)

    @property
    def first(self) -> ImageResult:
        return self.images[0]

    @property
    def broken(self) -> bool:
        """Return whether it can no longer be installed, or is new and cannot be."""
        return self.first.base.status != "unsolvable" and self.first.head.status != "ok"

    @property
    def new(self) -> bool:
        """Return whether it is new with this change, without a base."""
        return self.first.base.status == "absent"

    @property
    def repaired(self) -> bool:
        return self.first.base.status == "unsolvable" and self.first.head.status == "ok"

    @property
    def comparable(self) -> bool:
        """Return whether both sides can be installed, and so have sizes."""
        return self.first.base.status == "ok" and self.first.head.status == "ok"

    @cached_property
    def lead(self) -> ImageResult:
        """The image that represents the row: the built one, else the first."""
        return min(self.images, key=lead_order)

    @cached_property
    def deltas(self) -> tuple[int | None, ...]:
        """The change of installed size for each image, in bytes; null where not known."""
        return tuple(image.size_delta for image in self.images)


def architecture_rows(images: Iterable[ImageResult]) -> tuple[Row, ...]:
    """Rows of images with the same effect, sorted by image and then by architecture."""
    listed = sorted(images, key=lambda i: (place_of_image(i), architecture_order(i.key.arch)))
    checked: dict[Place, list[str]] = {}
    groups: dict[object, list[ImageResult]] = {}
    for image in listed:
        place = place_of_image(image)
        checked.setdefault(place, []).append(image.key.arch)
        groups.setdefault((place, _effect(image)), []).append(image)
    return tuple(
        Row(tuple(group), tuple(checked[place_of_image(group[0])])) for group in groups.values()
    )


def architectures(arches: Iterable[str], checked: Iterable[str]) -> str:
    """`all four`, or the names: `x86_64, aarch64`."""
    listed = sorted(set(arches), key=architecture_order)
    return all_architectures(listed, set(checked)) or ", ".join(listed)


def on_architectures(arches: Iterable[str], checked: Iterable[str]) -> str:
    """`architectures` in a sentence: `on all four architectures`, `on x86_64 and aarch64`."""
    text = architectures(arches, checked)
    if text.startswith("all"):
        return f"on {text} architectures"
    return "on " + " and ".join(text.rsplit(", ", 1))


def place_of(key: ImageKey) -> Place:
    """Workload, environment, repository."""
    return key.workload, key.environment, key.repository


def place_of_image(image: ImageResult) -> Place:
    """Workload, environment, repository."""
    return place_of(image.key)


def arch_names(keys: Iterable[ImageKey]) -> str:
    """The architectures of images: `x86_64, aarch64`."""
    return ", ".join(sorted({key.arch for key in keys}, key=architecture_order))


def image_on(place: Place, arches: str, *, emphasis: bool = False) -> Phrase:
    """`nginx on minimal, centos-stream-9 (x86_64, aarch64)`."""
    return say.image_on(image=image_phrase(place, emphasis=emphasis), arches=arches)


def row_phrase(row: Row, *, emphasis: bool = False) -> Phrase:
    """`nginx on minimal, centos-stream-9 (all four)`."""
    return image_on(row.place, row_arches(row), emphasis=emphasis)


def row_arches(row: Row) -> str:
    """`all four`, or the names of the architectures of a row."""
    return architectures(row.arches, row.checked)


def where_phrase(images_: Sequence[ImageResult], in_all: set[ImageKey]) -> Phrase:
    """Return the images of a package: `everywhere`, or architectures, or images."""
    keys = {image.key for image in images_}
    if keys >= in_all:
        return say.everywhere()
    checked: dict[Place, set[str]] = {}
    for key in in_all:
        checked.setdefault(place_of(key), set()).add(key.arch)
    if len(checked) == 1:
        return plain(arch_names(keys))
    places: dict[Place, list[str]] = {}
    for image in images_:
        places.setdefault(place_of(image.key), []).append(image.key.arch)
    phrases = []
    for place, arches in places.items():
        some = "" if set(arches) == checked.get(place) else ", ".join(arches)
        workload = workload_name(place[0])
        phrases.append(say.where(workload=workload, environment=place[1], arches=some))
    return joined(truncated(phrases, 3, "image"), "; ")


def on_any_architecture(problem: str, arch: str) -> str:
    """Return a solver's text about an image of `arch` without the marks of that architecture."""
    text = re.sub(rf"\.{re.escape(arch)}\b", "", problem)
    return text.replace("()(64bit)", "").replace("(64bit)", "")


def essential_causes(causes: Sequence[UnsolvableCause]) -> tuple[UnsolvableCause, ...]:
    """Return the causes that a reader must know, in order.

    Causes in foreign architectures' packages are left out if there are others, and so are those in
    an older version of a package whose newest fails too, and versions of a missing library.
    """
    own = [cause for cause in causes if not cause.arch_only] or list(causes)
    versions: dict[tuple[str, str], Nevra] = {}
    libraries = {(cause.needed_by, cause.capability) for cause in own if cause.kind == "missing"}
    essential = []
    for cause in own:
        nevra = cause.needed_by
        if nevra is None or versions.setdefault(nevra.name_arch, nevra) == nevra:
            library = _SYMBOLS.sub(r"\1()", cause.capability)
            if library == cause.capability or (nevra, library) not in libraries:
                essential.append(cause)
    return tuple(essential)


def cause_key(cause: UnsolvableCause, arch: str) -> CauseKey:
    """Return the part of a cause that is the same on every architecture and in every image."""
    conflicting = cause.conflicts_with
    return (
        cause.kind,
        on_any_architecture(cause.capability, arch),
        cause.needed_by.name if cause.needed_by is not None else "",
        conflicting.name if conflicting is not None else "",
        cause.spec,
        cause.removed,
    )


def _effect(image: ImageResult) -> object:
    """Return the key by which architectures share a row: everything but the figures."""
    return (
        image.changed,
        image.base.status,
        image.head.status,
        frozenset(_came(added) for added in image.added),
        frozenset(package.nevra.name for package in image.removed),
        _why(image.base, image.key.arch),
        _why(image.head, image.key.arch),
        on_any_architecture(image.reason or "", image.key.arch),
        frozenset((o.name, o.metric, o.met, o.worse) for o in image.objectives),
    )


def _came(added: Added) -> tuple[str, SpecLine | None]:
    return added.package.nevra.name, added.spec


def _why(side: Side, arch: str) -> frozenset[object]:
    """Return the causes why a side cannot be installed, in a form without the architecture."""
    if side.causes:
        return frozenset(cause_key(cause, arch) for cause in essential_causes(side.causes))
    return frozenset(on_any_architecture(problem, arch) for problem in side.problems)


Kind = Literal["broken", "uninstallable", "repaired", "moved", "new"]
# The order of kinds in a report; `uninstallable` and `new` have no base.
_KINDS = ("broken", "uninstallable", "repaired", "moved", "new")
BUILT = ("rebuilt", "external")


@dataclass(frozen=True)
class Group:
    """Rows of images on which a change has the same effect: the same packages come and leave."""

    kind: Kind
    rows: tuple[Row, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The images, each once, in the order of the rows."""
        return tuple(dict.fromkeys(row.place for row in self.rows))


def changed_rows(result: CheckResult) -> tuple[Row, ...]:
    """The rows of the images that the change changes."""
    return tuple(row for row in architecture_rows(result.images) if row.first.changed)


def groups_of(result: CheckResult) -> tuple[Group, ...]:
    """Return the changed images by effect, in report order.

    They are sorted by kind, then by nearness to the change's source, then by the change in bytes.
    """
    alike: dict[object, list[Row]] = {}
    for row in changed_rows(result):
        added_names = frozenset(_came(added) for added in row.first.added)
        removed_names = frozenset(package.nevra.name for package in row.first.removed)
        alike.setdefault((_kind(row), added_names, removed_names), []).append(row)

    def order(row: Row) -> tuple[object, ...]:
        return _distance(row, result), -abs(row.lead.known_delta), row.place

    groups = [Group(_kind(rows[0]), tuple(sorted(rows, key=order))) for rows in alike.values()]
    return tuple(sorted(groups, key=lambda g: (_KINDS.index(g.kind), *order(g.rows[0]))))


def lead_rows(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return one row for each image, in order: the built one, else the first."""
    leads: dict[Place, Row] = {}
    for row in rows:
        first = leads.setdefault(row.place, row)
        leads[row.place] = min(first, row, key=lambda candidate: lead_order(candidate.lead))
    return tuple(leads.values())


def lead_order(image: ImageResult) -> tuple[bool, tuple[int, str]]:
    """Return the sort key of an image's architectures: built ones first."""
    return image.evidence not in BUILT, architecture_order(image.key.arch)


def _distance(row: Row, result: CheckResult) -> int:
    """Return an image's distance from a change's source: 0 its own, 1 if it requests it, else 2."""
    workload = row.place[0]
    if workload.startswith("@self") or workload in result.sources:
        return 0
    nevras = {added.package.nevra for added in row.first.added}
    chains = (chain for added in row.first.added for chain in added.chains)
    return 1 if any(chain and chain[0].target in nevras for chain in chains) else 2


def _kind(row: Row) -> Kind:
    if row.broken:
        return "uninstallable" if row.new else "broken"
    return "new" if row.new else "repaired" if row.repaired else "moved"
