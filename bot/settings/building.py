"""The settings of builds: whose changes are built, where, and by which build services.

Koji and Copr are services whose builds the builder `external` takes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bot.settings.forges import PlaceOfRepositories, Strict, Url

# rpm's name.
Architecture = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,15}$")]


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


class BuildSettings(Strict):
    """Rebuilding: whether, with which builder, and whose changes.

    A change is rebuilt when its author and the pusher of its head are trusted: each has the triage
    role or above in the repository, or is one of `trusted` (user names; `*` is everybody; a name
    with a slash is a team, `organisation/team` on GitHub, or a group's path on GitLab); or when
    somebody with the write role allows it for the commit. All changes are predicted; what is not
    built of others counts for nothing until somebody allows it.

    `emulated` are architectures that machines of another one may build for under emulation, where
    no machine of that architecture works.

    `external` are the places, URLs, below which the repositories of the builder `external` may be:
    what a repository's .minimize.yaml names elsewhere is not read. `services` are those whose
    builds it may take, by the name that a .minimize.yaml has.
    """

    enabled: bool = True
    builder: Literal["auto", "rpmbuild", "mock"] = "auto"
    trusted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    emulated: Annotated[tuple[Architecture, ...], Field(strict=False)] = ()
    external: Annotated[tuple[PlaceOfRepositories, ...], Field(strict=False)] = ()
    services: dict[str, BuildService] = Field(default_factory=dict)


class SandboxSettings(Strict):
    """Strangers' code on a machine where its memory cannot be limited as a whole: no control group
    can be made (`minimize doctor` says so). It is refused there, unless these words are written.
    """

    without_memory_limit: Literal["refuse", "run strangers' code anyway"] = "refuse"

    @property
    def memory_limit_required(self) -> bool:
        return self.without_memory_limit == "refuse"
