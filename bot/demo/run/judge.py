"""A check of the demo's outcome: the packages in each comment, one comment, a conclusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.demo.run.watch import Watched

REQUIRED = "perl"  # a line of the spec names it
LINKED = "libxslt"  # no line names it: only the build finds it
PROBLEMS = ("base-failed", "head-failed", "missing-requirement", "not-built")


def problems_of(seen: Watched, result: Mapping[str, Any]) -> list[str]:
    """The errors, a sentence each; none if all is well."""
    problems = []
    if not seen.texts:
        return ["The bot did not comment."]
    first, last = seen.texts[0][1], seen.texts[-1][1]
    if REQUIRED not in first:
        problems.append(f"The predicted comment does not name {REQUIRED}.")
    if LINKED in first:
        problems.append(f"The predicted comment names {LINKED}, which only a build can find.")
    if len(seen.texts) == 1:
        problems.append("The comment was not edited after the rebuild.")
    elif REQUIRED not in last:
        problems.append(f"The rebuilt comment does not name {REQUIRED}.")
    if len(seen.texts) > 1 and LINKED not in last:
        problems.append(f"The rebuilt comment does not name {LINKED}.")
    if len(seen.comments) != 1:
        problems.append(f"The bot wrote {len(seen.comments)} comments; one was expected.")
    if seen.conclusion not in ("success", "failure"):
        problems.append(f"The status has the conclusion {seen.conclusion}.")
    for build in result.get("builds", ()):
        if build["outcome"] in PROBLEMS:
            problems.append(f"Build of {build['side']}: {build['outcome']}: {build['message']}")
    return problems
