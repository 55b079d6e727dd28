"""The answer of the evaluator inside the sandbox, which its subject could have written.

It is read in a process of its own (`bot.limited`), against the schema here: names, versions,
architectures and epochs of the characters and numbers that rpm takes, texts and lists of limited
length. A forged answer that fits is no more than another spec file would be.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bot import limits
from bot.model.package import DependencyKind

_PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"


def _text(most: int, pattern: str | None = None, least: int = 0) -> StringConstraints:
    return StringConstraints(min_length=least, max_length=most, pattern=pattern)


def _list(most: int, least: int = 0) -> object:
    return Field(min_length=least, max_length=most)


# rpm's own characters (ALLOWED_CHARS_NAME and ALLOWED_CHARS_VERREL of build/parsePreamble.c): a
# percent sign and braces are of macros that nothing defined.
Name = Annotated[str, _text(limits.NAME, r"^[A-Za-z0-9_%][A-Za-z0-9._+%{}-]*$")]
Version = Annotated[str, _text(limits.NAME, r"^[A-Za-z0-9._+%{}~^-]+$")]
Architecture = Annotated[str, _text(limits.NAME, r"^[A-Za-z0-9_%{}?!:-]+$")]
Epoch = Annotated[int, Field(ge=0, le=limits.EPOCH)]
Flags = Annotated[int, Field(ge=0, lt=2**32)]
Number = Annotated[int, Field(ge=0, lt=2**31)]
Capability = Annotated[str, _text(limits.CAPABILITY, _PRINTABLE, 1)]
Evr = Annotated[str, _text(limits.NAME, _PRINTABLE)]
Line = Annotated[str, _text(limits.CAPABILITY)]
Text = Annotated[str, _text(limits.SPEC_ANSWER)]
StatedDependency = tuple[DependencyKind, Capability, Flags, Evr]
Condition = tuple[Line, Number, Line]
_Dependencies = Annotated[list[StatedDependency], _list(limits.SPEC_DEPENDENCIES)]
_Words = Annotated[list[Line], _list(limits.SPEC_WORDS)]
_Conditions = Annotated[list[Condition], _list(limits.SPEC_WORDS)]
_Sources = Annotated[list[tuple[Line, Number, Flags]], _list(limits.SPEC_SOURCES)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class StatedPackage(_Strict):
    """A binary package; `files` is the text of its `%files`."""

    name: Name
    epoch: Epoch | None
    version: Version
    release: Version
    arch: Architecture
    files: Text
    dependencies: _Dependencies


class Marked(_Strict):
    """The expanded text of a marked copy, and the files that its marks count."""

    files: _Words
    parsed: Text


class Parsed(_Strict):
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


class Refused(_Strict):
    """A spec file that rpm refused: its messages, and what could be read all the same."""

    error: Annotated[str, _text(limits.SPEC_MESSAGE)]
    requested: _Words = []
    locations: _Words = []
    buildarch: _Conditions = []


class TooLong(_Strict):
    """An architecture's answer that passed its limit."""

    too_long: Literal[True]


Answer = Parsed | Refused | TooLong
