"""Field types for untrusted data, validated by pydantic: characters, lengths, numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bot import limits

_PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"


class Strict(BaseModel):
    """An object with exactly the fields of its class, in their exact types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def text(most: int, pattern: str | None = None, least: int = 0) -> StringConstraints:
    """The type of a text of `least` to `most` characters that match the pattern."""
    return StringConstraints(min_length=least, max_length=most, pattern=pattern)


# rpm's own characters (ALLOWED_CHARS_NAME and ALLOWED_CHARS_VERREL of build/parsePreamble.c);
# the percent sign and braces are for undefined macros.
Name = Annotated[str, text(limits.NAME, r"^[A-Za-z0-9_%][A-Za-z0-9._+%{}-]*$")]
Version = Annotated[str, text(limits.NAME, r"^[A-Za-z0-9._+%{}~^-]+$")]
Architecture = Annotated[str, text(limits.NAME, r"^[A-Za-z0-9_%{}?!:-]+$")]
Epoch = Annotated[int, Field(ge=0, le=limits.EPOCH)]
Flags = Annotated[int, Field(ge=0, lt=2**32)]
Number = Annotated[int, Field(ge=0, lt=2**31)]
Size = Annotated[int, Field(ge=0, lt=2**63)]
Capability = Annotated[str, text(limits.CAPABILITY, _PRINTABLE, 1)]
Evr = Annotated[str, text(limits.NAME, _PRINTABLE)]
FileName = Annotated[str, text(limits.PATH)]


def problem(error: ValidationError) -> str:
    """The first error: its place and kind, without the invalid text."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part)[:40] for part in first['loc'])}: {first['type']}"
