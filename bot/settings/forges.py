"""Field types of the settings, the settings of forges, and the table of forge types."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bot.errors import UsageError

LOG = logging.getLogger(__name__)


class Strict(BaseModel):
    """A model that refuses unknown fields and wrong types; its errors show no values."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, populate_by_name=True
    )


class SecretReference(Strict):
    """The place of a secret: `{env: NAME}` or `{file: PATH}`. The secret itself is never here."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _never_the_secret_itself(cls, value: Any) -> Any:
        if not isinstance(value, dict | SecretReference):
            # pydantic reports ValueErrors with their place, but not TypeErrors.
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
        """The secret; raises UsageError (naming the reference, not the secret) if it is missing."""
        if self.env is not None:
            secret = os.environ.get(self.env)
            where = f"The environment variable {self.env}"
        else:
            path = Path(self.file or "")
            where = f"The file {path}"
            try:
                secret = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{where} with a secret cannot be read: {error}.") from error
        if secret is None or not secret.strip():
            raise UsageError(
                f"{where} should hold a secret and is empty or not there.",
                "Set it before the bot starts.",
            )
        return secret.strip()


class WatchedSecrets:
    """Secrets that are read again when their file changes: rotation needs no restart.

    Iterating gives their present values; if a file cannot be read, the previous ones.
    """

    def __init__(self, references: Iterable[SecretReference]) -> None:
        """Raises UsageError if a secret is missing."""
        self._references = tuple(references)
        # Made once: each webhook needs them.
        self._files = tuple(
            Path(reference.file) for reference in self._references if reference.file is not None
        )
        self._last_stamps = self._stamps()
        self._values = tuple(reference.value() for reference in self._references)

    def __iter__(self) -> Iterator[str]:
        stamps = self._stamps()
        if stamps != self._last_stamps:
            try:
                self._values = tuple(reference.value() for reference in self._references)
                self._last_stamps = stamps
                LOG.info("secrets were read again: their files have changed")
            except UsageError as error:
                LOG.warning("secrets stay as they were: %s", error)
        return iter(self._values)

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        """The inode, size and time of each file."""
        stamps = []
        for file in self._files:
            with contextlib.suppress(OSError):
                status = file.stat()
                stamps.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(stamps)


class WatchedSecret:
    """One secret that is read again when its file changes."""

    def __init__(self, reference: SecretReference) -> None:
        """Raises UsageError if the secret is missing."""
        self._secrets = WatchedSecrets((reference,))

    def text(self) -> str:
        """The present secret."""
        return next(iter(self._secrets))


# A fixed secret, or one that may be rotated.
Secret = str | WatchedSecret


def secret_text(secret: Secret) -> str:
    """The present text of a secret."""
    return secret if isinstance(secret, str) else secret.text()


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


@dataclass(frozen=True, slots=True)
class ForgeType:
    """One type of forge.

    `package` has the modules that bot/forge/protocol.py names. `api_url` and `web_url` are those of
    the public instance, `api_path` is the API's path on other hosts. `has_apps`: it supports App
    credentials, and check runs. `guests`: its role `read` may not read the code of a private
    repository (https://docs.gitlab.com/user/permissions/, Guest). `edits_comments`: its API can
    edit comments, so that a check may comment before it has ended. `announces`: its package has
    `read_message` in its module `events`, for brokers.
    """

    package: str
    api_url: str
    web_url: str
    api_path: str
    has_apps: bool = False
    guests: bool = False
    edits_comments: bool = True
    announces: bool = False


# A new forge needs its package and a row here.
FORGE_TYPES: dict[str, ForgeType] = {
    "github": ForgeType(
        "bot.forge.github",
        "https://api.github.com",
        "https://github.com",
        "/api/v3",
        has_apps=True,
    ),
    "gitlab": ForgeType(
        "bot.forge.gitlab", "https://gitlab.com", "https://gitlab.com", "/api/v4", guests=True
    ),
    "forgejo": ForgeType(
        "bot.forge.forgejo",
        "https://codeberg.org/api/v1",
        "https://codeberg.org",
        "/api/v1",
        guests=True,
        announces=True,
    ),
    "gitea": ForgeType(
        "bot.forge.forgejo", "https://gitea.com/api/v1", "https://gitea.com", "/api/v1", guests=True
    ),
    "pagure": ForgeType(
        "bot.forge.pagure",
        "https://pagure.io/api/0",
        "https://pagure.io",
        "/api/0",
        edits_comments=False,
        announces=True,
    ),
}


class GitHubApp(Strict):
    """A GitHub App: its id and its private key in PEM."""

    id: Annotated[int, Field(gt=0)]
    private_key: SecretReference


class MessageSettings(Strict):
    """Announcements of a forge on a broker that speaks AMQP 0-9-1, as fedora-messaging's does.

    `url` is a reference, as a broker's URL may have a password. A queue that is not `durable` is
    deleted with the connection. `ca_file`, `certificate` and `key` (PEM) are for amqps.
    """

    url: SecretReference
    queue: Annotated[str, Field(min_length=1, max_length=255)]
    topics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    durable: bool = True
    ca_file: str | None = None
    certificate: str | None = None
    key: str | None = None


class ForgeSettings(Strict):
    """One forge.

    `web_url` is where its pages and repositories are, if not the usual place. `messages` are a
    source of events in addition to webhooks, or instead: then `webhook_secrets` is empty. `app` and
    `check_runs` are for GitHub only. Pull requests of bots get a status but no comment, unless
    `comment_on_bots`.
    """

    type: str
    api_url: Url
    web_url: Url | None = None
    token: SecretReference | None = None
    app: GitHubApp | None = None
    messages: MessageSettings | None = None
    webhook_secrets: Annotated[tuple[SecretReference, ...], Field(strict=False)]
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

    @field_validator("webhook_secrets")
    @classmethod
    def _some_source_of_events(
        cls, value: tuple[SecretReference, ...], info: ValidationInfo
    ) -> tuple[SecretReference, ...]:
        # Invalid messages are missing here, and have an error of their own.
        if not value and info.data.get("messages", ...) is None:
            raise ValueError("is empty, and there are no messages")
        return value

    @model_validator(mode="after")
    def _messages_of_those_that_announce(self) -> ForgeSettings:
        if self.messages is not None and not self._kind.announces:
            raise ValueError(f"messages are not {self.type}'s; it takes webhook_secrets")
        return self

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
        """The URL below which git repositories are, without the last slash."""
        if self.web_url is not None:
            return self.web_url
        if self.api_url == self._kind.api_url:
            return self._kind.web_url
        # On other hosts the API is below the pages' URL.
        return self.api_url.removesuffix(self._kind.api_path)
