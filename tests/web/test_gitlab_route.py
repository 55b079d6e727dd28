"""`POST /webhook/gitlab`: each status, both kinds of secret, and repeats by id and by object."""

import base64
import json
from pathlib import Path

import aiohttp
import pytest

from bot.forge.gitlab.webhooks import signed_headers
from bot.settings.values import load_settings
from bot.web.serve import Bot
from tests.engine.threads import InThread

SIGNING = "whsec_" + base64.b64encode(b"k" * 32).decode()
SETTINGS = """\
listen: {port: 0}
forges:
  lab:
    type: gitlab
    api_url: http://127.0.0.1:9
    token: {env: LAB_TOKEN}
    webhook_secrets: [{env: LAB_SIGNING}, {env: LAB_TOKEN}]
engine: {executor_id: gitlab-route, predictions: 0, builds: 0}
limits: {webhook_bytes: 20000}
"""


@pytest.fixture
async def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAB_TOKEN", "plain")
    monkeypatch.setenv("LAB_SIGNING", SIGNING)
    (tmp_path / "config").mkdir()
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    bot = Bot(load_settings(tmp_path / "bot.yaml"), InThread(None))
    await bot.start()
    async with aiohttp.ClientSession() as session:

        async def send(body: bytes, secret: str = SIGNING, delivery: str = "d1", **more: str):
            headers = signed_headers("merge_request", body, secret, delivery=delivery)
            given = {**headers, **{name.replace("_", "-"): text for name, text in more.items()}}
            where = f"{bot.url}/webhook/gitlab"
            async with session.post(where, data=body, headers=given) as answer:
                return answer.status, await answer.json()

        yield send
    await bot.stop()


def payload(**about: object) -> bytes:
    project = {"id": 3, "path_with_namespace": "acme/tools/nginx"}
    attributes = {"iid": 7, "action": "open", "last_commit": {"id": "a" * 40}, **about}
    made = {"object_kind": "merge_request", "project": project, "object_attributes": attributes}
    return json.dumps(made).encode()


@pytest.mark.parametrize("secret", [SIGNING, "plain"])
async def test_a_delivery_is_taken_and_a_repeat_is_known(post, secret: str) -> None:
    assert await post(payload(), secret) == (202, {"status": "accepted", "delivery": "d1"})
    assert (await post(payload(), secret))[1]["status"] == "repeat"
    # A group's hook tells of the same under another id.
    assert (await post(payload(), secret, "d2"))[1]["status"] == "repeat"
    assert (await post(payload(action="close"), secret, "d3"))[1]["status"] == "accepted"


async def test_who_is_not_known_is_refused_and_what_is_not_what_it_says(post) -> None:
    assert (await post(payload(), "other"))[0] == 401
    assert (await post(payload(), webhook_timestamp="1"))[0] == 401
    assert (await post(payload(iid="x")))[0] == 400
    assert (await post(b"{", "plain"))[0] == 400
    assert (await post(payload(), X_Gitlab_Event="Note Hook"))[0] == 400
    assert (await post(payload(), X_Gitlab_Instance="https://gitlab.com"))[0] == 400
    assert (await post(payload(title="x" * 20_000)))[0] == 413
