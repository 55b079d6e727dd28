"""Field types of the settings: strict values, references to secrets, URLs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bot.errors import UsageError


class Strict(BaseModel):
    """Unknown fields and wrong types are refused, and no error shows a value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, populate_by_name=True
    )


class SecretReference(Strict):
    """Where a secret is: `{env: NAME}` or `{file: PATH}`. The secret itself is never here."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _never_the_secret_itself(cls, value: Any) -> Any:
        if not isinstance(value, dict | SecretReference):
            # pydantic tells ValueErrors with their place, TypeErrors it lets through.
            raise ValueError(  # noqa: TRY004
                "a secret is a reference, {env: NAME} or {file: PATH}, never itself"
            )
        return value

    @field_validator("file")
    @classmethod
    def _beside_the_settings(cls, value: str | None, info: ValidationInfo) -> str | None:
        base: Path | None = (info.context or {}).get("base")
        return str(base / value) if value is not None and base is not None else value

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretReference:
        if (self.env is None) == (self.file is None):
            raise ValueError("give one of env and file")
        return self

    def value(self) -> str:
        """The secret; UsageError (naming the reference, not the secret) if it is not there."""
        if self.env is not None:
            found = os.environ.get(self.env)
            where = f"The environment variable {self.env}"
        else:
            path = Path(self.file or "")
            where = f"The file {path}"
            try:
                found = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{where} with a secret cannot be read: {error}.") from error
        if found is None or not found.strip():
            raise UsageError(
                f"{where} should hold a secret and is empty or not there.",
                "Set it before the bot starts.",
            )
        return found.strip()


def _absolute_url(value: str) -> str:
    if not value.startswith(("http://", "https://")) or "?" in value or "@" in value:
        raise ValueError("expected a URL such as https://minimize.example.org")
    return value.rstrip("/")


def _place_of_repositories(value: str) -> str:
    parts = urlsplit(_absolute_url(value))
    steps = [step for step in parts.path.split("/")[1:] if step]
    if not parts.hostname or parts.fragment or any(s in (".", "..") for s in steps):
        raise ValueError("expected a URL such as https://download.example.org/results/")
    return "/".join([f"{parts.scheme}://{parts.netloc}", *steps, ""])


Url = Annotated[str, AfterValidator(_absolute_url)]
PlaceOfRepositories = Annotated[str, AfterValidator(_place_of_repositories)]
