"""Installation tokens: kept until shortly before they expire, each for one repository alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.forge.github import app as github_app
from bot.forge.values import ForgeRefusedError, PullRequestKey, StatusReport

START = 1_800_000_000.0
HOUR = 3600.0
TOKENS = "/app/installations/42/access_tokens"
PULL_FILES = "/repos/o/r/pulls/7/files"
NUMBERS = {"r": 1001, "other": 1002}
READER = {"permissions": {"metadata": "read"}}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(github_app, "time", made)
    return made


@pytest.fixture
def app(forge_on: Any, tiny: Any, clock: Clock) -> Any:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    counter = iter(range(1, 100))

    def issue(body: Any) -> tuple:
        expires = datetime.fromtimestamp(clock.now + HOUR, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 201, {}, {"token": f"t{next(counter)}", "expires_at": expires}

    tiny.answer("POST", TOKENS, issue)
    for name, number in NUMBERS.items():
        tiny.answer("GET", f"/repos/o/{name}/installation", {"id": 42})
        tiny.answer("GET", f"/repos/o/{name}", {"id": number})
        tiny.lists[f"/repos/o/{name}/pulls/7/files"] = []
    made = forge_on(app=("1", pem))
    for name, number in NUMBERS.items():
        hook(made, f"o/{name}", 42, number)
    return made


def hook(app: Any, repository: str, installation: int, number: int) -> None:
    """Any delivery names the repository, its number and the installation."""
    named = {"full_name": repository, "id": number}
    body = {"zen": "x", "repository": named, "installation": {"id": installation}}
    app.event("ping", json.dumps(body).encode())


async def files(app: Any, name: str = "r") -> None:
    await app.changed_files(PullRequestKey("gh", f"o/{name}", 7))


async def test_a_token_is_kept_until_ten_minutes_before_it_expires(app, tiny, clock) -> None:
    made = []
    for minutes in (0, 1, 30, 49.9, 50.1, 60, 99, 101):
        clock.now = START + minutes * 60
        await files(app)
        made.append(len(tiny.seen("POST", TOKENS)))
    assert made == [1, 1, 1, 1, 2, 2, 2, 3]
    used = [a for m, path, _, a in tiny.requests if path.endswith("/files")]
    assert used == ["token t1"] * 4 + ["token t2"] * 3 + ["token t3"]


async def test_each_repository_has_a_token_for_itself_alone(app, tiny) -> None:
    await files(app, "r")
    await files(app, "other")
    await files(app, "r")
    assert tiny.seen("POST", TOKENS) == [{"repository_ids": [1001]}, {"repository_ids": [1002]}]
    used = [a for m, path, _, a in tiny.requests if path.endswith("/files")]
    assert used == ["token t1", "token t2", "token t1"]


async def test_without_a_hook_a_repositorys_number_is_asked_for_with_a_token_that_only_reads(
    app, tiny
) -> None:
    app.event("installation", b'{"action": "suspend", "installation": {"id": 42}}')
    await files(app)
    await files(app)
    assert tiny.seen("POST", TOKENS) == [READER, {"repository_ids": [1001]}]
    used = [a for m, path, _, a in tiny.requests if path in ("/repos/o/r", PULL_FILES)]
    assert used == ["token t1", "token t2", "token t2"]


async def test_a_repositorys_old_name_gets_a_token_for_the_one_it_became(app, tiny) -> None:
    for rest, answer in (("", {"id": 1001}), ("/installation", {"id": 42}), ("/pulls/7/files", [])):
        moved = {"Location": f"{tiny.url}/repositories/1001{rest}"}
        tiny.answer("GET", f"/repos/o/old{rest}", (301, moved, {"message": "Moved Permanently"}))
        tiny.answer("GET", f"/repositories/1001{rest}", answer)
    await files(app, "old")
    assert tiny.seen("POST", TOKENS) == [READER, {"repository_ids": [1001]}]


@pytest.mark.parametrize("status", [404, 422])
async def test_an_installation_that_is_no_longer_is_asked_for_anew(app, tiny, status: int) -> None:
    hook(app, "o/r", 41, 999)
    gone = "/app/installations/41/access_tokens"
    tiny.answer("POST", gone, (status, {}, {"message": "Not Found"}))
    await files(app)
    await files(app)
    assert tiny.seen("POST", gone) == [{"repository_ids": [999]}]
    assert tiny.seen("POST", TOKENS) == [READER, {"repository_ids": [1001]}]


async def test_git_gets_the_same_token_and_no_url_has_it(app, tiny) -> None:
    source = await app.source(PullRequestKey("gh", "o/r", 7), "main")
    assert (source.credential.user, source.credential.secret) == ("x-access-token", "t1")
    assert "t1" not in source.url + repr(source)


async def test_what_an_installation_allows_anew_is_tried_at_the_next_commit(app, tiny) -> None:
    key, sha, later = PullRequestKey("gh", "o/r", 7), "a" * 40, "b" * 40
    path = f"/repos/o/r/commits/{sha}/check-runs"
    tiny.answer("GET", path, (403, {}, {"message": "Resource not accessible by integration"}))
    tiny.lists[f"/repos/o/r/commits/{sha}/statuses"] = []
    tiny.answer("POST", f"/repos/o/r/statuses/{sha}", lambda body: (201, {}, body))
    tiny.answer("POST", "/repos/o/r/check-runs", lambda body: (201, {}, {"id": 2}))
    await app.set_status(key, sha, StatusReport("c1", "pending", "working"))
    tiny.lists[path] = tiny.lists[f"/repos/o/r/commits/{later}/check-runs"] = []
    # The commit that has a status keeps it: a check run beside it would say another thing.
    await app.set_status(key, sha, StatusReport("c1", "success", "fine"))
    await app.set_status(key, later, StatusReport("c2", "success", "fine"))
    assert len(tiny.seen("POST", f"/repos/o/r/statuses/{sha}")) == 2
    (made,) = tiny.seen("POST", "/repos/o/r/check-runs")
    assert made["head_sha"] == later


async def test_a_commit_that_takes_neither_leaves_check_runs_to_the_others(app, tiny) -> None:
    key, gone, good = PullRequestKey("gh", "o/r", 7), "0" * 40, "a" * 40
    tiny.answer("GET", f"/repos/o/r/commits/{gone}/check-runs", (404, {}, {"message": "No commit"}))
    with pytest.raises(Exception, match="does not have what was requested"):
        await app.set_status(key, gone, StatusReport("c1", "success", "fine"))
    tiny.lists[f"/repos/o/r/commits/{good}/check-runs"] = []
    tiny.answer("POST", "/repos/o/r/check-runs", lambda body: (201, {}, {"id": 2}))
    await app.set_status(key, good, StatusReport("c2", "success", "fine"))
    assert len(tiny.seen("POST", "/repos/o/r/check-runs")) == 1


async def test_a_key_that_is_no_longer_ours_is_refused(app, tiny) -> None:
    tiny.answer("POST", TOKENS, (401, {}, {"message": "A JSON web token could not be decoded"}))
    with pytest.raises(ForgeRefusedError, match="could not be decoded"):
        await files(app)


async def test_a_check_run_that_came_late_is_ended_with_the_other(app, tiny) -> None:
    key, sha = PullRequestKey("gh", "o/r", 7), "a" * 40
    path = f"/repos/o/r/commits/{sha}/check-runs"
    ended = {"id": 2, "name": "minimize", "external_id": "c1", "status": "completed"}
    ended |= {"conclusion": "neutral", "output": {"title": "Superseded", "summary": "x"}}
    late = {"id": 3, "name": "minimize", "external_id": "c1", "status": "in_progress"}
    tiny.lists[path] = [late, ended, {**late, "id": 4, "external_id": "of another check"}]
    for number in (2, 3, 4):
        tiny.answer("PATCH", f"/repos/o/r/check-runs/{number}", {"id": number})
    await app.set_status(key, sha, StatusReport("c1", "neutral", "Superseded", "x"))
    patched = [p for m, p, _, _ in tiny.requests if m == "PATCH"]
    # The newest is what GitHub shows; the others that are still running end with it.
    assert patched == ["/repos/o/r/check-runs/4", "/repos/o/r/check-runs/3"]
    (said,) = tiny.seen("PATCH", "/repos/o/r/check-runs/3")
    assert (said["status"], said["conclusion"]) == ("completed", "neutral")
