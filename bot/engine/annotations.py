"""Annotations on the lines of the specs: the packages that each brings to which images."""

from __future__ import annotations

from collections import defaultdict

from bot.forge.values import Annotation
from bot.model.result import CheckResult
from bot.model.spec import SpecLine

_NAMES = 12  # packages or images that a remark lists by name


def annotations_of(result: CheckResult) -> tuple[Annotation, ...]:
    """The errors in `.minimize.yaml`; then one annotation for each line of the head's specs that
    brings packages, by path and line."""
    packages: defaultdict[SpecLine, set[str]] = defaultdict(set)
    images: defaultdict[SpecLine, set[str]] = defaultdict(set)
    for image in result.images:
        for added in image.added:
            if added.spec is not None and added.spec.line > 0:
                packages[added.spec].add(added.package.nevra.name)
                images[added.spec].add(f"{image.key.workload} on {image.key.environment}")
    lines = tuple(
        Annotation(
            path=line.path,
            line=line.line,
            title=f"minimize: {_count(len(packages[line]), 'package')} more",
            message=f"{line.text.strip()}\nbrings {_listed(packages[line])}"
            f"\nto {_listed(images[line])}.",
        )
        for line in sorted(packages, key=lambda one: (one.path, one.line))
    )
    return (*_wrong_lines(result), *lines)


def _wrong_lines(result: CheckResult) -> tuple[Annotation, ...]:
    """The errors in the head's `.minimize.yaml`, at their lines."""
    proposed = result.configuration
    if proposed is None:
        return ()
    return tuple(
        Annotation(
            path=proposed.path,
            line=problem.line,
            title="minimize: not valid",
            message=f"{problem.field}: {problem.message}" if problem.field else problem.message,
            level="warning",
        )
        for problem in proposed.problems
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(names: set[str]) -> str:
    shown = sorted(names)
    more = len(shown) - _NAMES
    return ", ".join(shown[:_NAMES]) + (f" and {more} more" if more > 0 else "")
