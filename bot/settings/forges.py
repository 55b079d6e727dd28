"""The forges of the settings, and the table of the kinds of forges that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from bot.settings.fields import SecretReference, Strict, Url


@dataclass(frozen=True, slots=True)
class ForgeType:
    """One kind of forge.

    `package` has the modules that bot/forge/protocol.py names. `api_url` and `web_url` are those of
    the public one, `api_path` where the API of another is on its host.
    `has_apps`: it takes an App's credential, and check runs.
    """

    package: str
    api_url: str
    web_url: str
    api_path: str
    has_apps: bool = False


# A new forge is its package and its row here.
FORGE_TYPES: dict[str, ForgeType] = {
    "github": ForgeType(
        "bot.forge.github",
        "https://api.github.com",
        "https://github.com",
        "/api/v3",
        has_apps=True,
    ),
    "gitlab": ForgeType("bot.forge.gitlab", "https://gitlab.com", "https://gitlab.com", "/api/v4"),
}


class GitHubApp(Strict):
    """A GitHub App: its id and its private key in PEM."""

    id: Annotated[int, Field(gt=0)]
    private_key: SecretReference


class ForgeSettings(Strict):
    """One forge. `web_url` is where its pages and repositories are, if not the usual place.

    `app` and `check_runs` are GitHub's alone. On pull requests of bots there is no comment, only
    the status, unless `comment_on_bots`.
    """

    type: str
    api_url: Url
    web_url: Url | None = None
    token: SecretReference | None = None
    app: GitHubApp | None = None
    webhook_secrets: Annotated[tuple[SecretReference, ...], Field(strict=False, min_length=1)]
    check_runs: Literal["auto", "always", "never"] = "auto"
    comment_on_bots: bool = False

    @model_validator(mode="before")
    @classmethod
    def _usual_place(cls, value: Any) -> Any:
        if isinstance(value, dict) and "api_url" not in value and "type" in value:
            kind = FORGE_TYPES.get(str(value["type"]))
            return {**value, "api_url": kind.api_url if kind else "https://forge.invalid"}
        return value

    @field_validator("type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        if value not in FORGE_TYPES:
            raise ValueError(
                f"no forge of this type is built in; there is: {', '.join(FORGE_TYPES)}"
            )
        return value

    @model_validator(mode="after")
    def _one_credential(self) -> ForgeSettings:
        has_apps = self._kind.has_apps
        if not has_apps and (self.app is not None or self.check_runs != "auto"):
            raise ValueError(f"app and check_runs are not {self.type}'s; it takes a token")
        if (self.token is None) == (self.app is None):
            raise ValueError("give one of token and app" if has_apps else "give token")
        return self

    @property
    def _kind(self) -> ForgeType:
        return FORGE_TYPES[self.type]

    @property
    def clone_url(self) -> str:
        """Where git repositories are, without the last slash."""
        if self.web_url is not None:
            return self.web_url
        if self.api_url == self._kind.api_url:
            return self._kind.web_url
        # On a host of one's own the API is below its pages.
        return self.api_url.removesuffix(self._kind.api_path)
