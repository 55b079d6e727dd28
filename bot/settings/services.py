"""The build services of the settings: Koji and Copr, whose builds the builder `external` takes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from bot.settings.forges import PlaceOfRepositories, Strict, Url


class BuildService(Strict):
    """A build service. A link is one to a build of it where it begins with `web_url`.

    `files_url` is where its packages are, and nowhere else. `hub_url` is Koji's alone: where its
    hub takes calls, by default `kojihub` beside its pages, as koji's own configuration has it.
    """

    type: Literal["koji", "copr"]
    web_url: Url
    files_url: PlaceOfRepositories
    hub_url: Url | None = None

    @model_validator(mode="before")
    @classmethod
    def _usual_hub(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("type") != "koji" or "hub_url" in value:
            return value
        web = str(value.get("web_url", "")).rstrip("/")
        return {**value, "hub_url": f"{web.removesuffix('/koji')}/kojihub"}

    @model_validator(mode="after")
    def _hubs_are_kojis(self) -> BuildService:
        if self.type == "copr" and self.hub_url is not None:
            raise ValueError("hub_url is not copr's: its API is below web_url")
        return self
