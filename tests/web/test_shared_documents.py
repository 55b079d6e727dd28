"""The server's documents as `--config` takes them: a running server, and the command."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bot.cli import main
from bot.distro.sharing import SHARED, SharedDocuments
from bot.store.deliveries import GroupWriter
from bot.store.history.history import open_history
from bot.web.application import make_application
from bot.web.health import Health
from bot.web.metrics import Metrics
from tests.check.tiny import make_repositories, workload, write_documents


async def answer_of(shared: SharedDocuments | None, folder: Path) -> tuple[int, str]:
    """The status and text of the route."""
    history = open_history(folder / "data")
    application = make_application(
        forges={}, writer=GroupWriter(history.store), store=history.store, history=history,
        logs=folder, metrics=Metrics(), health=Health(history.store, folder), engine=None,
        webhook_bytes=1000, shared_documents=shared,
    )  # fmt: skip
    try:
        async with TestServer(application) as server, aiohttp.ClientSession() as session:
            async with session.get(server.make_url(SHARED)) as answer:
                status, text = answer.status, await answer.text()
            if shared is not None:
                await asyncio.to_thread(closure, str(server.make_url(SHARED)), folder)
        return status, text
    finally:
        history.close()
        history.store.close()


def closure(url: str, folder: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["closure", "web", "--config", url, "--cache", str(folder / "c"), "--format", "json"])
    assert ended.value.code == 0


async def test_the_command_solves_the_servers_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r").mkdir()
    make_repositories(tmp_path / "r")
    config = write_documents(tmp_path / "config", tmp_path / "r", web=workload("tool"))
    (config / "bot.yaml").write_text("forges: {gh: {token: no secret}}")
    row = {"image": "ubi9*", "repository": "repo", "environment": "minimal"}
    status, text = await answer_of(SharedDocuments(config, (row,)), tmp_path)
    value = json.loads(text)
    assert (status, value["base_images"]) == (200, [row])
    assert value["documents"].keys() == {"repo.yaml", "minimal.yaml", "web.yaml"}
    images = json.loads(capsys.readouterr().out)["images"]
    assert [(image["workload"], image["arch"]) for image in images] == [
        ("web", "aarch64"), ("web", "x86_64"),
    ]  # fmt: skip


async def test_a_server_need_not_share_them(tmp_path: Path) -> None:
    status, text = await answer_of(None, tmp_path)
    assert status == 404
    assert json.loads(text) == {"error": "This server does not share its documents."}
