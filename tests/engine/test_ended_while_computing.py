"""The server, or the worker that computes, is stopped or killed while a check is computed: the real
programs, on one Postgres. The check is concluded once and commented once; nothing stays pending."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
import yaml

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.demo.run.setup import free_port
from bot.report.render import COMMENT_MARKER
from bot.sandbox.run import sandbox_available
from tests.check.tiny import TOOL, documented, make_repositories, workload
from tests.databases import postgres
from tests.deploy.following import Handler
from tests.engine.test_two_workers import bot_comments, conclusion, unfinished
from tests.engine.two_processes import forge_settings

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here"),
]
HOME = Path(__file__).parents[2]
SECONDS = 300.0


class Distribution:
    """Repositories that are held from `hold` until `release`: who computes then asks, and waits."""

    def __init__(self, root: Path) -> None:
        self.asked, self._released = threading.Event(), threading.Event()
        self._root = root
        self.release()

    def hold(self) -> None:
        self.asked.clear()
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        class Held(Handler):
            """Answers unless it is held."""

            def do_GET(handler) -> None:
                if not self._released.is_set():
                    self.asked.set()
                    self._released.wait(SECONDS)
                # Who asked may have been killed.
                with contextlib.suppress(ConnectionError):
                    super().do_GET()

        make_repositories(self._root)
        handler = functools.partial(Held, directory=str(self._root))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            self.release()
            server.shutdown()


class Installed:
    """A server that computes nothing and workers, as `minimize serve` and `minimize worker` run."""

    def __init__(self, home: Path, local: LocalForge, distribution: str, database: str) -> None:
        self.home, self.local = home, local
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.repository = local.add_repository("rpms/nginx")
        self.repository.git.commit("main", {"tool.spec": TOOL, "data.txt": "data\n"}, "Start")
        local.set_role(self.repository, "jonas", "write")
        documents = documented(home, home, web=workload("tool")).config
        for path in documents.glob("*.yaml"):
            path.write_text(path.read_text().replace(f"file://{home}", distribution))
        (home / "database").write_text(database)
        port = free_port()
        hook = f"http://127.0.0.1:{port}/webhook/github"
        self.settings = {
            "listen": {"port": port},
            "public_url": f"http://127.0.0.1:{port}",
            "config": str(documents),
            "forges": {"github": forge_settings(local, "github", home, hook)},
            "repositories": [{"match": "*", "documents": ["repo"]}],
            "build": {"enabled": False},
            # Each prediction asks the repositories.
            "snapshots": {"max_age": 0},
        }

    async def start(self, name: str) -> None:
        """Start the server, or a worker, and wait until it says so."""
        role, said = ("serve", "serves on") if name == "server" else ("worker", "works as")
        settings = {
            **self.settings,
            "data": f"data-{name}",
            "cache": f"cache-{name}",
            "engine": {
                "executor_id": name,
                "database": {"file": "database"},
                "predictions": int(name != "server"),
                "builds": 0,
            },
        }
        file = self.home / f"{name}.yaml"
        file.write_text(yaml.safe_dump(settings))
        log = self.home / f"{name}.log"
        before = log.read_text().count(said) if log.exists() else 0
        with log.open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "bot", role, "--settings", str(file)],
                stdout=output, stderr=output, cwd=HOME, start_new_session=True,
            )  # fmt: skip
        await self.until(lambda: log.read_text().count(said) > before)

    async def until(self, reached: Callable[[], object]) -> None:
        """Wait for what must come while the processes run."""
        async with asyncio.timeout(SECONDS):
            while not reached():
                for name, process in self.processes.items():
                    assert process.poll() is None, (name, self.logs())
                await asyncio.sleep(0.05)

    async def end(self, name: str, how: signal.Signals) -> int:
        """End a process; its exit code."""
        process = self.processes.pop(name)
        process.send_signal(how)
        return await asyncio.to_thread(process.wait, SECONDS)

    async def change(self, branch: str) -> Pull:
        head = {"tool.spec": TOOL.replace("%description\n", "Requires: perl\n%description\n", 1)}
        self.repository.git.commit(branch, head, branch, start="main")
        return await self.local.open_pull(self.repository, branch, user="jonas", title="t")

    async def until_concluded(self, pulls: list[Pull]) -> None:
        """Wait until these have their comments and a status that is no longer pending."""
        await self.until(
            lambda: all(self.commented(one) and conclusion(self.local, one) for one in pulls)
        )

    def runs(self) -> set[str]:
        """The states of the checks' runs, as the engine's database has them."""
        with psycopg.connect((self.home / "database").read_text()) as connection:
            found = connection.execute(
                "SELECT status FROM dbos.workflow_status WHERE workflow_uuid LIKE 'github-%'"
            )
            return {status for (status,) in found}

    def commented(self, pull: Pull) -> list[str]:
        found = [one.body for one in bot_comments(self.local, pull)]
        return [one for one in found if COMMENT_MARKER in one]

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.home.glob("*.log")))

    def close(self) -> None:
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.asynccontextmanager
async def installed(home: Path) -> AsyncIterator[tuple[Installed, Distribution]]:
    distribution = Distribution(home / "distribution")
    with postgres() as database, distribution.served() as address:
        async with LocalForge(home / "forge") as local:
            made = Installed(home, local, address, database)
            try:
                await made.start("server")
                await made.start("worker")
                yield made, distribution
            finally:
                made.close()


@pytest.mark.parametrize("ended", ["server", "worker"])
async def test_checks_go_on_without_who_ended(tmp_path: Path, ended: str) -> None:
    async with installed(tmp_path) as (made, distribution):
        pulls = [await made.change("before")]
        await made.until_concluded(pulls)
        names = {"server": ["server", "server"], "worker": ["worker", "another"]}[ended]
        for name, how in zip(names, (signal.SIGTERM, signal.SIGKILL), strict=True):
            distribution.hold()
            pulls.append(await made.change(f"meanwhile-{how}"))
            await made.until(distribution.asked.is_set)
            code = await made.end(name, how)
            assert code == (0 if how == signal.SIGTERM else -how), made.logs()
            if ended == "worker":
                await made.start("another" if name == "worker" else "worker")
            distribution.release()
            # Others compute it to its end; the forge is the server's to write to.
            await made.until(lambda: made.runs() == {"SUCCESS"})
            if ended == "server":
                await made.start("server")
            await made.until_concluded(pulls)
        # When the next is concluded, whoever came back has caught up.
        pulls.append(await made.change("after"))
        await made.until_concluded(pulls)
        for pull in pulls:
            assert len(made.commented(pull)) == 1, made.logs()
            (run,) = made.local.state.runs_of(pull.repository, pull.head_sha)
            assert run.conclusion == "success", made.logs()
        assert unfinished(made.local, pulls[0]) == []
        for name in list(made.processes):
            assert await made.end(name, signal.SIGTERM) == 0, made.logs()
