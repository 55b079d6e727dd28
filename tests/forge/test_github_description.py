"""What the bot asks of GitHub, and what the local forge answers, as GitHub itself describes it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.forge.events import IssueText
from bot.forge.github.app import AppAuth, TokenAuth
from bot.forge.github.forge import GitHub
from bot.forge.values import LineSuggestion, PullRequestKey, StatusReport
from bot.settings.forges import ForgeSettings
from tests.demo_forge.foreign_checks import report_status
from tests.forge.github_description import github_description
from tests.forge.github_traffic import Exchange, Heard

MANIFEST = Path(__file__).parents[2] / "bot/forge/github/app_manifest.json"
MARKER = "<!-- m -->"
DESCRIPTION = github_description()
needs_description = pytest.mark.skipif(
    DESCRIPTION is None, reason="@octokit/openapi is not there; deploy/test gets it from npm"
)


@needs_description
def test_the_description_finds_what_is_wrong() -> None:
    assert DESCRIPTION is not None
    path = "/repos/o/r/issues/7/comments"
    assert DESCRIPTION.problems("POST", path, {"body": "x"}) == []
    for method, url, body in (
        ("POST", path, {"text": "x"}),
        ("POST", path, {"body": 7}),
        ("GET", "/repos/o/r/issues/7/notes", None),
        ("GET", f"{path}?pages=1", None),
        ("PUT", path, {"body": "x"}),
        ("GET", f"{path}?per_page=many", None),
    ):
        assert DESCRIPTION.problems(method, url, body), (method, url, body)
    assert DESCRIPTION.problems("GET", "/app", None, 200, {"id": "no number"})


@needs_description
@pytest.mark.parametrize("kind", ["app", "token"])
async def test_every_call_and_every_answer_of_the_local_forge(
    tmp_path: Path, kind: str, github_traffic
) -> None:
    assert DESCRIPTION is not None
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: nginx2\n"}, "Go", start="main")
        pull = await local.open_pull(repository, "topic", user="jonas", title="t")
        settings = {"type": "github", "api_url": local.api_url, "webhook_secrets": [{"env": "X"}]}
        fields = ForgeSettings.model_validate({**settings, "token": {"env": "X"}})
        if kind == "app":
            # What the App's manifest asks for is enough.
            manifest = json.loads(MANIFEST.read_text())
            app = local.add_app("minimize", permissions=manifest["default_permissions"])
            local.install(app, "rpms")
            named = (str(app.id), app.private_key)
            forge = GitHub("gh", fields, auth=AppAuth(), secrets=(), app=named)
        else:
            local.set_role(repository, "bot", "write")
            forge = GitHub("gh", fields, auth=TokenAuth(local.token("bot")), secrets=())
        key = PullRequestKey("gh", "rpms/nginx", pull.number)
        now = await forge.pull_request(key)
        await forge.changed_files(key)
        comment = await forge.put_comment(key, MARKER, MARKER)
        await forge.put_comment(key, MARKER, f"{MARKER} again")
        await forge.find_comment(key, MARKER)
        await forge.react(key, comment.id, "eyes")
        assert await forge.role_of(key, "jonas") == "read"
        assert await forge.role_of(key, "nobody-at-all") == "none"
        for state in ("pending", "success"):
            await forge.set_status(
                key, now.head_sha, StatusReport("c1", state, "t", "s", "http://m")
            )
        await report_status(local, pull, "koji", "success", "http://koji/1")
        assert "koji" in {c.name for c in await forge.checks_of(key, now.head_sha)}
        one = LineSuggestion("e", "nginx.spec", 1, "t", "Name: nginx3", "nginx.spec")
        for suggestions in ([one], [replace(one, text="u")], []):
            await forge.put_suggestions(key, now.head_sha, suggestions)
        await forge.source(key, "main")
        issue_text = IssueText("t", f"{MARKER}\nx", "open")
        await forge.issues.put("rpms/nginx", MARKER, issue_text)
        await forge.issues.put("rpms/nginx", MARKER, replace(issue_text, state="closed"))
        assert (await forge.issues.find("rpms/nginx", MARKER)).state == "closed"
        assert await forge.repositories() == (("rpms/nginx",) if kind == "app" else ())
        (listed,) = await forge.open_pulls("rpms/nginx")
        assert (listed.number, listed.head_sha) == (pull.number, pull.head_sha)
        await forge.close()
    # Each of them is checked, as of every test (tests/conftest.py).
    assert len(github_traffic()) > 10


@needs_description
def test_what_a_client_or_the_local_forge_has_wrong_is_found() -> None:
    assert DESCRIPTION is not None
    path = "/repos/o/r/issues/7/comments"
    right = Exchange("POST", path, {"body": "x"}, 201, {"id": 7, "body": "x"})
    refused = right._replace(sent={"text": "x"}, status=422)
    no = {"message": "no", "documentation_url": "https://x"}
    for by, one, wrong in (
        ("client", right, False),
        ("client", right._replace(sent={"text": "x"}), True),
        # Our client is right also where it is refused; what tests send on purpose may be wrong.
        ("client", refused, True),
        ("forge", refused._replace(said=no), False),
        ("client", right._replace(status=207), True),
        ("client", right._replace(said={"id": "seven"}), True),
        # A tiny stand-in may leave fields out, the local forge may not.
        ("forge", right, True),
    ):
        assert bool(Heard(by, one).problems(DESCRIPTION)) == wrong, (by, one)
