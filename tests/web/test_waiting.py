"""A server or a worker whose Postgres is not there yet waits for it, and says so."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from aiohttp import ClientSession

from bot.engine.database import connection_problem, prepared_url
from bot.web.waiting import Supervisor, database_answers
from tests.databases import postgres
from tests.engine.conftest import settings_in
from tests.web.test_serve import FORGE


@pytest.fixture
def away() -> Iterator[socket.socket]:
    """An address that refuses connections, and stays this test's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken


def url_at(place: socket.socket, url: str = "postgresql://nobody@/none") -> str:
    address = sa.make_url(url).set(host="127.0.0.1", port=place.getsockname()[1], query={})
    return address.render_as_string(hide_password=False)


@asynccontextmanager
async def listening(place: socket.socket, url: str) -> AsyncIterator[None]:
    """Let a Postgres that has a Unix socket answer at this address, too."""
    behind = f"{sa.make_url(url).query['host']}/.s.PGSQL.5432"

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with closing(target):
            while data := await source.read(65536):
                target.write(data)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source, target = await asyncio.open_unix_connection(behind)
        await asyncio.gather(copy(reader, target), copy(source, writer), return_exceptions=True)

    server = await asyncio.start_server(relay, sock=place.dup())
    try:
        yield
    finally:
        server.close()


async def test_a_server_that_waits_lives_and_is_not_ready(away: socket.socket) -> None:
    stop, taken = asyncio.Event(), asyncio.get_running_loop().create_future()

    def listen() -> socket.socket:
        made = socket.create_server(("127.0.0.1", 0))
        taken.set_result(made.getsockname()[1])
        return made

    task = asyncio.create_task(database_answers(url_at(away), stop, Supervisor(), listen))
    address = f"http://127.0.0.1:{await taken}"
    async with ClientSession() as session:
        async with session.get(f"{address}/health/live") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        async with session.get(f"{address}/health/ready") as answer:
            said = "The engine's database does not answer yet. The log has the reason."
            assert (answer.status, (await answer.json())["problems"]) == (503, [said])
        async with session.post(f"{address}/webhook/github", data=b"{}") as answer:
            assert answer.status == 503
    stop.set()
    assert await task is False


@pytest.mark.parametrize("role", ["serve", "worker"])
async def test_a_process_waits_until_its_database_comes(
    role: str, away: socket.socket, tmp_path: Path
) -> None:
    with postgres() as url, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "told"))
        told.setblocking(False)
        (tmp_path / "config").mkdir()
        engine = {"database": {"env": "DATABASE"}}
        settings = {"listen": {"port": 0}, "forges": {"github": FORGE}, "engine": engine}
        (tmp_path / "bot.yaml").write_text(yaml.safe_dump(settings))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", role, "--settings", str(tmp_path / "bot.yaml")),
            stderr=asyncio.subprocess.PIPE,
            env=os.environ
            | {
                "SECRET": "s",
                "NOTIFY_SOCKET": str(tmp_path / "told"),
                "DATABASE": url_at(away, url),
            },
        )
        log = asyncio.create_task(process.communicate())

        async def hear() -> bytes:
            heard = asyncio.create_task(asyncio.get_running_loop().sock_recv(told, 999))
            await asyncio.wait({heard, log}, return_when=asyncio.FIRST_COMPLETED)
            assert heard.done(), log.result()
            return heard.result()

        try:
            assert await hear() == b"READY=1"
            assert (await hear()).startswith(b"STATUS=waits for the engine's database: connection")
            async with listening(away, url):
                while (state := await hear()) != b"STATUS=":
                    assert b"waits for" in state
                assert await hear() == b"READY=1"
                process.send_signal(signal.SIGTERM)
                _, said = await log
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, said
        assert b"waiting for the engine's database (engine.database of the settings)" in said
        assert b"minimize serves on" in said or b"minimize works as" in said


async def test_a_process_that_waits_can_be_stopped(away: socket.socket, tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    assert await database_answers(url_at(away), stop, Supervisor()) is False
    sqlite = prepared_url(settings_in(tmp_path))
    assert await database_answers(sqlite, asyncio.Event(), Supervisor()) is True


async def test_a_connection_has_a_minute_unless_the_settings_say_otherwise(
    away: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = url_at(away)
    for url, seconds in ((plain, "60"), (f"{plain}?connect_timeout=7", "7")):
        monkeypatch.setenv("DATABASE", url)
        prepared = prepared_url(settings_in(tmp_path, {"database": {"env": "DATABASE"}}))
        assert sa.make_url(prepared).query["connect_timeout"] == seconds
    assert "Connection refused" in await connection_problem(plain)
