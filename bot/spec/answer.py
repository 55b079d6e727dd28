"""The schema of the evaluator's answer, which the evaluated spec file could have forged.

It is read in a process of its own (`bot.limited`): names, versions, architectures and epochs must
have the characters and numbers that rpm accepts, texts and lists a limited length. A forged answer
that fits can do no more than another spec file could.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot import limits
from bot.limited.fields import (
    Architecture,
    Capability,
    Epoch,
    Evr,
    Flags,
    Name,
    Number,
    Strict,
    Version,
    text,
)
from bot.model.package import DependencyKind


def _list(most: int, least: int = 0) -> object:
    return Field(min_length=least, max_length=most)


Line = Annotated[str, text(limits.CAPABILITY)]
Text = Annotated[str, text(limits.SPEC_ANSWER)]
StatedDependency = tuple[DependencyKind, Capability, Flags, Evr]
Condition = tuple[Line, Number, Line]
_Dependencies = Annotated[list[StatedDependency], _list(limits.SPEC_DEPENDENCIES)]
_Words = Annotated[list[Line], _list(limits.SPEC_WORDS)]
_Conditions = Annotated[list[Condition], _list(limits.SPEC_WORDS)]
_Sources = Annotated[list[tuple[Line, Number, Flags]], _list(limits.SPEC_SOURCES)]


class StatedPackage(Strict):
    """A binary package; `files` is the text of its `%files`."""

    name: Name
    epoch: Epoch | None
    version: Version
    release: Version
    arch: Architecture
    files: Text
    dependencies: _Dependencies


class Marked(Strict):
    """The expanded text of a marked copy, and the files to which its marks refer by number."""

    files: _Words
    parsed: Text


class Parsed(Strict):
    """A spec file that rpm parsed."""

    packages: Annotated[list[StatedPackage], _list(limits.SPEC_PACKAGES, 1)]
    source: Name
    buildrequires: _Dependencies
    exclusivearch: _Words
    excludearch: _Words
    conditions: _Conditions
    sources: _Sources
    macros: Annotated[list[tuple[Line, Text]], _list(limits.SPEC_WORDS)]
    parsed: Text
    marked: Marked | None


class Refused(Strict):
    """A spec file that rpm refused: its messages, and the parts that could still be read."""

    error: Annotated[str, text(limits.SPEC_MESSAGE)]
    requested: _Words = Field(default_factory=list)
    locations: _Words = Field(default_factory=list)
    buildarch: _Conditions = Field(default_factory=list)


class TooLong(Strict):
    """An architecture's answer that exceeded its limit."""

    too_long: Literal[True]


Answer = Parsed | Refused | TooLong
