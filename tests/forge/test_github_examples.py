"""Every example payload that GitHub's own tooling publishes (npm `@octokit/webhooks-examples`)."""

import hashlib
import hmac
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from bot.engine.dispatcher import Dispatcher
from bot.engine.merged import MergedChanges
from bot.forge.events import Event
from bot.forge.github.app import TokenAuth
from bot.forge.github.forge import GitHub
from bot.forge.values import (
    ForgeFile,
    IgnoredEvent,
    PullRequest,
    PullRequestKey,
    StatusReport,
)
from bot.settings.values import load_settings
from bot.store.history.history import open_history
from bot.store.store import open_store
from tests.engine.test_permission_table import Recorder
from tests.forge.github_description import npm_file
from tests.forges import QuietForge, pull_request

FILE = npm_file("webhooks-examples")
SETTINGS = """\
listen: {port: 0}
forges:
  github:
    type: github
    api_url: http://127.0.0.1:9
    token: {env: TEST_TOKEN}
    webhook_secrets: [{env: TEST_TOKEN}]
engine: {executor_id: examples, predictions: 0, builds: 0}
"""

pytestmark = pytest.mark.skipif(
    FILE is None, reason="@octokit/webhooks-examples is not there; deploy/test gets it from npm"
)


def examples() -> list[tuple[str, bytes]]:
    assert FILE is not None
    listed = json.loads(FILE.read_text())
    return [(one["name"], json.dumps(e).encode()) for one in listed for e in one["examples"]]


def headers_of(event: str, body: bytes, number: int) -> dict[str, str]:
    digest = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": f"example-{number}",
        "x-hub-signature-256": f"sha256={digest}",
    }


def test_each_is_handled_or_ignored_with_a_reason(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", "secret")
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "bot.yaml").forges["github"]
    forge = GitHub("github", settings, auth=TokenAuth("t"), secrets=("secret",))
    kinds: Counter[str] = Counter()
    for number, (event, body) in enumerate(examples()):
        delivery = forge.accept(headers_of(event, body, number), body)
        found: Event = forge.event(delivery.event, delivery.body)
        if isinstance(found, IgnoredEvent):
            assert found.reason.endswith((".", "created")), event
        kinds[type(found).__name__] += 1
    assert sum(kinds.values()) > 300
    assert {"PullRequestEvent", "PushEvent"} <= kinds.keys()


class Answering(QuietForge, GitHub):
    """Has every pull request that an example names."""

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        return pull_request(key, author="Codertocat")

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        return (ForgeFile("nginx.spec"),)

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        assert sha


async def test_each_comes_to_its_end_with_a_reason(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", "secret")
    # Nothing is built from the examples' branches: their commits cannot be fetched from anywhere.
    rules = "\nrepositories: [{match: '*', branch: rpm, documents: [fedora]}]\n"
    (tmp_path / "bot.yaml").write_text(SETTINGS + rules)
    settings = load_settings(tmp_path / "bot.yaml")
    own = settings.forges["github"]
    forge = Answering("github", own, auth=TokenAuth("t"), secrets=("secret",))
    store = open_store(tmp_path)
    engine: Any = Recorder()
    forges: Any = {"github": forge}
    history = open_history(store)
    landed = MergedChanges(store, history, settings)
    dispatcher = Dispatcher(store, forges, engine, settings, landed, lag=0.0)
    for number, (event, body) in enumerate(examples()):
        store.add_deliveries([forge.accept(headers_of(event, body, number), body)])
    while await dispatcher.handle_new():
        pass
    rows = store.rows("select event, state, reason from deliveries")
    assert len(rows) > 250
    assert [row for row in rows if row["state"] not in ("done", "ignored")] == []
    assert [row for row in rows if not row["reason"]] == []
    done = {row["event"] for row in rows if row["state"] == "done"}
    assert {"pull_request", "merge_group"} <= done
    assert "check" in engine.asked
    history.close()
    store.close()


async def test_the_route_takes_each_and_knows_each_again(tmp_path: Path, monkeypatch) -> None:
    from bot.web.serve import Bot
    from tests.engine.threads import InThread

    monkeypatch.setenv("TEST_TOKEN", "secret")
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    (tmp_path / "config").mkdir()
    bot = Bot(load_settings(tmp_path / "bot.yaml"), InThread(None))
    await bot.start()
    try:
        async with ClientSession() as session:
            for again in (False, True):
                for number, (event, body) in enumerate(examples()):
                    async with session.post(
                        f"{bot.url}/webhook/github",
                        data=body,
                        headers=headers_of(event, body, number),
                    ) as answer:
                        said = await answer.json()
                        assert answer.status == 202, (event, said)
                        assert not again or said["status"] == "repeat"
    finally:
        await bot.stop()
