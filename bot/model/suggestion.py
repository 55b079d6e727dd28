"""Edits that would make images smaller: of a changed spec, and of a file with images' requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.model.advice import EditKind, Evidence
from bot.model.image import ImageKey, inline
from bot.model.spec import SpecLine


@inline("key")
@dataclass(frozen=True, slots=True)
class Saving:
    """The saving of a suggestion in one image: the packages that leave and those that come.

    `installed_size` are the bytes by which the image gets smaller.
    """

    key: ImageKey
    packages: int
    installed_size: int | None
    come: int = 0


@dataclass(frozen=True, slots=True)
class DiffLine:
    """The place of a line in the forge's diff: base's path and line number, null for a new line."""

    base_path: str
    base_line: int | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A line of a changed spec that could be weaker, with its savings, measured by solving.

    `edits` are the names of the edits that the replacement makes. `evidence` is null if it was not
    determined for all images with a saving; `diff_line` if the diff does not show the line, or
    another line states the same.
    """

    spec: SpecLine
    replace_with: str
    saves: tuple[Saving, ...]
    edits: tuple[str, ...] = ()
    kind: EditKind = "weaken"
    evidence: Evidence | None = None
    diff_line: DiffLine | None = None

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.saves, key=lambda saving: saving.key))
        object.__setattr__(self, "saves", ordered)

    @property
    def safe(self) -> bool:
        """Return whether evidence is for it and none against it: files were read."""
        evidence = self.evidence
        return (
            evidence is not None
            and evidence.use == ()
            and evidence.looked_into == "files"
            and evidence.integrity is not False
            and evidence.runs is not False
        )

    @property
    def most(self) -> int:
        """The bytes that it saves in the image where it saves most."""
        return max((saving.installed_size or 0 for saving in self.saves), default=0)


# `alternative`: a smaller package does the same; `caches`: a package manager's caches stay in the
# layer; `documentation` and `weak-dependencies` are installed though not requested; `empty-folder`:
# the image beneath brings in a package manager and more that is not required.
LineKind = Literal[
    "weak-dependencies", "documentation", "package-manager", "caches", "alternative", "empty-folder"
]


@inline("key")
@dataclass(frozen=True, order=True, slots=True)
class LineAdvice:
    """Advice on a line for an image.

    `packages` are the names that leave, `take` those that come instead. `saves` are bytes of
    installed size, found by solving again (of documentation by the packages' headers); null where
    it is not known.
    """

    key: ImageKey
    kind: LineKind
    line: SpecLine
    packages: tuple[str, ...] = ()
    take: tuple[str, ...] = ()
    saves: int | None = None
