"""`minimize serve` as a process, against the local forge: killed, started again, stopped."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
import yaml
from aiohttp import ClientError, ClientSession

from bot.demo.forge.server import LocalForge
from bot.demo.run.setup import github_settings
from bot.engine.compute_process import runs

_SECONDS = 150.0  # for each of three waits, on a machine that may be busy with others
SPEC = "Name: nginx\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n"


class Served:
    """One bot's files and processes."""

    def __init__(self, home: Path, forge: LocalForge, app) -> None:
        self.home = home
        self.app = app
        (home / "config").mkdir()
        self.settings = {
            "listen": {"port": 0},
            "forges": {"github": github_settings(home, forge, app)},
            "engine": {"executor_id": "restarted"},
        }
        self.process: subprocess.Popen | None = None
        self.url = ""
        # What a supervisor is told, on an abstract address.
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(f"\0minimize-{uuid.uuid4()}")

    async def start(self, api_url: str | None = None) -> None:
        settings = json.loads(json.dumps(self.settings))
        if api_url:
            settings["forges"]["github"]["api_url"] = api_url
        (self.home / "bot.yaml").write_text(yaml.safe_dump(settings))
        log = self.home / "log"
        command = ["serve", "--settings", str(self.home / "bot.yaml")]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from bot.cli import main; main()", *command],
                stdout=out,
                stderr=out,
                cwd=Path(__file__).parents[2],
                env={
                    **os.environ,
                    "HOME": str(self.home),
                    "NOTIFY_SOCKET": self.told.getsockname().decode().replace("\0", "@"),
                },
            )
        deadline = time.monotonic() + _SECONDS
        while "serves on " not in log.read_text():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.05)
        self.url = log.read_text().split("serves on ")[1].split()[0]
        assert self.told.recv(99, socket.MSG_DONTWAIT) == b"READY=1"

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def deliver(self, body: bytes, delivery: str) -> tuple[int, dict]:
        digest = hmac.new(self.app.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "pull_request",
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": f"sha256={digest}",
        }
        async with (
            ClientSession() as session,
            session.post(f"{self.url}/webhook/github", data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json()


@pytest.fixture
async def world(tmp_path: Path):
    async with LocalForge(tmp_path / "forge") as forge:
        repository = forge.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx/nginx.spec": SPEC, "README": "r\n"}, "Start")
        app = forge.add_app("minimize")
        forge.install(app, "rpms")
        repository.git.commit("docs", {"README": "other\n"}, "Words", start="main")
        pull = await forge.open_pull(repository, "docs", user="alice", title="Words")
        home = tmp_path / "bot"
        home.mkdir()
        served = Served(home, forge, app)
        yield forge, repository, pull, served
        served.told.close()
        if served.process is not None and served.process.poll() is None:
            served.kill()


async def test_a_delivery_survives_kill_9_between_202_and_its_run(world) -> None:
    forge, repository, pull, served = world
    head = repository.git.resolve("docs")
    body = json.dumps(
        {
            "action": "opened",
            "number": pull.number,
            "pull_request": {
                "number": pull.number,
                "head": {"sha": head},
                "base": {"ref": "main"},
                "updated_at": "t",
            },
            "repository": {"id": 1, "full_name": "rpms/nginx"},
        }
    ).encode()
    await served.start(api_url="http://127.0.0.1:9/api/v3")  # the forge is away: no run starts
    assert await served.deliver(body, "guid") == (202, {"status": "accepted", "delivery": "guid"})
    served.kill()

    with sqlite3.connect(served.home / "data" / "minimize.sqlite") as db:
        db.execute("update deliveries set due = 0")  # it may have been postponed
    db.close()
    await served.start()
    assert (await served.deliver(body, "guid"))[1]["status"] == "repeat"
    deadline = time.monotonic() + _SECONDS
    while not any(run.status == "completed" for run in forge.state.runs_of(repository, head)):
        assert time.monotonic() < deadline, (served.home / "log").read_text()
        await asyncio.sleep(0.1)
    (run,) = forge.state.runs_of(repository, head)
    assert (run.name, run.conclusion) == ("minimize", "success")
    assert run.fields["output"]["title"] == "No spec file changed"
    assert forge.state.comments_of(pull) == []

    async with ClientSession() as session:
        checks: list[dict] = []
        deadline = time.monotonic() + _SECONDS
        while not checks or checks[0]["open"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
            async with session.get(f"{served.url}/api/checks") as answer:
                checks = (await answer.json())["checks"]
        assert [check["summary"] for check in checks] == ["No spec file changed"]

        # Asked to stop, it ends by itself, soon, leaves no process, and answers nothing more.
        started = psutil.Process(served.process.pid).children(recursive=True)
        assert any("forkserver" in word for process in started for word in process.cmdline())
        served.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(served.process.wait, _SECONDS) == 0
        assert [process for process in started if runs(process)] == []
        with pytest.raises(ClientError):
            await session.get(f"{served.url}/health/live")
