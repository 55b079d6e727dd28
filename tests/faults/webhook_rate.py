"""Webhooks at a rate, with checks running: `python -m tests.faults.webhook_rate [--rate N]
[--seconds N]`.

A bot in a process of its own checks pull requests without end; another process sends it so many
deliveries a second, each new, then as many to a bare aiohttp server that writes what gathers to a
file on the same disk, waits for the disk, and answers: beside the same checks, then alone. Prints
the times and their ratios, and whether each delivery that was accepted is in the bot's store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from bot.demo.forge.server import LocalForge
from bot.demo.run.setup import free_port
from bot.forge.github.webhooks import signed_headers
from bot.store.store import open_store
from tests.faults.many_workers import ROOT, Fleet

_SETTLING = 10.0  # seconds for the bot to have started everything
PREDICTION = 0.2  # seconds, of a prediction and of a build
BODY = {
    "action": "labeled",
    "number": 1,
    "pull_request": {
        "number": 1,
        "head": {"sha": "a" * 40},
        "base": {"ref": "main", "sha": "b" * 40},
        "updated_at": "",
        "body": "x" * 8000,  # a webhook of a pull request has some 20 kB, most of it addresses
    },
    "repository": {"id": 1, "full_name": "rpms/other"},
}


async def bare(port: int, file: Path) -> None:
    """Serve: what gathers while the disk is busy is written and synchronised together."""
    waiting: list[tuple[bytes, asyncio.Future[None]]] = []
    woken = asyncio.Event()

    async def receive(request: web.Request) -> web.Response:
        done = asyncio.get_running_loop().create_future()
        waiting.append((await request.read(), done))
        woken.set()
        await done
        return web.Response(status=202)

    def write(bodies: list[bytes]) -> None:
        with file.open("ab") as stream:
            stream.writelines(bodies)
            stream.flush()
            os.fsync(stream.fileno())

    application = web.Application()
    application.router.add_post("/{path:.*}", receive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    while True:
        await woken.wait()
        woken.clear()
        batch, waiting[:] = list(waiting), []
        await asyncio.to_thread(write, [body for body, _ in batch])
        for _, done in batch:
            if not done.done():
                done.set_result(None)


async def send(url: str, secret: str, rate: int, seconds: float) -> None:
    """Send at a steady rate, whether answers come or not; print seconds and statuses as JSON."""
    times: list[float] = []
    statuses: Counter[str] = Counter()

    async def send(session: aiohttp.ClientSession, number: int) -> None:
        pull = {**BODY["pull_request"], "updated_at": str(number)}  # type: ignore[dict-item]
        body = json.dumps({**BODY, "pull_request": pull}).encode()
        headers = signed_headers("pull_request", body, secret, delivery=f"rate-{number}")
        since = time.monotonic()
        try:
            async with session.post(url, data=body, headers=headers) as answer:
                statuses[str(answer.status)] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            statuses[type(error).__name__] += 1
        times.append(time.monotonic() - since)

    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        begun, tasks = time.monotonic(), []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(begun + number / rate - time.monotonic(), 0))
            tasks.append(asyncio.create_task(send(session, number)))
        await asyncio.gather(*tasks)
    print(json.dumps({"times": times, "statuses": statuses}))


@dataclass(frozen=True)
class Sent:
    """The times of webhooks in order, in seconds, the statuses, and the server's processor time."""

    times: list[float]
    statuses: Counter[str]
    processor: float

    def at(self, share: float) -> float:
        """The time, in milliseconds, within which such a share was answered."""
        return 1000 * self.times[int(len(self.times) * share)]


async def sent(url: str, secret: str, rate: int, seconds: float, server: int) -> Sent:
    """Send to the process `server` from a process of its own."""
    before = _processor(server)
    command = [sys.executable, "-m", "tests.faults.webhook_rate", "--send", url, secret]
    options = ["--rate", str(rate), "--seconds", str(seconds)]
    process = await asyncio.create_subprocess_exec(
        *command, *options, stdout=subprocess.PIPE, cwd=ROOT
    )
    output, _ = await process.communicate()
    found = json.loads(output)
    return Sent(sorted(found["times"]), Counter(found["statuses"]), _processor(server) - before)


def _processor(server: int) -> float:
    """Return the processor seconds of a process, without those of its children."""
    used = psutil.Process(server).cpu_times()
    return float(used.user + used.system)


async def measure(home: Path, rate: int, seconds: float) -> None:
    """Print the rows, and the ratios."""
    async with LocalForge(home / "forge") as local:
        fleet = Fleet(home, "", local, PREDICTION)
        fleet.builds = 1
        try:
            await fleet.start("server", "server", 2)
            changing = asyncio.create_task(_change(fleet))
            await asyncio.sleep(_SETTLING)
            url, process = fleet.app.hook_url or "", fleet.processes["server"].pid
            ours = await sent(url, fleet.app.secret, rate, seconds, process)
            checked = fleet.concluded(local.state.pulls)
            beside = await sent_to_bare(home / "beside", rate, seconds)
            changing.cancel()
            with suppress(asyncio.CancelledError):
                await changing
            stored = _stored(home)
        finally:
            fleet.close()
    alone = await sent_to_bare(home / "alone", rate, seconds)
    rows = {"minimize": ours, "bare, beside the checks": beside, "bare, alone": alone}
    print(f"{'server':<24} p50, ms   p99, ms   processor each, ms   answers")
    for name, one in rows.items():
        each = 1000 * one.processor / len(one.times)
        row = f"{one.at(0.5):>8.0f} {one.at(0.99):>9.0f} {each:>20.2f}"
        print(f"{name:<24}{row}   {dict(one.statuses)}")
    print(
        f"p99 {ours.at(0.99) / beside.at(0.99):.2f} times beside the checks,"
        f" {ours.at(0.99) / alone.at(0.99):.2f} times alone; {stored} of {ours.statuses['202']}"
        f" accepted are stored; {checked} pull requests checked meanwhile;"
        f" load {os.getloadavg()[0]:.0f}"
    )


async def sent_to_bare(file: Path, rate: int, seconds: float) -> Sent:
    """Send to a bare server in a process of its own, which writes `file`."""
    port = free_port()
    command = [sys.executable, "-m", "tests.faults.webhook_rate", "--bare", str(port), str(file)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        while True:
            with suppress(aiohttp.ClientError):
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(f"http://127.0.0.1:{port}/", data=b"x"),
                ):
                    break
            await asyncio.sleep(0.1)
        return await sent(f"http://127.0.0.1:{port}/webhook", "s", rate, seconds, process.pid)
    finally:
        process.kill()
        process.wait()


async def _change(fleet: Fleet) -> None:
    """Open pull requests without end: three checks are under way."""
    number = 0
    while True:
        number += 1
        pulls = fleet.forge.state.pulls
        if len(pulls) - fleet.concluded(pulls) < 3:
            await fleet.open_pull(number)
        await asyncio.sleep(0.2)


def _stored(home: Path) -> int:
    store = open_store(home / "data-server")
    try:
        sql = "select count(*) as n from deliveries where delivery like 'rate-%'"
        return int(store.rows(sql)[0]["n"])
    finally:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--send", nargs=2)
    parser.add_argument("--bare", nargs=2)
    given = parser.parse_args()
    if given.send:
        asyncio.run(send(*given.send, given.rate, given.seconds))
    elif given.bare:
        asyncio.run(bare(int(given.bare[0]), Path(given.bare[1])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(Path(folder), given.rate, given.seconds))


if __name__ == "__main__":
    main()
