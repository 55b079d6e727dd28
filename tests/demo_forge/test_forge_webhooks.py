"""The local forge's deliveries are signed and have GitHub's fields; so are the sender's."""

import asyncio
import base64
import hashlib
import hmac
import io
import json
from pathlib import Path

import pytest
from gidgethub.sansio import Event

from bot.demo.run.setup import free_port
from bot.errors import SurroundingsError, UsageError
from bot.forge.github.webhooks import signed_headers as github_headers
from bot.forge.gitlab.webhooks import signed_headers as gitlab_headers
from bot.forge.sender import post_delivery, send_webhook


def events(world):
    return [
        Event.from_http(headers, body, secret=world.app.secret)
        for headers, body in world.hook.received
    ]


async def test_an_opened_pull_request_is_delivered_signed(world):
    (event,) = events(world)
    assert (event.event, event.data["action"]) == ("pull_request", "opened")
    assert event.delivery_id == world.forge.deliveries[0].id
    assert event.data["installation"]["id"] == world.installation.id
    assert event.data["pull_request"]["head"]["sha"] == world.pull.head_sha
    assert event.data["organization"]["login"] == "rpms"
    assert world.forge.deliveries[0].status == 202


async def test_a_push_to_the_head_is_delivered_with_before_and_after(world):
    before = world.pull.head_sha
    after = await world.forge.push(
        world.repository, "xslt", {"nginx.spec": "Name: x\n"}, "More", user="maria"
    )
    push, pull = events(world)[-2:]
    assert (push.event, push.data["ref"]) == ("push", "refs/heads/xslt")
    assert [one["modified"] for one in push.data["commits"]] == [["nginx.spec"]]
    assert pull.data["action"] == "synchronize"
    assert (pull.data["before"], pull.data["after"]) == (before, after)
    assert pull.data["pull_request"]["head"]["sha"] == after


async def test_a_force_push_is_said_to_be_one(world):
    before = world.pull.head_sha
    main = world.repository.git.branch("main")
    await world.forge.move_branch(world.repository, "xslt", main, user="maria")
    await world.forge.move_branch(world.repository, "xslt", before, user="maria")
    pushes = [event.data for event in events(world) if event.event == "push"]
    assert [push["forced"] for push in pushes] == [True, False]


async def test_a_merge_moves_the_base_and_is_delivered_as_a_closed_one(world, as_app):
    head = world.pull.head_sha
    await world.forge.merge_pull(world.pull, user="maria")
    push, pull = events(world)[-2:]
    assert (push.event, push.data["ref"], push.data["after"]) == ("push", "refs/heads/main", head)
    assert (pull.data["action"], pull.data["pull_request"]["merged"]) == ("closed", True)
    assert pull.data["sender"]["login"] == "maria"
    record = await as_app.getitem("/repos/rpms/nginx/pulls/1")
    assert (record["state"], record["merge_commit_sha"]) == ("closed", head)
    assert record["merged_at"] == record["closed_at"] is not None
    assert world.repository.git.branch("main") == head


async def test_gitlab_is_told_of_a_merge_as_a_merge(world):
    hook = world.forge.gitlab.add_hook(world.hook.url, "whsec_c2VjcmV0", place="rpms")
    assert hook.place == "rpms"
    await world.forge.merge_pull(world.pull, user="maria")
    (about,) = [
        record["object_attributes"]
        for record in (json.loads(body) for _, body in world.hook.received)
        if record.get("object_kind") == "merge_request"
    ]
    assert (about["action"], about["state"]) == ("merge", "merged")


async def test_a_comment_is_delivered_the_app_s_own_as_well(world, as_app):
    await world.forge.comment(world.pull, "/minimize help", user="alice")
    made = await as_app.post("/repos/rpms/nginx/issues/1/comments", data={"body": "one"})
    await as_app.patch(made["url"], data={"body": "two"})
    await world.forge.settled()
    said = {(e.data["action"], e.data["sender"]["login"]) for e in events(world)[1:]}
    assert said == {
        ("created", "alice"),
        ("created", "minimize[bot]"),
        ("edited", "minimize[bot]"),
    }
    edited = next(e for e in events(world) if e.data["action"] == "edited")
    assert edited.data["changes"] == {"body": {"from": "one"}}
    assert "pull_request" in edited.data["issue"]


async def test_a_redelivery_has_the_same_id_and_the_same_bytes(world):
    again = await world.forge.redeliver(world.app, world.forge.deliveries[0])
    assert again.status == 202
    first, second = world.hook.received
    assert first == second


async def test_a_delivery_that_nobody_answers_is_kept_with_its_reason(world):
    world.app.hook_url = f"http://127.0.0.1:{free_port()}/"
    delivery = await world.forge.ping(world.app)
    assert delivery.status is None
    assert delivery.error


def test_a_github_signature_is_over_the_very_bytes():
    # The example of https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    headers = github_headers("push", b"Hello, World!", "It's a Secret to Everybody")
    assert headers["X-Hub-Signature-256"] == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


def test_gitlab_gets_its_token_or_a_signature():
    plain = gitlab_headers("merge_request", b"{}", "hush")
    assert (plain["X-Gitlab-Token"], plain["X-Gitlab-Event"]) == ("hush", "Merge Request Hook")
    key = b"0" * 32
    secret = "whsec_" + base64.b64encode(key).decode()
    signed = gitlab_headers("note", b"{}", secret, delivery="id-1", at=1_700_000_000.9)
    expected = hmac.new(key, b"id-1.1700000000.{}", hashlib.sha256).digest()
    assert signed["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert "X-Gitlab-Token" not in signed
    with pytest.raises(UsageError, match="base64"):
        gitlab_headers("note", b"{}", "whsec_!")


async def test_a_payload_file_is_sent_as_it_is(hook, tmp_path):
    payload = tmp_path / "payload.json"
    payload.write_bytes(b'{ "zen":\t"x" }\n')
    shown = io.StringIO()
    code = await asyncio.to_thread(send_webhook, hook.url, "s", "ping", payload, out=shown)
    assert (code, shown.getvalue()) == (0, "202 taken\n")
    headers, body = hook.received[0]
    assert body == payload.read_bytes()
    assert Event.from_http(headers, body, secret="s").event == "ping"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 2), (404, 2), (413, 2), (408, 1), (429, 1), (500, 1), (503, 1)],
)
async def test_what_is_wrong_and_what_may_work_later_are_two_exit_codes(
    hook, tmp_path, status, code
):
    payload = tmp_path / "payload.json"
    payload.write_text(json.dumps({}))
    hook.status = status
    shown = io.StringIO()
    assert await asyncio.to_thread(send_webhook, hook.url, "s", "ping", payload, out=shown) == code
    assert shown.getvalue().startswith(f"{status} ")


async def test_silence_is_worth_another_try(tmp_path):
    payload = tmp_path / "payload.json"
    payload.write_text(json.dumps({}))
    nobody = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(SurroundingsError) as silent:
        await asyncio.to_thread(send_webhook, nobody, "s", "ping", payload)
    assert silent.value.exit_code == 1


@pytest.mark.parametrize("text", [None, "{"])
def test_a_payload_that_is_missing_or_no_json_is_a_usage_error(tmp_path: Path, text):
    payload = tmp_path / "payload.json"
    if text is not None:
        payload.write_text(text)
    with pytest.raises(UsageError, match="payload"):
        send_webhook("http://127.0.0.1:9/", "s", "ping", payload)


def test_an_address_that_is_none_is_a_usage_error():
    with pytest.raises(UsageError, match="http"):
        post_delivery("ftp://example.org/", "s", "ping", b"{}")


async def test_settled_comes_back_when_a_delivery_has_just_ended(world):
    """The delivery's task has ended, and its callback has not had its turn yet."""

    async def nothing() -> None: ...

    world.forge._later(nothing())
    await asyncio.sleep(0)
    assert [task.done() for task in world.forge._tasks] == [True]
    await world.forge.settled()
    assert not world.forge._tasks
