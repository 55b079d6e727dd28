"""Lists of failed deliveries: what is asked is held by GitHub's description, as of every test."""

from __future__ import annotations

import asyncio
from typing import Any

import gitlab
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.forge.gitlab.webhooks import failed_of_project
from bot.forge.values import FailedDelivery

HOOK = "https://min.example/webhook/github"


def _key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return made.private_bytes(*kinds, serialization.NoEncryption()).decode()


def entry(number: int, guid: str, status: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "guid": guid,
        "delivered_at": "2026-11-28T10:00:00Z",
        "redelivery": False,
        "duration": 0.1,
        "status": "OK" if status == 202 else "Service Unavailable",
        "status_code": status,
        "event": "pull_request",
        "action": "opened",
        "installation_id": None,
        "repository_id": 1,
        **more,
    }


@pytest.mark.parametrize("app", [True, False])
async def test_of_githubs_hooks_those_that_nobody_took_are_sent_again(
    forge_on, tiny, app: bool
) -> None:
    """An App has one hook for all, a token those of its repositories."""
    tiny.answer("GET", "/user", {"login": "minimize-bot"})
    asking = forge_on(app=("1", _key()) if app else None)
    path = "/app/hook" if app else "/repos/o/r/hooks/9"
    tiny.lists["/repos/o/r/hooks"] = [
        {"id": 8, "config": {"url": "https://other.example"}},
        {"id": 9, "config": {"url": f"{HOOK}/"}},
    ]
    tiny.lists[f"{path}/deliveries"] = [
        entry(5, "a", 202, redelivery=True),
        entry(4, "b", 503),
        entry(3, "a", 502),
        entry(2, "c", 404),
        entry(1, "old", 503, delivered_at="2026-11-01T10:00:00Z"),
    ]
    since = 1_795_000_000.0  # some days before
    (failed,) = await asking.failed_deliveries(None if app else "o/r", HOOK, since)
    assert (failed.delivery, failed.attempts) == ("b", 1)
    tiny.answer("POST", f"{path}/deliveries/4/attempts", (202, {}, {}))
    await asking.send_again(failed)
    assert len(tiny.seen("POST", f"{path}/deliveries/4/attempts")) == 1


async def gitlab_failed(events: list[dict[str, Any]]) -> list[FailedDelivery]:
    """What is found in a GitLab of this test, whose project 7 has a hook with these events."""

    async def handle(request: web.Request) -> web.Response:
        hooks = [{"id": 3, "url": HOOK}]
        return web.json_response(events if request.path.endswith("/hooks/3/events") else hooks)

    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    async with TestServer(application) as server:
        client = gitlab.Gitlab(str(server.make_url("")), private_token="t")
        return await asyncio.to_thread(failed_of_project, client, 7, HOOK, 1_795_000_000.0)


def event(number: int, key: str, status: str, **more: Any) -> dict[str, Any]:
    """As https://docs.gitlab.com/api/project_webhooks/ shows one."""
    return {
        "id": number,
        "url": HOOK,
        "trigger": "merge_request_hooks",
        "request_headers": {"Idempotency-Key": key, "X-Gitlab-Event": "Merge Request Hook"},
        "request_data": {},
        "response_headers": {},
        "response_body": "",
        "execution_duration": 0.1,
        "response_status": status,
        **more,
    }


async def test_of_gitlabs_hooks_those_that_nobody_took_are_found() -> None:
    at = {"created_at": "2026-11-28T10:00:00Z"}
    (failed,) = await gitlab_failed(
        [
            event(4, "a", "200", **at),
            event(3, "b", "internal error", **at),
            event(2, "a", "503", **at),
            event(1, "old", "503", created_at="2026-11-01T10:00:00Z"),
        ]
    )
    assert (failed.delivery, failed.attempts, failed.at > 0) == ("b", 1, True)
    assert failed.address == "/projects/7/hooks/3/events/3/resend"


async def test_an_event_without_a_time_is_sent_again_some_times_and_then_left() -> None:
    (failed,) = await gitlab_failed([event(3, "b", "503")])
    assert (failed.delivery, failed.at) == ("b", 0)
    assert await gitlab_failed([event(n, "b", "503") for n in range(8)]) == []
