"""The movement of an image: its sum, by kind of cause, and its largest steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
_LARGEST = 5
_KINDS = ("pull request", "commit", "distribution", "configuration", "unknown")


def moved(steps: Sequence[Mapping[str, Any]]) -> Json:
    """The sum of steps: bytes, packages, how many, and the bytes of each kind of cause.

    `by` adds up to `known_delta`: the causes of each step add up to the step.
    """
    by = dict.fromkeys(_KINDS, 0)
    for step in steps:
        for cause in step["steps"]:
            by[cause["cause"]["kind"]] += cause["known_delta"]
        by["unknown"] += step["known_delta"] - sum(c["known_delta"] for c in step["steps"])
    return {
        "known_delta": sum(step["known_delta"] for step in steps),
        "packages_delta": sum(step["packages_delta"] or 0 for step in steps),
        "steps": len(steps),
        "by": by,
    }


def largest_steps(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps that moved most, the farthest first; those that moved nothing are left out."""
    moving = [step for step in steps if step["known_delta"] or step["packages_delta"] is None]
    return sorted(moving, key=lambda s: (-abs(s["known_delta"]), s["evaluated"]))[:_LARGEST]
