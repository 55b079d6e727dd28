"""The fields of `.minimize.yaml`, checked by pydantic; apart because pydantic is slow to load."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from bot.build.url_template import placeholders_in, template_problem
from bot.distro.quantities import parse_duration, parse_size
from bot.model.architecture import DEFAULT_ARCHITECTURES, RPM_ARCHITECTURES

# A deadline is no shorter than a look, and a run is not kept for longer than a week.
_SHORTEST, _LONGEST = 60.0, 7 * 86400.0


class ThresholdsModel(BaseModel):
    """From where on a moved size counts; both must be passed."""

    model_config = ConfigDict(extra="forbid")
    bytes: str | None = None
    percent: float | None = Field(default=None, ge=0, strict=False)

    @field_validator("bytes", mode="before")
    @classmethod
    def _plain_number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("bytes")
    @classmethod
    def _a_size(cls, value: str | None) -> str | None:
        if value is not None:
            parse_size(value)
        return value


def _arch(value: str) -> str:
    if value not in RPM_ARCHITECTURES:
        common = ", ".join(DEFAULT_ARCHITECTURES)
        raise ValueError(f"expected an architecture by rpm's name, such as {common}")
    return value


def _template(value: str) -> str:
    problem = template_problem(value)
    if problem is not None:
        raise ValueError(problem)
    return value


def _chroot(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._+-]{1,100}", value):
        raise ValueError("expected a name such as `fedora-rawhide-x86_64`")
    return value


Arch = Annotated[str, AfterValidator(_arch)]
Template = Annotated[str, AfterValidator(_template)]
Chroot = Annotated[str, AfterValidator(_chroot)]


class ExternalModel(BaseModel):
    """Which check to wait for, and where its packages then are."""

    model_config = ConfigDict(extra="forbid", strict=True)
    check: Annotated[str, Field(min_length=1, max_length=200)]
    repository: Template
    base: Template | None = None
    chroots: dict[Arch, Chroot] | dict[str, dict[Arch, Chroot]] = {}
    deadline: str = "2 h"

    @field_validator("repository")
    @classmethod
    def _names_the_change(cls, value: str) -> str:
        if not placeholders_in(value) & {"number", "sha"}:
            raise ValueError("without {number} or {sha} it is the same for every change")
        return value

    @field_validator("base")
    @classmethod
    def _names_no_change(cls, value: str | None) -> str | None:
        if value is not None and "number" in placeholders_in(value):
            raise ValueError("{number} names the change, not its base")
        return value

    @field_validator("deadline")
    @classmethod
    def _sensible(cls, value: str) -> str:
        if not _SHORTEST <= parse_duration(value) <= _LONGEST:
            raise ValueError("expected something between `1 min` and `7 d`")
        return value

    @model_validator(mode="after")
    def _chroots_fit(self) -> Self:
        named = "chroot" in placeholders_in(f"{self.repository}{self.base or ''}")
        if named and not self.chroots:
            raise ValueError("{chroot} stands in the URL, and `chroots` says of none")
        if self.chroots and not named:
            raise ValueError("`chroots` is there, and {chroot} stands in no URL")
        return self


class RepositoryFileModel(BaseModel):
    """The whole file. Unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)
    repository: str | list[str] | dict[str, str | list[str]] | None = None
    workloads: list[str] = []
    architectures: list[Arch] = []
    builder: Literal["rpmbuild", "mock", "external", "none"] | None = None
    external: ExternalModel | None = None
    dist: str | None = None
    definitions: dict[str, str] = {}
    lookaside: str | None = None
    thresholds: ThresholdsModel | None = None
    objectives: list[dict[str, Any]] = []

    @model_validator(mode="after")
    def _external_is_said(self) -> Self:
        if self.builder == "external" and self.external is None:
            raise ValueError("`builder: external` needs `external` with `check` and `repository`")
        if self.external is not None and self.builder != "external":
            raise ValueError("`external` is there, and `builder` is not `external`")
        return self
