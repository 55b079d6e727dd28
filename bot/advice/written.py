"""Edits that headers refuse: of requirements that a generator made, and of those that scriptlets
need: those that neither look for a program nor ignore that it fails.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from bot.advice.edits import Edit
from bot.advice.headers import HeaderFacts
from bot.advice.programs import Opened
from bot.model.package import Package

_TEST = re.compile(
    r"\b(?:if|elif|test)\b.*(?:-[xefs]\s|command\s+-v|\btype\b|\bwhich\b)|\[\s+-[xefs]\s"
)
_IGNORED = re.compile(r"\|\|\s*(?::|true\b|exit\s+0\b)")
_OPENS, _CLOSES = re.compile(r"(?:^|[;\s])if\s"), re.compile(r"(?:^|[;\s])fi(?:$|[;\s])")


def news_of(
    opened: Sequence[Opened],
    planned: Iterable[Edit],
    headers: HeaderFacts,
    refused: set[tuple[str, str]],
) -> bool:
    """Reads the headers of packages that edits would change; true where they say something new.

    Edits of scriptlets' requirements are refused where a scriptlet would fail without a program.
    """
    new = False
    for edit in planned:
        for one in opened:
            for package in _packages(one, edit):
                known = headers.of(package.nevra)
                headers.read([package])
                facts = headers.of(package.nevra)
                if facts is None:
                    continue
                new = new or known is None
                if edit.kind == "order" and not runs_without(
                    facts.scriptlets, _programs(one, edit)
                ):
                    refused.add((edit.package, edit.capability))
                    new = True
    return new


def _packages(one: Opened, edit: Edit) -> Iterable[Package]:
    """The packages that an edit would change: those of the overlay that stand in for others."""
    overlay = one.job.overlay
    if overlay is not None and edit.source in overlay.sources:
        return [package for package in overlay.packages if package.nevra.name == edit.package]
    return one.job.pool.candidates(edit.package)


def _programs(one: Opened, edit: Edit) -> frozenset[str]:
    """The programs of the packages that meet today what an edit takes away."""
    candidates = one.candidates
    providers = {
        number
        for need in candidates.needs
        if candidates.packages[need.package].nevra.name == edit.package
        and need.capability in edit.capabilities
        for clause in need.formula
        for number in clause & candidates.now
    }
    return frozenset(path for number in providers for path in one.programs.get(number, ()))


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
