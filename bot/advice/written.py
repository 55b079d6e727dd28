"""Edits that headers refuse: of requirements that a generator made, and of those that scriptlets
need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.advice.edits import Edit
from bot.advice.headers import HeaderFacts
from bot.advice.programs import Opened
from bot.advice.scriptlets import runs_without
from bot.model.package import Package


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
