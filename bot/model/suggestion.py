"""Edits that would make images smaller: of a changed spec, and of a file that says what an image
asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.model.advice import EditKind, Evidence
from bot.model.image import ImageKey, inline
from bot.model.spec import SpecLine


@inline("key")
@dataclass(frozen=True, slots=True)
class Saving:
    """The saving of a suggestion in one image: packages that leave, and those that come instead.

    `installed_size` is what the image then has less, in bytes.
    """

    key: ImageKey
    packages: int
    installed_size: int | None
    come: int = 0


@dataclass(frozen=True, slots=True)
class DiffLine:
    """The place of a line in the diff that a forge shows: base's path of its file, and its number
    there, null where the line is new."""

    base_path: str
    base_line: int | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A line of a changed spec that could be weaker, what that saves, measured by solving.

    `edits` are the names of what it would be. `evidence` is null where it was not looked for, or
    nothing is known of all images with a saving; `diff_line` where the diff does not show the line,
    or another line states the same.
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
        """Return whether evidence speaks for it, and none against: files were looked into."""
        found = self.evidence
        return (
            found is not None
            and found.use == ()
            and found.looked_into == "files"
            and found.integrity is not False
            and found.runs is not False
        )

    @property
    def most(self) -> int:
        """Bytes that it saves in the image where it saves most."""
        return max((saving.installed_size or 0 for saving in self.saves), default=0)


# `alternative`: a package with a smaller one that does the same; `caches`: a package manager's
# stay in the layer; `documentation` and `weak-dependencies` come though nobody asks for them;
# `empty-folder`: the image beneath brings a package manager and more that nobody requests.
LineKind = Literal[
    "weak-dependencies", "documentation", "package-manager", "caches", "alternative", "empty-folder"
]


@inline("key")
@dataclass(frozen=True, order=True, slots=True)
class LineAdvice:
    """Advice on a line for an image.

    `packages` are the names that leave, `take` those that come instead. `saves` are bytes of
    installed size, found by solving again (of documentation by the packages' headers); null where
    nothing tells.
    """

    key: ImageKey
    kind: LineKind
    line: SpecLine
    packages: tuple[str, ...] = ()
    take: tuple[str, ...] = ()
    saves: int | None = None
