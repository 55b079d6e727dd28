"""The verdict of a check by CONTRACT's rules, and who is at fault for a spec that has no packages.

Only what the change does fails the check. Failures that the base has too, undefined macros, missing
files and failures around the check make it neutral.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from bot.check.evidence import EvaluatedSpec, Evaluation, Side
from bot.errors import in_backticks
from bot.model.architecture import all_architectures, architecture_order
from bot.model.result import Acceptance, CheckResult, ImageResult, Verdict
from bot.model.spec import RefusedLine, SpecEvaluation, SpecFailure
from bot.spec.missing import unexpanded_sentence


def verdict(
    images: Iterable[ImageResult], unevaluated: Iterable[Unevaluated], unknown: bool
) -> Verdict:
    """Return `failure` if the change is at fault, else `neutral` if something was not evaluated.

    The change fails if it makes a spec invalid or run into its sandbox's limits, a head unsolvable
    whose base was not, or an objective broken or worse. Neutral: the base was already unsolvable or
    could not be evaluated, a macro stayed unexpanded, or `unknown`: something around the check
    failed, or an image could not be judged.
    """
    images, unevaluated = tuple(images), tuple(unevaluated)
    if any(spec.fault == "change" for spec in unevaluated):
        return "failure"
    if any(i.base.status != "unsolvable" and i.head.status == "unsolvable" for i in images):
        return "failure"
    if any(o.worse for i in images for o in i.objectives):
        return "failure"
    unsolvable = any(i.base.status == "unsolvable" for i in images)
    if unknown or unevaluated or unsolvable:
        return "neutral"
    return "success"


def only_limits(
    images: Iterable[ImageResult], unevaluated: Iterable[Unevaluated], unknown: bool
) -> bool:
    """Return whether only objectives make it a failure, which a person may accept."""
    images, unevaluated = tuple(images), tuple(unevaluated)
    without = [replace(image, objectives=()) for image in images]
    return (
        verdict(images, unevaluated, unknown) == "failure"
        and verdict(without, unevaluated, unknown) != "failure"
    )


def accept(result: CheckResult, acceptance: Acceptance) -> CheckResult:
    """The result with its limits accepted; unchanged if there is nothing to accept.

    If it is accepted again, the last acceptance and its reason are shown.
    """
    if not result.only_limits or result.accepted == acceptance:
        return result
    without = [replace(image, objectives=()) for image in result.images]
    unknown = result.interrupted or result.incomplete
    judged = verdict(without, (), unknown)
    if result.verdict == "action_required":
        return replace(result, accepted=acceptance, predicted_verdict=judged)
    return replace(result, accepted=acceptance, verdict=judged)


def not_allowed(result: CheckResult) -> CheckResult:
    """The prediction for a change that no trusted person made or allowed: it waits for one."""
    return replace(result, verdict="action_required", predicted_verdict=result.judged)


Fault = Literal["change", "unexpanded", "unread", "base", "surroundings"]
# A version or release, alone or at the end of a name; or a line number.
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])\d[\w.~^+]*(?:-\d[\w.~^+]*)*")
# Anything with a slash, or a file name with a suffix.
_PATH = re.compile(r"\S*/[^\s:;,'\")]*|(?<![\w.%{])[\w+%{}][\w.+%{}~^-]*\.[A-Za-z]\w*")
# Removing an unclosed quotation of a path or version leaves blanks.
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Unevaluated:
    """A spec file without packages on one architecture: the error, the fault, and the sides.

    `failure` is head's if `sides` has head.
    """

    failure: SpecFailure
    fault: Fault
    sides: tuple[Side, ...]


def unevaluated(evaluated: EvaluatedSpec, arch: str) -> tuple[Unevaluated, ...]:
    """Return why a spec cannot be compared on `arch`; faults of the change come first.

    Empty if both sides were evaluated. If head is invalid or runs into a limit, the change is at
    fault, unless the base fails in the same way (`alike`), or something around the base's
    evaluation failed.
    """
    head, base = _failure(evaluated.head.get(arch)), _failure(evaluated.base.get(arch))
    if head is None and base is None:
        return ()
    if base is None:
        assert head is not None
        return (Unevaluated(head, _fault(head, "head"), ("head",)),)
    if head is None:
        return (Unevaluated(base, _fault(base, "base"), ("base",)),)
    if alike(base, head):
        return (Unevaluated(head, _fault(head, "base"), ("base", "head")),)
    fault: Fault = "surroundings" if base.cause == "surroundings" else _fault(head, "head")
    failed = (
        Unevaluated(head, fault, ("head",)),
        Unevaluated(base, _fault(base, "base"), ("base",)),
    )
    return tuple(sorted(failed, key=lambda spec: _ORDER.index(spec.fault)))


_ORDER: tuple[Fault, ...] = ("change", "unexpanded", "unread", "base", "surroundings")


def _fault(failure: SpecFailure, side: Side) -> Fault:
    if failure.cause in ("unexpanded", "unread"):
        return failure.cause
    if failure.cause in ("invalid", "limit"):
        return "change" if side == "head" else "base"
    return "surroundings"


def _failure(result: Evaluation | None) -> SpecFailure | None:
    """The failure of a side; unexpanded macros are one."""
    if isinstance(result, SpecEvaluation):
        if not result.unexpanded:
            return None
        line = next((u.origin.line for u in result.unexpanded if u.origin is not None), None)
        message = unexpanded_sentence(result.unexpanded)
        return SpecFailure(result.path, result.arch, "unexpanded", message, line)
    return result


def alike(base: SpecFailure, head: SpecFailure) -> bool:
    """Return whether both sides fail in the same way: the same cause and the same first message.

    Line numbers, versions and paths in the messages are ignored.
    """
    return base.cause == head.cause and essence(base.message) == essence(head.message)


def essence(message: str) -> str:
    """Return the first line of a message without paths, versions and numbers of lines.

    >>> essence("app.spec:12: bad %if condition:  3.1 >")
    'PATH:N: bad %if condition: N >'
    """
    first = message.strip().split("\n", maxsplit=1)[0]
    first = _PATH.sub("PATH", first)
    first = _NUMBER.sub("N", first)
    return _BLANKS.sub(" ", first).strip().rstrip(".")


def refused_lines(failed: Iterable[Unevaluated], paths: Collection[str]) -> tuple[RefusedLine, ...]:
    """Return the lines of `paths` that cannot be evaluated and for which the change is at fault."""
    return tuple(
        sorted(
            {
                RefusedLine(spec.failure.path, spec.failure.line, spec.failure.message)
                for spec in failed
                if spec.fault == "change" and spec.failure.path in paths
            },
            key=lambda line: line.order,
        )
    )


def sentences(specs: Iterable[EvaluatedSpec]) -> list[str]:
    """Return one sentence for each failure, with all architectures that have it; faults of the
    change come first."""
    shared: dict[tuple[int, str], list[str]] = {}
    evaluated: set[str] = set()
    for spec in specs:
        for arch in dict.fromkeys((*spec.head, *spec.base)):
            evaluated.add(arch)
            for rank, text in _failure_texts(spec, arch):
                shared.setdefault((rank, text), []).append(arch)
    listed = sorted(shared.items(), key=lambda item: item[0][0])
    return [f"{text} {where_so(arches, evaluated)}" for (_, text), arches in listed]


def _failure_texts(evaluated: EvaluatedSpec, arch: str) -> Iterator[tuple[int, str]]:
    for failed in unevaluated(evaluated, arch):
        # A refused spec is among the problems of the change already.
        if evaluated.spec.refused and failed.sides == ("head",):
            continue
        failure = failed.failure
        where = f"{failure.path}:{failure.line}" if failure.line else failure.path
        reason = failure.message.rstrip(".")
        # Only messages about limits are ours; those of rpm and the shell cite the spec.
        words = reason if failure.cause == "limit" else in_backticks(reason)
        text = f"{where} ({' and '.join(failed.sides)}): {words}."
        if failed.fault == "base" and "head" in failed.sides:
            text += " The base fails in the same way."
        yield _ORDER.index(failed.fault), text


def where_so(arches: Iterable[str], evaluated: Collection[str]) -> str:
    """Return a separate sentence on the architectures: the text before it is rpm's, and a title may
    end there."""
    named = sorted(set(arches), key=architecture_order)
    everywhere = all_architectures(named, evaluated)
    if everywhere:
        return f"This is so on {everywhere} architectures."
    return f"This is so on {' and '.join(', '.join(named).rsplit(', ', 1))}."
