"""A webhook's secret, a token and an App's key are rotated while the bot runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.forge.github.forge import GitHub
from bot.forge.gitlab.forge import GitLab
from bot.forge.protocol import forge_module
from bot.forge.values import ForgeRefusedError, PullRequestKey, WebhookRefusedError
from bot.settings.forges import ForgeSettings
from tests.forge.gitlab_world import gitlab_world
from tests.forges import KINDS

BODY = b'{"repository": {"full_name": "o/r"}}'


def settings(kind: str, file: Path) -> ForgeSettings:
    fields = {"type": kind, "token": {"env": "T"}, "webhook_secrets": [{"file": str(file)}]}
    return ForgeSettings.model_validate(fields)


def write(file: Path, secret: str, seconds: int) -> None:
    file.write_text(secret)
    os.utime(file, (seconds, seconds))


@pytest.mark.parametrize("kind", KINDS)
async def test_the_new_secret_counts_without_a_restart(tmp_path, monkeypatch, kind: str) -> None:
    monkeypatch.setenv("T", "t")
    file = tmp_path / "secret"
    write(file, "a" * 20, 1)
    forge = forge_module(kind, "forge").open_forge("f", settings(kind, file))

    def accepts(secret: str) -> bool:
        if kind == "gitlab":
            headers = {"x-gitlab-token": secret, "x-gitlab-event": "Job Hook"}
        else:
            made = forge_module(kind, "webhooks").signed_headers("ping", BODY, secret)
            headers = {name.lower(): text for name, text in made.items()}
        try:
            forge.accept(headers, BODY)
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


async def test_a_new_token_of_github_is_sent_without_a_restart(tmp_path: Path, tiny) -> None:
    file = tmp_path / "token"
    write(file, "old", 1)
    fields = {"type": "github", "api_url": tiny.url, "token": {"file": str(file)}}
    made = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"file": str(file)}]})
    forge = GitHub.from_settings("f", made)
    tiny.answer(
        "GET", "/repos/o/r/pulls/7", {"base": {"ref": "m", "sha": "b"}, "head": {"sha": "a"}}
    )
    for number, token in enumerate(("old", "new"), 1):
        write(file, token, number)
        await forge.pull_request(PullRequestKey("f", "o/r", 7))
        assert tiny.requests[-1][3] == f"token {token}"
    await forge.close()


async def test_a_new_key_of_the_app_signs_without_a_restart(tmp_path: Path) -> None:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: n\n"}, "Go", start="main")
        pull = await local.open_pull(repository, "topic", user="jonas", title="t")
        app, other = local.add_app("minimize"), local.add_app("other")
        local.install(app, "rpms")
        file = tmp_path / "key"
        write(file, other.private_key, 1)
        fields = {
            "type": "github",
            "api_url": local.api_url,
            "webhook_secrets": [{"file": str(file)}],
        }
        named = {"id": app.id, "private_key": {"file": str(file)}}
        forge = GitHub.from_settings("f", ForgeSettings.model_validate({**fields, "app": named}))
        key = PullRequestKey("f", "rpms/nginx", pull.number)
        with pytest.raises(ForgeRefusedError):
            await forge.pull_request(key)
        write(file, app.private_key, 2)
        assert (await forge.pull_request(key)).head_sha == pull.head_sha
        await forge.close()


async def test_a_new_token_of_gitlab_is_sent_without_a_restart(tmp_path: Path) -> None:
    async with gitlab_world(tmp_path) as world:
        file = tmp_path / "token"
        write(file, "wrong", 1)
        fields = {"type": "gitlab", "api_url": world.local.url, "token": {"file": str(file)}}
        made = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"file": str(file)}]})
        forge = GitLab.from_settings("f", made)
        with pytest.raises(ForgeRefusedError):
            await forge.pull_request(world.key)
        write(file, world.local.token("minimize-bot"), 2)
        assert (await forge.pull_request(world.key)).head_sha == world.pull.head_sha
        await forge.close()
