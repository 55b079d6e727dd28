"""`minimize setup` asks, writes settings whose secrets are files, and tries them."""

from __future__ import annotations

import asyncio
import io
import json
import stat
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from bot.cli import cli, main
from bot.demo.run.setup import free_port
from bot.errors import SurroundingsError
from bot.forge.github.manifest import NewApp, Registration, exchange_code, register_app
from bot.sandbox import isolation
from bot.sandbox.isolation import Isolation, Part
from bot.settings.values import load_settings
from tests.distro.servers import make_authority

APP = {
    "id": 7,
    "slug": "minimize-acme",
    "html_url": "https://github.com/apps/minimize-acme",
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nx\n",
    "webhook_secret": "0123456789abcdef0123",
    "client_secret": "not ours to store",
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and a machine whose isolation is whole."""
    monkeypatch.chdir(tmp_path)
    whole = Isolation((Part("namespaces", True, "as they should be"),), "run")
    monkeypatch.setattr(isolation, "inspect_isolation", lambda *_, **__: whole)


def answered(*lines: str) -> Result:
    arguments = ["setup", "mine/bot.yaml", "--on", "fedora-45"]
    return CliRunner().invoke(cli, arguments, input="\n".join((*lines, "")), standalone_mode=False)


GITLAB = ("https://minimize.example.net/", "127.0.0.1", "1", "data", "cache", "", "gitlab")


def test_settings_for_a_gitlab_are_written_and_its_token_tried(tmp_path: Path) -> None:
    result = answered(*GITLAB, "http://127.0.0.1:9", "glpat-secret", "acme/*", "fedora-45")
    path = tmp_path / "mine/bot.yaml"
    settings = load_settings(path)
    forge = settings.forges["gitlab"]
    assert (settings.public_url, settings.listen.port) == ("https://minimize.example.net", 1)
    assert settings.data == tmp_path / "data"
    assert settings.documents_for("gitlab", "acme/x", "main") == ("fedora-45",)
    assert forge.token is not None and forge.token.value() == "glpat-secret"
    assert forge.webhook_secrets[0].value().startswith("whsec_")
    assert "glpat-secret" not in path.read_text()
    for name in ("gitlab-token", "gitlab-webhook-secret"):
        assert stat.S_IMODE((tmp_path / "mine" / name).stat().st_mode) in (0o600, 0o640)
    # Nobody listens there: it says so, and its exit code too.
    assert "missing  gitlab: " in result.output
    assert "ok       namespaces: as they should be" in result.output
    assert result.return_value == 1


def test_settings_that_are_there_stay_without_a_yes(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/bot.yaml").write_text("mine")
    result = answered("n")
    assert result.exit_code == 1
    assert (tmp_path / "mine/bot.yaml").read_text() == "mine"


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    result = answered("minimize.example.net")
    assert "is no address" in str(result.exception)
    assert not (tmp_path / "mine").exists()


async def github(answers: dict[str, tuple[int, object]]) -> tuple[web.AppRunner, str]:
    """A GitHub that exchanges codes, and its address."""

    async def convert(request: web.Request) -> web.Response:
        status, body = answers.get(request.match_info["code"], (404, {}))
        return web.json_response(body, status=status)

    application = web.Application()
    application.router.add_post("/app-manifests/{code}/conversions", convert)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    return runner, f"http://127.0.0.1:{port}"


async def test_register_app_takes_the_code_that_comes_back_with_its_state() -> None:
    runner, api = await github({"good": (201, APP)})
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    registration = Registration(here, api_url=api, organisation="acme")
    opened = asyncio.Event()
    task = asyncio.create_task(
        register_app(registration, "127.0.0.1", port, lambda url: opened.set())
    )
    await asyncio.wait_for(opened.wait(), 90)
    async with aiohttp.ClientSession() as session:
        async with session.get(registration.page_url) as response:
            page = await response.text()
        assert "https://github.com/organizations/acme/settings/apps/new?state=" in page
        for query in ({"code": "good"}, {"code": "good", "state": "another"}, {"state": "x"}):
            async with session.get(f"{registration.page_url}/created", params=query) as response:
                assert response.status == 400
        async with session.get(f"{here}/setup/guess") as response:
            assert response.status == 404
        query = {"code": "good", "state": registration.state}
        async with session.get(f"{registration.page_url}/created", params=query) as response:
            assert response.status == 200
    app = await asyncio.wait_for(task, 90)
    await runner.cleanup()
    assert (app.id, app.pem) == (7, APP["pem"])
    assert "0123456789abcdef" not in repr(app)


def test_the_manifest_is_for_the_public_address_and_comes_back_to_the_page() -> None:
    registration = Registration("https://m.example.net")
    manifest = json.loads(registration.manifest())
    assert manifest["hook_attributes"]["url"] == "https://m.example.net/webhook/github"
    assert manifest["redirect_url"] == f"{registration.page_url}/created"
    assert "minimize.example.org" not in registration.manifest()


@pytest.mark.parametrize(
    ("code", "says"),
    [("spent", "answers 404"), ("odd", "is invalid: webhook_secret"), ("text", "is invalid")],
)
async def test_a_code_that_gives_no_app_is_an_error_without_secrets(code: str, says: str) -> None:
    odd = {key: value for key, value in APP.items() if key != "webhook_secret"}
    runner, api = await github({"odd": (201, odd), "text": (201, "x")})
    async with aiohttp.ClientSession() as session:
        with pytest.raises(SurroundingsError) as caught:
            await exchange_code(session, api, code)
    await runner.cleanup()
    assert says in str(caught.value)
    assert "PRIVATE KEY" not in str(caught.value)


def test_what_github_makes_more_of_is_not_stored() -> None:
    assert "client_secret" not in NewApp.model_validate(APP).model_dump()


def test_an_operators_own_authorities_are_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = make_authority(tmp_path / "pki").certificate
    monkeypatch.setenv("MINIMIZE_CA_FILE", str(authorities))
    answered(*GITLAB, "http://127.0.0.1:9", "glpat-secret", "acme/*", "fedora-45")
    assert load_settings(tmp_path / "mine/bot.yaml").ca_file == authorities


def test_questions_without_answers_are_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(SystemExit) as ended:
        main(["setup", "bot.yaml", "--on", "fedora-45"])
    assert ended.value.code == 2
    assert "The input ended before this question was answered." in capsys.readouterr().err
