"""Edits that headers refuse.

Refused are edits of requirements that a generator made, and of those that a scriptlet needs because
it neither tests for the program nor ignores its failure.
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
    """Read the headers of packages that edits change; return True if plans must be made again.

    That is so where a header was read for the first time, or an edit was added to `refused`. Edits
    of scriptlets' requirements are refused where a scriptlet would fail without a program of the
    packages that meet them today, or of the others that would leave.
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
    """Return the packages that an edit would change; an overlay replaces published ones."""
    overlay = one.job.overlay
    if overlay is not None and edit.source in overlay.sources:
        return [package for package in overlay.packages if package.nevra.name == edit.package]
    return one.job.pool.candidates(edit.package)


def _met_by(one: Opened, edit: Edit) -> frozenset[int]:
    """Return today's packages that meet the requirements that an edit takes away."""
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
    """Return the programs of packages, and their files where their headers can be read.

    Without directories, which others may have too.
    """
    numbers = list(numbers)
    packages = [one.today[number] for number in numbers]
    headers.read(packages)
    known = (headers.of(package.nevra) for package in packages)
    listed = (file for facts in known if facts is not None for file in facts.files)
    files = frozenset(file.path for file in listed if not file.is_directory)
    programs = (path for number in numbers for path in one.programs.get(number, ()))
    return frozenset(programs), files


def runs_without(scriptlet: str, programs: Collection[str], files: Collection[str] = ()) -> bool:
    """Return whether a scriptlet succeeds without some programs, given by their paths.

    It does if each command that names one is guarded by a test for one of them, or of the `files`
    that are missing too, or ignores the failure.
    """
    names = {path.rpartition("/")[2] for path in programs}
    if not names:
        return True
    gone = names | {merged(path) for path in (*programs, *files)}
    spelled = "|".join(re.escape(name) for name in sorted(names))
    used = re.compile(rf"(?<![\w.-])(?:{spelled})(?![\w.-])")
    commands = bare_commands(scriptlet, lambda tested: merged(tested) in gone)
    return not any(used.search(command) for command in commands)
