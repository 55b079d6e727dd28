"""The fields of `.minimize.yaml`, checked by pydantic; apart because pydantic is slow to load."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ThresholdsModel(BaseModel):
    """From where on a moved size counts; both must be passed."""

    model_config = ConfigDict(extra="forbid")
    bytes: str | None = None
    percent: float | None = Field(default=None, ge=0, strict=False)

    @field_validator("bytes", mode="before")
    @classmethod
    def _plain_number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class RepositoryFileModel(BaseModel):
    """The whole file. Unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)
    repository: str | list[str] | dict[str, str | list[str]] | None = None
    workloads: list[str] = []
    architectures: list[Literal["x86_64", "aarch64", "ppc64le", "s390x"]] = []
    builder: Literal["rpmbuild", "mock", "none"] | None = None
    dist: str | None = None
    definitions: dict[str, str] = {}
    lookaside: str | None = None
    thresholds: ThresholdsModel | None = None
    objectives: list[dict[str, Any]] = []
