"""Scriptlets that do without a program: those that look for it, or ignore that it fails."""

from __future__ import annotations

import re
from collections.abc import Collection

_TEST = re.compile(
    r"\b(?:if|elif|test)\b.*(?:-[xefs]\s|command\s+-v|\btype\b|\bwhich\b)|\[\s+-[xefs]\s"
)
_IGNORED = re.compile(r"\|\|\s*(?::|true\b|exit\s+0\b)")
_OPENS, _CLOSES = re.compile(r"(?:^|[;\s])if\s"), re.compile(r"(?:^|[;\s])fi(?:$|[;\s])")


def runs_without(scriptlets: str, programs: Collection[str]) -> bool:
    """Return whether scriptlets succeed where programs (paths) are not there.

    They do if each line that speaks of one stands behind a test for a file, or ignores the failure.
    """
    names = "|".join(re.escape(name) for name in sorted({p.rpartition("/")[2] for p in programs}))
    if not names:
        return True
    used = re.compile(rf"(?<![\w.-])(?:{names})(?![\w.-])")
    guards: list[bool] = []
    for line in re.sub(r"\\\n", " ", scriptlets).splitlines():
        text = line.split(" #")[0].strip()
        if text.startswith("#"):
            continue
        tested = _TEST.search(text) is not None
        if _OPENS.search(text):
            guards.append(tested)
        mention = used.search(text)
        if mention and not (
            tested or any(guards) or _IGNORED.search(text, mention.end()) is not None
        ):
            return False
        if _CLOSES.search(text) and guards:
            guards.pop()
    return True
