"""The corpus's figures: each run's class, the totals, and the table that people read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from tests.corpus.checking import Image, SpecRun

Comparison = Literal["equal", "neutral", "different", "not compared"]

_NUMBER = re.compile(r"\b\d[\w.~^-]*")
_MACRO = re.compile(r"%\{?[?!]*\w+")
_QUOTED = re.compile(r"(?<=: )[^:]*$")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one run.

    `evaluation` is `whole` or the class of what was in the way; `comparison` with dnf's `image`
    where the source is published; `wrong` says which promise is broken, empty where none is.
    """

    run: SpecRun
    evaluation: str
    comparison: Comparison
    why: str = ""
    wrong: str = ""
    image: Image | None = None


def judge(run: SpecRun, image: Image | None = None) -> Verdict:
    """The class of a run; `image` is dnf's answer, None where dnf was not asked."""
    evaluation = evaluation_class(run)
    wrong = _wrong(run)
    if not run.published:
        return Verdict(run, evaluation, "not compared", wrong=wrong)
    if evaluation != "whole":
        return Verdict(run, evaluation, _uncompared(run), evaluation, wrong)
    if run.excluded:
        return Verdict(run, evaluation, "neutral", "the architecture is excluded", wrong)
    if image is None:
        why = "the published main package is not in the overlay"
        return Verdict(run, evaluation, _uncompared(run), why, wrong)
    same = run.image == image or (run.image is None and image.base == image.head is not None)
    if same:
        wrong = wrong or _wrong_verdict(run.verdict, image)
        return Verdict(run, evaluation, "equal", image=image, wrong=wrong)
    return Verdict(run, evaluation, _uncompared(run), _difference(run, image), wrong, image)


def _wrong_verdict(verdict: str, image: Image) -> str:
    """Return the error of a verdict on an image that dnf solves alike; neutral is never wrong."""
    expected = "neutral" if image.base is None else "failure" if image.head is None else "success"
    return "" if verdict in (expected, "neutral") else f"{verdict} where dnf says {expected}"


def _uncompared(run: SpecRun) -> Comparison:
    return "neutral" if run.verdict == "neutral" else "different"


def evaluation_class(run: SpecRun) -> str:
    """`whole`, or the class of what kept the spec from being evaluated, without its own names."""
    if run.ending != "answered":
        return f"{run.ending}: {run.message}"
    if run.failures:
        _, cause, message = run.failures[0]
        return f"{cause}: {message_class(message)}"
    if run.unexpanded:
        macro = _MACRO.search(run.unexpanded[0])
        return f"unexpanded: {macro[0] if macro else run.unexpanded[0]}"
    return "whole" if run.evaluated else "nothing was evaluated"


def message_class(message: str) -> str:
    """rpm's message without places, numbers and what it quotes: the same for the same cause."""
    plain = re.sub(r"^\S*?:? ?line \d+: ", "", message)
    macro = _MACRO.search(plain)
    if macro:
        return f"{plain.split(':', 1)[0]}: {macro[0]}"
    return _NUMBER.sub("N", plain)[:100]


def _wrong(run: SpecRun) -> str:
    if run.ending != "answered":
        return run.ending
    if run.verdict == "success" and run.unexpanded:
        return f"success with {run.unexpanded[0]}"
    if run.verdict == "success" and run.failures:
        return f"success although {run.failures[0][2]}"
    if run.verdict == "failure" and run.failures:
        return f"failure although base is no better: {run.failures[0][2]}"
    return ""


def _difference(run: SpecRun, image: Image) -> str:
    if run.image is None:
        return "the image is not listed"
    said = []
    for side in ("base", "head"):
        ours, theirs = getattr(run.image, side), getattr(image, side)
        if ours == theirs:
            continue
        if ours is None or theirs is None:
            said.append(f"{side}: only {'dnf' if ours is None else 'the check'} can install it")
        else:
            more, less = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
            said.append(f"{side}: {len(more)} more {more[:3]}, {len(less)} fewer {less[:3]}")
    return "; ".join(said)


def figures(verdicts: Sequence[Verdict], seed: int) -> dict[str, object]:
    """All figures as one JSON object, with the seed and the specs."""
    runs = [verdict.run for verdict in verdicts]
    published = [v for v in verdicts if v.run.published]
    return {
        "seed": seed,
        "drawn": len(verdicts),
        "evaluation": _counted(v.evaluation for v in verdicts),
        "verdicts": _counted(run.verdict or run.ending for run in runs),
        "published": len(published),
        "comparison": _counted(v.comparison for v in published),
        "equal_not_installable": sum(
            v.comparison == "equal" and v.image is not None and v.image.base is None
            for v in published
        ),
        "neutral": _counted(v.why for v in published if v.comparison == "neutral"),
        "different": {v.run.name: v.why for v in published if v.comparison == "different"},
        "wrong": {v.run.name: v.wrong for v in verdicts if v.wrong},
        "seconds": {
            "median": sorted(run.seconds for run in runs)[len(runs) // 2] if runs else None,
            "most": max((run.seconds for run in runs), default=None),
        },
        "specs": [asdict(v) for v in verdicts],
    }


def _counted(classes: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(classes).most_common())


def markdown(found: Mapping[str, object]) -> str:
    """The table of `figures`, for people."""
    drawn = found["drawn"]
    lines = [f"{drawn} specs, seed {found['seed']}", "", "| evaluated | specs |", "|---|---|"]
    lines += _rows(found["evaluation"])
    lines += ["", f"| compared with dnf | {found['published']} published |", "|---|---|"]
    lines += _rows(found["comparison"])
    lines += [f"| of the equal ones, not installable before | {found['equal_not_installable']} |"]
    for title in ("neutral", "different", "wrong"):
        lines += ["", f"| {title} | |", "|---|---|", *_rows(found[title])]
    lines += ["", f"Seconds for each spec: {json.dumps(found['seconds'])}"]
    return "\n".join(lines) + "\n"


def _rows(counts: object) -> list[str]:
    assert isinstance(counts, Mapping)
    return [
        f"| {str(name).replace('|', chr(92) + '|')} | {count} |" for name, count in counts.items()
    ]
