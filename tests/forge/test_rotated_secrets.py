"""A webhook's secret is rotated while the bot runs."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

import pytest

from bot.forge.github.forge import GitHub
from bot.forge.gitlab.forge import GitLab
from bot.forge.values import WebhookRefusedError
from bot.settings.forges import ForgeSettings

BODY = b'{"repository": {"full_name": "o/r"}}'


def settings(kind: str, file: Path) -> ForgeSettings:
    fields = {"type": kind, "token": {"env": "T"}, "webhook_secrets": [{"file": str(file)}]}
    return ForgeSettings.model_validate(fields)


def write(file: Path, secret: str, seconds: int) -> None:
    file.write_text(secret)
    os.utime(file, (seconds, seconds))


def signed(secret: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    named = {"x-github-event": "ping", "x-github-delivery": "1"}
    return {**named, "x-hub-signature-256": f"sha256={digest}", "content-type": "application/json"}


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_the_new_secret_counts_without_a_restart(tmp_path, monkeypatch, kind: str) -> None:
    monkeypatch.setenv("T", "t")
    file = tmp_path / "secret"
    write(file, "a" * 20, 1)
    forge = (GitHub if kind == "github" else GitLab).from_settings("f", settings(kind, file))

    def accepts(secret: str) -> bool:
        gitlab = {"x-gitlab-token": secret, "x-gitlab-event": "Job Hook"}
        try:
            forge.accept(signed(secret) if kind == "github" else gitlab, BODY)
        except WebhookRefusedError as error:
            return error.status != 401
        return True

    assert (accepts("a" * 20), accepts("b" * 20)) == (True, False)
    write(file, "b" * 20, 2)
    assert (accepts("a" * 20), accepts("b" * 20)) == (False, True)
    # Who writes it anew leaves it empty for a moment.
    write(file, "", 3)
    assert accepts("b" * 20)
    await forge.close()
