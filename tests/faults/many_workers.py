"""Workers on a Postgres: `python -m tests.faults.many_workers [--pulls N] [--lost N]`.

A server that computes nothing, and workers with two slots each, on a forge and a Postgres of this
program. First so many pull requests with one worker, then with two: the ratio of their times.
Then, again and again, the worker that predicts is killed: seconds until another has begun. Then a
pull request that a worker predicts is closed: seconds until its compute process is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import yaml

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.demo.run.setup import free_port
from tests.databases import postgres

ROOT = Path(__file__).parents[2]
READY = 180.0
SPEC = "Name: nginx\n# {}\n"


class Fleet:
    """A server and workers, with their forge; without a `database` the server alone, on SQLite.

    `builds` is how many each of them builds at a time.
    """

    builds = 0

    def __init__(self, home: Path, database: str, forge: LocalForge, seconds: float) -> None:
        self.home = home
        self.forge = forge
        self.seconds = seconds
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._database = database
        self._port = free_port()
        self.repository = forge.add_repository("rpms/nginx")
        self.repository.git.commit("main", {"nginx.spec": SPEC.format(0)}, "Start")
        hook = f"http://127.0.0.1:{self._port}/webhook/github"
        self.app = forge.add_app("minimize", hook_url=hook, secret="s")
        forge.install(self.app, "rpms")
        forge.set_role(self.repository, "jonas", "write")
        (home / "app.pem").write_text(self.app.private_key)
        (home / "secret").write_text(self.app.secret)
        (home / "database").write_text(database)
        (home / "config").mkdir()

    async def start(self, role: str, name: str, predictions: int) -> None:
        app = {"id": self.app.id, "private_key": {"file": "app.pem"}}
        settings = {
            "listen": {"port": self._port},
            "data": f"data-{name}",
            "forges": {
                "github": {
                    "type": "github",
                    "api_url": self.forge.api_url,
                    "app": app,
                    "webhook_secrets": [{"file": "secret"}],
                }
            },
            "engine": {
                "executor_id": name,
                **({"database": {"file": "database"}} if self._database else {}),
                "predictions": predictions,
                "builds": self.builds,
            },
            "repositories": [{"match": "*", "documents": ["demo"]}],
        }
        file = self.home / f"{name}.yaml"
        file.write_text(yaml.safe_dump(settings))
        script = [sys.executable, "-m", "tests.faults.working_bot"]
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*script, role, str(file), str(self.seconds)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                # As a service: the kernel shares out the processors by session.
                start_new_session=True,
            )
        deadline = time.monotonic() + READY
        while not (self.home / f"{name}-ready").exists():
            log_text = (self.home / f"{name}.log").read_text()
            assert self.processes[name].poll() is None, log_text
            assert time.monotonic() < deadline, log_text
            await asyncio.sleep(0.05)

    async def open_pull(self, number: int) -> Pull:
        branch = f"topic-{number}"
        files = {"nginx.spec": SPEC.format(f"{self.home.name} {number}")}
        self.repository.git.commit(branch, files, "Change", start="main")
        return await self.forge.open_pull(self.repository, branch, user="jonas", title="t")

    def concluded(self, pulls: list[Pull]) -> int:
        runs = self.forge.state.runs_of
        return sum(
            any(run.status == "completed" for run in runs(self.repository, pull.head_sha))
            for pull in pulls
        )

    async def until_concluded(self, pulls: list[Pull], seconds: float = 600.0) -> None:
        deadline = time.monotonic() + seconds
        while self.concluded(pulls) < len(pulls):
            assert time.monotonic() < deadline, [p.read_text() for p in self.home.glob("*.log")]
            await asyncio.sleep(0.05)

    def begun(self) -> list[tuple[str, str, float]]:
        """The process, the head and the time of each prediction that began."""
        file = self.home / "predictions"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(n, head, float(at)) for n, head, at in (line.split() for line in lines)]

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes.pop(name).wait()
        (self.home / f"{name}-ready").unlink()

    def close(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


@asynccontextmanager
async def fleet(home: Path, workers: int, seconds: float) -> AsyncIterator[Fleet]:
    """A server, and workers named worker-0 and on."""
    with postgres() as database:
        async with LocalForge(home / "forge") as forge:
            made = Fleet(home, database, forge, seconds)
            try:
                await made.start("server", "server", 0)
                for number in range(workers):
                    await made.start("worker", f"worker-{number}", 2)
                yield made
            finally:
                made.close()


async def seconds_for(home: Path, workers: int, pulls: int, seconds: float) -> float:
    """Seconds for so many pull requests, each predicted in so many."""
    async with fleet(home, workers, seconds) as made:
        await made.until_concluded([await made.open_pull(0)])  # everything is warm
        opened = [await made.open_pull(number) for number in range(1, pulls + 1)]
        before = made.concluded(opened)
        since = time.monotonic()
        await made.until_concluded(opened)
        return (time.monotonic() - since) * pulls / max(pulls - before, 1)


async def seconds_to_take_over(home: Path, times: int, seconds: float) -> list[float]:
    """Seconds from the death of a worker to the moment at which another predicts the same head."""
    found = []
    async with fleet(home, 2, seconds) as made:
        for number in range(times):
            # Or a busy machine would end the prediction before it is noticed that it began.
            (home / "held").touch()
            pull = await made.open_pull(number)
            while not (mine := [b for b in made.begun() if b[1] == pull.head_sha]):
                await asyncio.sleep(0.02)
            first, _, _ = mine[0]
            killed = time.time()
            made.kill(first)
            (home / "held").unlink()
            while len(mine := [b for b in made.begun() if b[1] == pull.head_sha]) < 2:
                assert time.time() - killed < 300, (made.home / "server.log").read_text()
                await asyncio.sleep(0.02)
            found.append(mine[1][2] - killed)
            await made.until_concluded([pull])
            await made.start("worker", first, 2)
    return found


async def seconds_to_stop(home: Path, times: int) -> list[float]:
    """Seconds from the closing of a pull request to the end of the process that predicts it, on
    another process than the server's."""
    found = []
    async with fleet(home, 1, 600.0) as made:
        for number in range(times):
            pull = await made.open_pull(number)
            while not any(head == pull.head_sha for _, head, _ in made.begun()):
                await asyncio.sleep(0.02)
            worker = psutil.Process(made.processes["worker-0"].pid)
            computing = [p for p in worker.children(recursive=True) if _predicts(p)]
            since = time.monotonic()
            await made.forge.close_pull(pull, user="jonas")
            while any(map(_predicts, computing)):
                await asyncio.sleep(0.005)
            found.append(time.monotonic() - since)
    return found


def _predicts(process: psutil.Process) -> bool:
    """Return whether this is a compute process that lives: it leads a session of its own."""
    try:
        return os.getsid(process.pid) == process.pid and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulls", type=int, default=40)
    parser.add_argument("--lost", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a prediction")
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    took = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            work = seconds_for(Path(folder), workers, given.pulls, given.seconds)
            took[workers] = asyncio.run(work)
        print(f"{given.pulls} pull requests, {workers} workers: {took[workers]:.1f} s", flush=True)
    print(f"two workers are {took[1] / took[2]:.2f} times one", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        lost = asyncio.run(seconds_to_take_over(Path(folder), given.lost, given.seconds))
    with tempfile.TemporaryDirectory() as folder:
        stopped = asyncio.run(seconds_to_stop(Path(folder), given.lost))
    for number, seconds in enumerate(stopped, 1):
        print(
            f"pull request closed {number:>2}: its process gone after {seconds:.2f} s", flush=True
        )
    for number, seconds in enumerate(lost, 1):
        print(f"worker lost {number:>2}: taken over after {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
