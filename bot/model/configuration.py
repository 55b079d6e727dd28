"""The effect of a change to a repository's `.minimize.yaml` once it is merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.model.image import ImageKey
from bot.model.verdict import ObjectiveResult, Verdict

# Where a repository says how it wants to be checked.
REPOSITORY_FILE = ".minimize.yaml"


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One thing wrong in a configuration file: the line (from 1), the field, what is expected."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """The file, the line, the field, and what is wrong."""
        field = f"{self.field}: " if self.field else ""
        return f"{REPOSITORY_FILE}:{self.line}: {field}{self.message}"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field as both sides write it; null where a side does not have it."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """An image as the changed file would have it judged; `changed` by its thresholds."""

    key: ImageKey
    changed: bool
    objectives: tuple[ObjectiveResult, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """The effect of a changed file from the merge on. The check itself goes by the base's file.

    With `problems` the head's file is wrong, and nothing else is known. `more` and `fewer` are
    images that would be looked at only after the merge, or no more. `verdict` is what this change's
    would be under the head's file, null where no spec changed; `images` are those that are then
    judged otherwise, or only then. `notes` are sentences.
    """

    path: str
    action: Literal["added", "changed", "removed"]
    problems: tuple[FileProblem, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    more: tuple[ImageKey, ...] = ()
    fewer: tuple[ImageKey, ...] = ()
    verdict: Verdict | None = None
    images: tuple[JudgedImage, ...] = ()
    notes: tuple[str, ...] = ()
