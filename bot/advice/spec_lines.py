"""The lines of spec files that edits change, where a checkout has the spec files.

Spec files are evaluated as in checks, in the sandbox, so that a line is found through macros and
conditions too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.advice.edits import capability_name
from bot.advice.maintainers import Maintainers
from bot.errors import ChangeError
from bot.model.advice import Change, ImageAdvice
from bot.model.image import ImageKey
from bot.model.spec import SpecEvaluation, SpecLine

if TYPE_CHECKING:
    from bot.spec.setting import SpecSetting

MOST_SPECS = 50_000
_NAME = re.compile(r"^Name:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
SettingOf = Callable[[ImageKey], "SpecSetting"]


class SpecLines:
    """The spec files of a checkout; each is evaluated once for an architecture."""

    def __init__(self, checkout: Path, setting_of: SettingOf) -> None:
        self._checkout = checkout
        self._setting_of = setting_of
        self._paths = sorted(_specs(checkout))
        self._known: dict[tuple[str, str, str], SpecEvaluation | None] = {}

    def path_of(self, source: str) -> str | None:
        """Return the path of a source's spec file, by the file's name or else by its Name tag."""
        named = [path for path in self._paths if path.rpartition("/")[2] == f"{source}.spec"]
        if named:
            return named[0]
        return next((path for path in self._paths if _name(self._checkout / path) == source), None)

    def line(self, key: ImageKey, change: Change) -> SpecLine | None:
        """Return the line of the requirement that a change edits; None where it is not found."""
        path = self.path_of(change.source)
        evaluated = self._evaluated(key, path) if path is not None else None
        if evaluated is None or change.kind == "request":
            return None
        for package in evaluated.packages:
            if package.nevra.name == change.package:
                for stated in package.dependencies:
                    name = capability_name(stated.dependency.capability)
                    if stated.dependency.kind == "requires" and name == change.capability:
                        return stated.origin
        return None

    def _evaluated(self, key: ImageKey, path: str) -> SpecEvaluation | None:
        place = key.repository, key.arch, path
        if place not in self._known:
            self._known[place] = self._evaluate(key, path)
        return self._known[place]

    def _evaluate(self, key: ImageKey, path: str) -> SpecEvaluation | None:
        from bot.spec.evaluate import evaluate_spec

        try:
            results = evaluate_spec(
                self._checkout, path, (key.arch,), setting=self._setting_of(key)
            )
        except ChangeError:
            return None
        result = results[key.arch]
        return result if isinstance(result, SpecEvaluation) else None


def with_places(
    advices: Sequence[ImageAdvice], maintainers: Sequence[Maintainers], lines: SpecLines | None
) -> tuple[ImageAdvice, ...]:
    """Return the advices, each change with its spec line and the maintainers of its source.

    Of several lists of maintainers the first that names one counts.
    """

    def placed(advice: ImageAdvice, change: Change) -> Change:
        path = lines.path_of(change.source) if lines is not None else None
        named = (one.of(change.source, path) for one in maintainers)
        return replace(
            change,
            spec=lines.line(advice.key, change) if lines is not None else change.spec,
            maintainers=next((owners for owners in named if owners), change.maintainers),
        )

    return tuple(advice.with_changes(placed) for advice in advices)


def _specs(checkout: Path) -> Iterator[str]:
    count = 0
    for directory, names, files in os.walk(checkout):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for file in files:
            if file.endswith(".spec"):
                count += 1
                if count > MOST_SPECS:
                    return
                yield str(Path(directory, file).relative_to(checkout))


def _name(path: Path) -> str | None:
    try:
        match = _NAME.search(path.read_text(errors="replace"))
    except OSError:
        return None
    return match[1] if match else None
