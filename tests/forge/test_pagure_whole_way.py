"""The whole way on a real Pagure: a pull request, its webhook, the server, flag and comment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.demo.run.setup import BotPlaces, BotProcess, free_port, serve_command
from tests.check.tiny import TOOL, make_repositories, workload, write_documents
from tests.forge.pagure_server import ANN, BOT, OWNER, PagureServer

pytestmark = pytest.mark.xdist_group("pagure")
MORE = TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")


def settings_of(places: BotPlaces, server: PagureServer, key: str) -> str:
    (places.home / "token").write_text(server.tokens[BOT])
    (places.home / "key").write_text(key)
    forge = {
        "type": "pagure",
        "api_url": f"{server.url}/api/0",
        "token": {"file": "token"},
        "webhook_secrets": [{"file": "key"}],
    }
    listen = {"listen": {"port": places.port}, "public_url": places.url}
    return yaml.safe_dump({**listen, "forges": {"dist-git": forge}})


async def test_a_pull_request_gets_its_flag_and_one_comment_and_a_question_its_answer(
    server: PagureServer, tmp_path: Path
) -> None:
    make_repositories(tmp_path / "tiny")
    config = write_documents(tmp_path / "config", tmp_path / "tiny", web=workload("tool"))
    places = BotPlaces(tmp_path, config, tmp_path / "cache", free_port())
    name = server.project("tool")
    server.git(name).commit("main", {"tool.spec": TOOL, "data.txt": "x"}, "Package it")
    server.give(name, "user", ANN, "commit")
    places.settings.write_text(
        settings_of(places, server, server.hook(name, f"{places.url}/webhook/pagure"))
    )

    async def ask(path: str, *more: Any, **fields: Any) -> Any:
        return await asyncio.to_thread(server.api, path, *more, **fields)

    async with BotProcess(places, serve_command(places)) as bot:
        await bot.ready()

        async def until(found: Callable[[Any], Any], path: str) -> Any:
            deadline = time.monotonic() + 180
            while not (value := found(await ask(path))):
                bot.check()
                assert time.monotonic() < deadline, bot.tail()
                await asyncio.sleep(0.2)
            return value

        fork = await asyncio.to_thread(server.fork, name)
        push = {"user": ANN}
        head = await asyncio.to_thread(server.push, fork, "topic", {"tool.spec": MORE}, **push)
        number = await asyncio.to_thread(server.open_pull, name, "topic", **push)
        pull, flags = f"{name}/pull-request/{number}", f"{name}/c/{head}/flag"
        done = await until(
            lambda found: [f for f in found["flags"] if f["status"] != "pending"], flags
        )
        assert [(f["username"], f["status"]) for f in done] == [("minimize", "success")]
        (comment,) = await until(
            lambda found: [c for c in found["comments"] if c["user"]["name"] == BOT], pull
        )
        assert "tool.spec:8" in comment["comment"]
        assert "perl" in comment["comment"]
        await ask(f"{pull}/comment", OWNER, comment="/minimize why perl-libs")
        answers = await until(
            lambda found: [c for c in found["comments"] if "minimize:answer" in c["comment"]],
            pull,
        )
        assert "perl-libs" in answers[0]["comment"]
