"""What a question about a pull request's images finds: computed from a check of its head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from bot.chat.parser import Asked
from bot.check import Prediction
from bot.closure import Pool, what_if, why
from bot.model import CheckResult, ImageKey, ImageRequest, Overlay, WhatIf, Why

# Answers of many images say the same again and again; each costs some solves.
MOST_IMAGES = 32
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a question. `result` is the check it is about.

    `whys` and `what_ifs` have one for each image that was asked about; `unsolvable` are images that
    cannot be installed at this head, `left_out` how many images there are beyond MOST_IMAGES,
    `workloads` those there are, for a question that names another.
    """

    asked: Asked
    result: CheckResult
    whys: tuple[Why, ...] = ()
    what_ifs: tuple[WhatIf, ...] = ()
    unsolvable: tuple[ImageKey, ...] = ()
    left_out: int = 0
    workloads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Image:
    request: ImageRequest
    pool: Pool
    overlay: Overlay


def find_answer(asked: Asked, checked: Prediction) -> Found:
    """The answer to `why`, `what-if` or `objectives` on the images of a checked change.

    The images are those that the change could touch, as its head has them.
    """
    workloads = tuple(sorted({found.result.key.workload for found in checked.images}))
    if asked.name == "why":
        package = asked.one("PACKAGE") or ""

        def ask_why(image: _Image) -> Why:
            closure = image.pool.solve(image.request, image.overlay)
            return why(image.pool, image.request, closure, package, image.overlay)

        whys, unsolvable, left_out = _each(asked, checked, ask_why)
        return Found(asked, checked.result, whys, (), unsolvable, left_out, workloads)
    if asked.name == "what-if":
        capability, holder = asked.one("CAPABILITY") or "", asked.one("PACKAGE")

        def ask_what_if(image: _Image) -> WhatIf:
            return what_if(image.pool, image.request, capability, holder, image.overlay)

        what_ifs, unsolvable, left_out = _each(asked, checked, ask_what_if)
        return Found(asked, checked.result, (), what_ifs, unsolvable, left_out, workloads)
    return Found(asked, checked.result, workloads=workloads)


def _each(
    asked: Asked, checked: Prediction, ask: Callable[[_Image], T]
) -> tuple[tuple[T, ...], tuple[ImageKey, ...], int]:
    """One answer for each image that can be installed; the keys of the others."""
    wanted = asked.values.get("--workload", ())
    answers: list[T] = []
    unsolvable: list[ImageKey] = []
    left_out = 0
    for key, solvable, image in _images(checked):
        if wanted and key.workload not in wanted:
            continue
        if not solvable:
            unsolvable.append(key)
        elif len(answers) == MOST_IMAGES:
            left_out += 1
        else:
            answers.append(ask(image))
    return tuple(answers), tuple(unsolvable), left_out


def _images(checked: Prediction) -> Iterator[tuple[ImageKey, bool, _Image]]:
    targets = {target.document.id: target for target in checked.targets}
    for found in checked.images:
        key = found.result.key
        target = targets[key.repository]
        overlay = target.sides[key.arch].head
        image = _Image(found.request, target.pools[key.arch], overlay)
        yield key, found.pair.head.status == "ok", image
