"""Specs drawn at random, and the requirement that each one's change adds."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SECTION = re.compile(r"^%(description|package|prep|files|changelog|build|install)\b")
_TAG = re.compile(r"^(Summary|License|URL|Name|Version|Release)[ \t]*:", re.IGNORECASE)
_IF = re.compile(r"^\s*%(if|ifarch|ifnarch|ifos|ifnos)\b")
_ENDIF = re.compile(r"^\s*%endif\b")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One spec of the corpus: its name without `.spec`, and the files of its change's base.

    `files` maps the paths in the change's repository to where they are on disk: the spec, and
    what stands beside it where the corpus has a folder for each spec.
    """

    name: str
    files: tuple[tuple[str, Path], ...]

    @property
    def spec_path(self) -> str:
        """The path of the spec in the change's repository."""
        return f"{self.name}.spec"


def corpus_specs(folder: Path) -> tuple[Drawn, ...]:
    """All specs of a folder, by name: `NAME.spec`, or `NAME/NAME.spec` with its sources beside."""
    found: dict[str, Drawn] = {}
    for path in sorted(folder.glob("*.spec")):
        found[path.stem] = Drawn(path.stem, ((path.name, path),))
    for path in sorted(folder.glob("*/*.spec")):
        if path.stem == path.parent.name:
            beside = sorted(each for each in path.parent.iterdir() if each.is_file())
            found[path.stem] = Drawn(path.stem, tuple((each.name, each) for each in beside))
    return tuple(found[name] for name in sorted(found))


def draw(specs: Sequence[Drawn], count: int, seed: int) -> tuple[Drawn, ...]:
    """`count` of the specs (all, if there are fewer), sorted by name; the seed alone decides."""
    chance = random.Random(seed)
    chosen = chance.sample(list(specs), min(count, len(specs)))
    return tuple(sorted(chosen, key=lambda each: each.name))


def requirement_for(name: str, published: Sequence[str], seed: int) -> str:
    """The package that a spec's change requires: one of the published names, by name and seed."""
    return random.Random(f"{seed}:{name}").choice(list(published))


def with_requirement(text: str, capability: str) -> str | None:
    """The text of a spec whose main package requires one more capability.

    The line comes after a tag of the preamble that stands in no conditional; None where there is
    no such tag, which happens where another file writes the preamble.
    """
    lines = text.split("\n")
    depth = 0
    for number, line in enumerate(lines):
        if _SECTION.match(line):
            return None
        depth += bool(_IF.match(line)) - bool(_ENDIF.match(line))
        continued = line.rstrip().endswith("\\")
        if depth == 0 and _TAG.match(line) and not continued:
            lines.insert(number + 1, f"Requires: {capability}")
            return "\n".join(lines)
    return None
