"""Answers to questions about a pull request's images, computed from a check of its head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple, TypeVar

from bot.chat.parser import Question
from bot.check.objectives import needs_of
from bot.check.run import Prediction
from bot.closure.names import near_names
from bot.closure.pool import Pool
from bot.closure.why import what_if, why
from bot.model.advice import ImageAdvice
from bot.model.closure import WhatIf, Why
from bot.model.image import ImageKey, ImageRequest
from bot.model.package import Overlay
from bot.model.result import CheckResult

# Answers for many images repeat each other; each takes some solves.
MOST_IMAGES = 32
_MOST_NEAR = 3
# Seconds for each image; results that are not proved by then are marked.
SECONDS_OF_ADVICE = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChatFinding:
    """The answer to a question.

    `result` is the check that it is about. `whys`, `what_ifs` and `advices` have one for each image
    of the question; `unsolvable` are images that cannot be installed at this head, `left_out` is
    the number of images beyond MOST_IMAGES, `workloads` are the existing ones, for a question that
    names another. `near` are similar names in the images, if the package or capability is in none
    of them.
    """

    question: Question
    result: CheckResult
    whys: tuple[Why, ...] = ()
    what_ifs: tuple[WhatIf, ...] = ()
    advices: tuple[ImageAdvice, ...] = ()
    unsolvable: tuple[ImageKey, ...] = ()
    left_out: int = 0
    workloads: tuple[str, ...] = ()
    near: tuple[str, ...] = ()


class _Image(NamedTuple):
    request: ImageRequest
    pool: Pool
    overlay: Overlay


def find_answer(question: Question, checked: Prediction) -> ChatFinding:
    """Return the answer to `why`, `what-if`, `advise` or `objectives` on a checked change's images.

    The images are those that the change could affect, as its head has them.
    """
    workloads = tuple(sorted({image.result.key.workload for image in checked.images}))
    finding = ChatFinding(question, checked.result, workloads=workloads)
    if question.name == "why":
        return _find_why(finding, checked)
    if question.name == "what-if":
        return _find_what_if(finding, checked)
    if question.name == "advise":
        return _find_advice(finding, checked)
    return finding  # `objectives` shows the check's result


def _find_why(finding: ChatFinding, checked: Prediction) -> ChatFinding:
    package = finding.question.one("PACKAGE") or ""
    names: set[str] = set()

    def answer_for(image: _Image) -> Why:
        closure = image.pool.solve(image.request, image.overlay)
        names.update(package.nevra.name for package in closure.packages)
        return why(image.pool, image.request, closure, package, image.overlay)

    whys, unsolvable, left_out = _each(finding.question, checked, answer_for)
    near = () if any(answer.nevra for answer in whys) else near_names(package, names)
    return replace(finding, whys=whys, unsolvable=unsolvable, left_out=left_out, near=near)


def _find_what_if(finding: ChatFinding, checked: Prediction) -> ChatFinding:
    question = finding.question
    capability, holder = question.one("CAPABILITY") or "", question.one("PACKAGE")
    required: set[str] = set()
    holders: set[str] = set()

    def answer_for(image: _Image) -> WhatIf:
        answer = what_if(image.pool, image.request, capability, holder, image.overlay)
        if answer.problems:
            closure = image.pool.solve(image.request, image.overlay)
            required.update(e.capability for e in closure.edges if e.kind == "requires")
            holders.update(package.nevra.name for package in closure.packages)
        return answer

    what_ifs, unsolvable, left_out = _each(question, checked, answer_for)
    near: tuple[str, ...] = ()
    if all(answer.problems for answer in what_ifs):
        strange = holder is not None and holder not in holders
        near = near_names(holder or "", holders) if strange else near_names(capability, required)
    return replace(finding, what_ifs=what_ifs, unsolvable=unsolvable, left_out=left_out, near=near)


def _find_advice(finding: ChatFinding, checked: Prediction) -> ChatFinding:
    """Return one advice for all architectures of an image together, by the packages of the head."""
    from bot.advice.advise import Wish, advise
    from bot.advice.headers import HeaderFacts
    from bot.advice.requests import Job

    def job(image: _Image) -> Job:
        needs = needs_of(checked.plan.objectives, image.request.key)
        return Job(image.pool, image.request, image.overlay, needs=needs)

    jobs, unsolvable, left_out = _each(finding.question, checked, job)
    headers = HeaderFacts(checked.cache)
    wish = Wish(int(finding.question.one("--edits") or 1), SECONDS_OF_ADVICE)
    advices = [
        advice
        for _, same in groupby(sorted(jobs, key=lambda j: j.request.key), lambda job: job.image)
        for advice in advise(same, wish, headers)
    ]
    return replace(finding, advices=tuple(advices), unsolvable=unsolvable, left_out=left_out)


def wanted_workloads(question: Question) -> tuple[str, ...]:
    """Return the workloads that a question names; empty if it is about all."""
    named = question.values.get("--workload", ())
    return (*named, *question.values.get("WORKLOAD", ()))


def _each(
    question: Question, checked: Prediction, answer_for: Callable[[_Image], T]
) -> tuple[tuple[T, ...], tuple[ImageKey, ...], int]:
    """Return one answer for each image that can be installed; the keys of the others."""
    workloads = wanted_workloads(question)
    answers: list[T] = []
    unsolvable: list[ImageKey] = []
    left_out = 0
    targets = {target.document.id: target for target in checked.targets}
    for image in checked.images:
        key = image.result.key
        if workloads and key.workload not in workloads:
            continue
        if image.pair.head.status != "ok":
            unsolvable.append(key)
        elif len(answers) == MOST_IMAGES:
            left_out += 1
        else:
            target = targets[key.repository]
            overlay = target.sides[key.arch].head
            answers.append(answer_for(_Image(image.request, target.pools[key.arch], overlay)))
    return tuple(answers), tuple(unsolvable), left_out
