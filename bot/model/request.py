"""Advice on the lines of a file that says what an image asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.model.image import ImageKey, inline
from bot.model.spec import SpecLine

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
