"""Edits that headers refuse: of requirements that a generator made, and of those that scriptlets
need: those that neither look for a program nor ignore that it fails.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from bot.advice.contents import merged
from bot.advice.edits import Edit
from bot.advice.headers import HeaderFacts
from bot.advice.programs import Opened
from bot.advice.scriptlets import bare_commands
from bot.model.package import Package

Leaving = Sequence[frozenset[int]]
"""The packages that would leave an image, for each of its architectures."""


def news_of(
    opened: Sequence[Opened],
    planned: Mapping[Edit, Leaving],
    headers: HeaderFacts,
    refused: set[tuple[str, str]],
) -> bool:
    """Reads the headers of packages that edits would change; true where they say something new.

    Edits of scriptlets' requirements are refused where a scriptlet would fail without a program of
    what meets them today, or of what else would leave.
    """
    new = False
    for edit, leaving in planned.items():
        for place, one in enumerate(opened):
            gone = _met_by(one, edit) | leaving[place]
            for package in _packages(one, edit):
                known = headers.of(package.nevra)
                headers.read([package])
                facts = headers.of(package.nevra)
                if facts is None:
                    continue
                new = new or known is None
                if edit.kind == "order" and not all(
                    runs_without(text, *_programs_and_files(one, gone, headers))
                    for _, text in facts.scripts
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


def _met_by(one: Opened, edit: Edit) -> frozenset[int]:
    """Today's packages that meet what an edit takes away."""
    candidates = one.candidates
    return frozenset(
        number
        for need in candidates.needs
        if candidates.packages[need.package].nevra.name == edit.package
        and need.capability in edit.capabilities
        for clause in need.formula
        for number in clause & candidates.now
    )


def _programs_and_files(
    one: Opened, numbers: Iterable[int], headers: HeaderFacts
) -> tuple[frozenset[str], frozenset[str]]:
    """The programs of packages, and all their files where their headers can be read."""
    numbers = list(numbers)
    packages = [one.today[number] for number in numbers]
    headers.read(packages)
    known = (headers.of(package.nevra) for package in packages)
    files = frozenset(file.path for facts in known if facts is not None for file in facts.files)
    programs = (path for number in numbers for path in one.programs.get(number, ()))
    return frozenset(programs), files


def runs_without(scriptlet: str, programs: Collection[str], files: Collection[str] = ()) -> bool:
    """Return whether a scriptlet succeeds where programs (paths) are not there.

    It does if each command that speaks of one stands behind a test for one of them, or of `files`
    that are not there either, or ignores the failure.
    """
    names = {path.rpartition("/")[2] for path in programs}
    if not names:
        return True
    gone = names | {merged(path) for path in (*programs, *files)}
    spelled = "|".join(re.escape(name) for name in sorted(names))
    used = re.compile(rf"(?<![\w.-])(?:{spelled})(?![\w.-])")
    commands = bare_commands(scriptlet, lambda tested: merged(tested) in gone)
    return not any(used.search(command) for command in commands)
