"""Annotations of a change's lines: the packages that a line brings in, and its errors.

A forge shows them beside the line; files for continuous-integration systems have them too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bot import limits
from bot.model.closure import UnsolvableCause
from bot.model.result import CheckResult, ImageResult
from bot.model.spec import SpecLine
from bot.report.phrase import printable, visible

# The kinds of annotations with their descriptions: CI systems list them as rules.
RULES = {
    "packages-added": "A line of this change brings packages to an image.",
    "limit-exceeded": "A line of this change brings packages to an image beyond its limit.",
    "not-installable": "A line of this change makes an image impossible to install.",
    "not-evaluated": "A file of this change cannot be evaluated.",
    "configuration-invalid": "The configuration file is not valid.",
}
Rule = Literal[
    "packages-added", "limit-exceeded", "not-installable", "not-evaluated", "configuration-invalid"
]
Level = Literal["notice", "warning", "failure"]
_GRAVITY: Mapping[Level, int] = {"notice": 0, "warning": 1, "failure": 2}
_LONGEST_PATH, _LONGEST = 4096, 10_000  # characters; GitHub takes 64 kB of a message
_NAMES = 12  # number of packages or images that an annotation names


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation of one line (from 1) of a file of the head commit, in plain text."""

    path: str
    line: int
    title: str
    message: str
    level: Level = "notice"
    rule: Rule = "packages-added"


def annotations_of(result: CheckResult) -> tuple[Annotation, ...]:
    """Return the errors in `.minimize.yaml`, then those of other files by path and line.

    The others are errors that prevent an evaluation, lines that make an image uninstallable, and
    lines that bring in packages. Invisible characters are replaced.
    """
    lines = (*_refused(result), *_uninstallable(result), *_arrivals(result))
    # If there are too many, the gravest are kept.
    gravest = sorted(lines, key=lambda annotation: _GRAVITY[annotation.level], reverse=True)
    first = sorted(
        gravest[: limits.ANNOTATIONS], key=lambda annotation: (annotation.path, annotation.line)
    )
    annotations = (*_invalid_fields(result)[: limits.ANNOTATIONS], *first)
    return tuple(
        replace(
            annotation,
            path=visible(annotation.path, _LONGEST_PATH),
            message=_cut(printable(annotation.message)),
        )
        for annotation in annotations
    )


def _arrivals(result: CheckResult) -> Iterator[Annotation]:
    """Yield one for each line that brings in packages.

    It is a failure if one of its images then exceeds a limit that nobody accepted.
    """
    packages: defaultdict[SpecLine, set[str]] = defaultdict(set)
    images: defaultdict[SpecLine, set[str]] = defaultdict(set)
    limited: set[SpecLine] = set()
    for image in result.images:
        broken = any(objective.worse for objective in image.objectives)
        for added in image.added:
            line = added.spec
            if line is None or line.line <= 0:
                continue
            packages[line].add(added.package.nevra.name)
            images[line].add(_name(image))
            if broken and result.accepted is None:
                limited.add(line)
    for line, names in packages.items():
        yield Annotation(
            path=line.path,
            line=line.line,
            title=f"minimize: {_count(len(names), 'package')} more",
            message=f"{line.text.strip()}\nbrings {_listed(names)}\nto {_listed(images[line])}.",
            level="failure" if line in limited else "notice",
            rule="limit-exceeded" if line in limited else "packages-added",
        )


def _uninstallable(result: CheckResult) -> Iterator[Annotation]:
    """Yield one for each line by which head cannot install images that base could."""
    images: defaultdict[tuple[SpecLine, str], set[str]] = defaultdict(set)
    for image in result.images:
        if image.head.status == "unsolvable" and image.base.status != "unsolvable":
            for cause in image.head.causes:
                if cause.spec is not None and cause.spec.line > 0:
                    images[cause.spec, _sentence(cause)].add(_name(image))
    for (line, sentence), names in images.items():
        yield Annotation(
            path=line.path,
            line=line.line,
            title="minimize: cannot be installed",
            message=f"{line.text.strip()}\n{sentence}\nThis concerns {_listed(names)}.",
            level="failure",
            rule="not-installable",
        )


def _refused(result: CheckResult) -> Iterator[Annotation]:
    """Yield one for each line for which a file of the change cannot be evaluated."""
    for line in result.refused:
        yield Annotation(
            path=line.path,
            line=line.line or 1,  # an annotation needs one
            title="minimize: cannot be evaluated",
            message=line.message,
            level="failure",
            rule="not-evaluated",
        )


def _sentence(cause: UnsolvableCause) -> str:
    """`Nothing provides libnothere >= 3.`"""
    if cause.kind == "missing":
        return f"Nothing provides {cause.capability}."
    other = "another package" if cause.conflicts_with is None else str(cause.conflicts_with)
    return f"{cause.needed_by or 'It'} cannot be installed beside {other}: {cause.capability}."


def _invalid_fields(result: CheckResult) -> tuple[Annotation, ...]:
    """Return the errors in the head's `.minimize.yaml`, at their lines."""
    proposed = result.configuration
    if proposed is None:
        return ()
    return tuple(
        Annotation(
            path=proposed.path,
            line=problem.line or 1,  # an annotation needs one
            title="minimize: not valid",
            message=f"{problem.field}: {problem.message}" if problem.field else problem.message,
            level="warning",
            rule="configuration-invalid",
        )
        for problem in proposed.problems
    )


def _name(image: ImageResult) -> str:
    return f"{image.key.workload} on {image.key.environment}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: set[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _NAMES
    return ", ".join(ordered[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
