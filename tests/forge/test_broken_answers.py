"""Answers that are cut off, late, or none, from both forges: told as the forge's fault, in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.forge import rest
from bot.forge.github.app import TokenAuth
from bot.forge.github.forge import GitHub
from bot.forge.gitlab.client import GitLabClient
from bot.forge.gitlab.forge import GitLab
from bot.forge.values import ForgeError, ForgeRefusedError, PullRequestKey
from bot.settings.forges import ForgeSettings

KEY = PullRequestKey("f", "o/r", 7)
HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n"


def answer(status: bytes, body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    more = b"".join(h + b"\r\n" for h in headers)
    return HEAD % status + more + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % size + body


BROKEN = {
    "half of the JSON": answer(b"200 OK", b'{"title": "x", "head": {"sha": "a'),
    "half of the transfer": answer(b"200 OK", b'{"title": "x"', length=900),
    "a page of HTML": answer(b"200 OK", b"<html>Down for maintenance</html>").replace(
        b"application/json", b"text/html"
    ),
    "nothing at all": b"",
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "an empty body": answer(b"200 OK", b""),
    "another type": answer(b"200 OK", b'["a", "list"]'),
    "null": answer(b"200 OK", b"null"),
    "bytes that are no text": answer(b"200 OK", b'{"title": "\xff\xfe"}'),
    "a broken gateway in HTML": answer(b"502 Bad Gateway", b"<html>nginx</html>").replace(
        b"application/json", b"text/html"
    ),
    "a gateway that waited too long": answer(b"504 Gateway Timeout", b"{}"),
    "unavailable": answer(b"503 Service Unavailable", b'{"message": "We are sorry"}'),
}
LIMITED = {
    "abuse detection": (
        b"403 Forbidden",
        b'{"message": "You have triggered an abuse detection mechanism."}',
        (),
        60.0,
    ),
    "a secondary limit": (
        b"403 Forbidden",
        b'{"message": "You have exceeded a secondary rate limit."}',
        (b"Retry-After: 7200",),
        7200.0,
    ),
    "too many": (b"429 Too Many Requests", b'{"message": "Slow down"}', (), 60.0),
    "too many, with a time": (
        b"429 Too Many Requests",
        b'{"message": "Slow down"}',
        (b"Retry-After: 300",),
        300.0,
    ),
}


class Raw:
    """Answers every connection with the same bytes, or holds it; counts them."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            if self.content is None:
                await asyncio.sleep(60)
            else:
                writer.write(self.content)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def raw(content: bytes | None) -> AsyncIterator[Raw]:
    made = Raw(content)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


async def at_once(*_: Any) -> None:
    """Waits nothing."""


@pytest.fixture(params=["github", "gitlab"])
def kind(request) -> str:
    """The forge's; a test whose cases are not both forges' names its own."""
    return request.param


@pytest.fixture
async def forge_at(kind: str, monkeypatch) -> AsyncIterator[Callable[[str], Any]]:
    made: list[Any] = []

    def make(url: str) -> Any:
        fields = {"type": kind, "api_url": url, "token": {"env": "X"}}
        settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
        forge: Any
        if kind == "github":
            monkeypatch.setattr(rest.RestClient, "sleep", at_once)
            forge = GitHub("f", settings, auth=TokenAuth("t"), secrets=("s",))
        else:
            client = GitLabClient(url, "t", at_once)
            forge = GitLab("f", settings, token="t", secrets=("s",), client=client)
        made.append(forge)
        return forge

    yield make
    for forge in made:
        await forge.close()


@pytest.fixture(autouse=True)
def github_traffic() -> list[Any]:
    """What is broken here is no traffic to be checked against GitHub's description."""
    return []


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_answer_is_tried_again_and_then_told(forge_at, broken: str) -> None:
    async with raw(BROKEN[broken]) as server:
        with pytest.raises(ForgeError) as caught:
            await forge_at(server.url).pull_request(KEY)
    assert not isinstance(caught.value, ForgeRefusedError)
    assert KEY.repository in str(caught.value)
    assert 1 <= server.connections <= 20


@pytest.mark.parametrize(
    ("kind", "limit"),
    # Only GitHub says with 403 that it is too much.
    [("github", limit) for limit in LIMITED]
    + [("gitlab", limit) for limit in LIMITED if LIMITED[limit][0].startswith(b"429")],
)
async def test_a_limit_is_left_to_the_engine_with_its_wait(forge_at, limit: str) -> None:
    status, body, headers, wait = LIMITED[limit]
    async with raw(answer(status, body, *headers)) as server:
        with pytest.raises(ForgeError, match="limits further requests") as caught:
            await forge_at(server.url).pull_request(KEY)
    assert caught.value.wait == wait
    # Nobody knocks again before that.
    assert server.connections == 1


async def test_who_does_not_answer_is_given_up(forge_at, monkeypatch) -> None:
    from bot.forge.gitlab import client as gitlab_client

    monkeypatch.setattr(rest, "_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    monkeypatch.setattr(gitlab_client, "_TIMEOUT", 0.05)
    async with raw(None) as server:
        with pytest.raises(ForgeError, match="cannot be reached"):
            await forge_at(server.url).pull_request(KEY)
        # The last one may be given up before the server has taken it.
        async with asyncio.timeout(90):
            while server.connections < 4:
                await asyncio.sleep(0.01)
    assert server.connections == 4
