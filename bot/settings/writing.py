"""A first settings file, written from an operator's answers; secrets go to files beside it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import yaml

_SERVICE_USER = "minimize"


@dataclass(frozen=True, slots=True)
class ForgeAnswers:
    """A forge of the settings: a GitHub App by its number, or a token if `app` is null.

    `credential` is the App's private key or the token.
    """

    type: str
    api_url: str
    credential: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    app: int | None = None


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The address at which browsers and the forge reach the server, and the one where it
    listens."""

    public_url: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to `minimize setup`: paths are absolute, `document` is a repository document.

    `authorities` is a file of certificate authorities that are trusted in addition to the system's.
    """

    server: ServerAddress
    data: Path
    cache: Path
    config: Path
    forge: ForgeAnswers
    match: str
    document: str
    authorities: Path | None = None


class Operator(Protocol):
    """A person at a terminal."""

    def prompt(
        self,
        text: str,
        *,
        default: str | None = None,
        choices: Sequence[str] = (),
        secret: bool = False,
    ) -> str:
        """The answer to a question; one of `choices`, if there are any."""
        ...

    def show(self, text: str) -> None:
        """Print a line."""
        ...


def write_settings(path: Path, answers: Answers) -> tuple[Path, ...]:
    """Write the settings, and the secrets that they name to files beside them.

    Secrets are readable only for the user who runs the bot: this user, or, if this is root and
    there is a user `minimize`, that user's group. Returns the files, the settings last.
    """
    forge = answers.forge
    folder = path.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    credential = folder / ("app.pem" if forge.app is not None else f"{forge.type}-token")
    secret = folder / f"{forge.type}-webhook-secret"
    _write_secret(credential, forge.credential)
    _write_secret(secret, forge.webhook_secret)
    key = {"file": credential.name}
    forge_values: dict[str, object] = {"type": forge.type, "api_url": forge.api_url}
    if forge.app is not None:
        forge_values["app"] = {"id": forge.app, "private_key": key}
    else:
        forge_values["token"] = key
    forge_values["webhook_secrets"] = [{"file": secret.name}]
    authorities = {} if answers.authorities is None else {"ca_file": str(answers.authorities)}
    values: Mapping[str, object] = {
        "listen": {"host": answers.server.host, "port": answers.server.port},
        "public_url": answers.server.public_url,
        **authorities,
        "data": str(answers.data),
        "cache": str(answers.cache),
        "config": str(answers.config),
        "forges": {forge.type: forge_values},
        "repositories": [{"match": answers.match, "documents": [answers.document]}],
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(f"# Written by minimize setup; config/bot.yaml shows every field.\n{text}")
    draft.replace(path)
    return credential, secret, path


def _write_secret(path: Path, text: str) -> None:
    """Write a secret's file anew, readable only for its owner and the service's group."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")
        group = _service_group()
        if group is not None:
            os.fchown(file.fileno(), 0, group)
            os.fchmod(file.fileno(), 0o640)
    draft.replace(path)


def _service_group() -> int | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_SERVICE_USER).pw_gid
    except KeyError:
        return None
