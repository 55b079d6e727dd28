"""Kills at random: `python -m tests.faults.kills [--kills N] [--shared] [--seed S]`.

Pull requests are opened and pushed to, while a process is killed (SIGKILL) again and again: the
server, a worker, a process that predicts or builds, a backend of the database. Who was killed is
started again, and what the forge could not deliver is delivered again. In the end every head has
one check run, and every pull request one comment, of its newest head: the table has what differs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.report.render import COMMENT_MARKER
from tests.databases import postgres
from tests.faults.many_workers import SPEC, Fleet

SECONDS = 0.3  # of a prediction, and of a build
SETTLING = 300.0
STAYING = 2.0  # seconds in which whatever was on its way would come
# In the text of a run whose process was killed twice (bot/engine/outcome.py).
GIVEN_UP = "It happened twice"


class Killing:
    """A fleet, its pull requests with all their heads, and the kills so far."""

    def __init__(self, fleet: Fleet, database: str, chance: random.Random) -> None:
        self.fleet = fleet
        self.kills: Counter[str] = Counter()
        self.heads: dict[int, list[str]] = {}
        self.pulls: list[Pull] = []
        self._database = database
        self._chance = chance
        self._roles = {"server": 2 if not database else 0}
        if database:
            self._roles |= {"worker-0": 2, "worker-1": 2}

    async def start(self) -> None:
        for name, predictions in self._roles.items():
            await self.fleet.start(name.partition("-")[0], name, predictions)

    async def change(self, number: int) -> None:
        """Open a pull request, or push to one."""
        repository = self.fleet.repository
        if self.pulls and self._chance.random() < 0.3:
            pull = self._chance.choice(self.pulls)
            text = {"nginx.spec": SPEC.format(f"again {number}")}
            await self.fleet.forge.push(repository, pull.head_branch, text, "Again", user="jonas")
        else:
            pull = await self.fleet.open_pull(number)
            self.pulls.append(pull)
        self.heads.setdefault(pull.number, []).append(pull.head_sha)

    async def kill(self) -> None:
        kinds = ["server", "computing"]
        if self._database:
            kinds += ["worker", "database"]
        kind = self._chance.choice(kinds)
        if kind in ("server", "worker"):
            name = self._chance.choice([n for n in self._roles if n.startswith(kind)])
            self.fleet.kill(name)
            await asyncio.sleep(self._chance.random() * 0.5)
            await self.fleet.start(kind, name, self._roles[name])
        else:
            victims = self._computing() if kind == "computing" else self._backends()
            if not victims:
                return
            with contextlib.suppress(psutil.NoSuchProcess):
                self._chance.choice(victims).send_signal(signal.SIGKILL)
        self.kills[kind] += 1

    def _computing(self) -> list[psutil.Process]:
        roots = [psutil.Process(process.pid) for process in self.fleet.processes.values()]
        return [child for root in roots for child in root.children(recursive=True)]

    def _backends(self) -> list[psutil.Process]:
        """The database's processes for its clients; the whole database starts again with one."""
        home = Path(parse_qs(urlsplit(self._database).query)["host"][0])
        try:
            main = psutil.Process(int((home / "data" / "postmaster.pid").read_text().split()[0]))
            return [one for one in main.children() if "[local]" in " ".join(one.cmdline())]
        except (OSError, psutil.NoSuchProcess):
            return []

    async def redeliver(self) -> None:
        """Send again, without end, the deliveries that nobody took, as GitHub does when asked."""
        forge, done = self.fleet.forge, set[str]()
        while True:
            await asyncio.sleep(0.5)
            done |= {one.id for one in forge.deliveries if one.status == 202}
            for delivery in [one for one in forge.deliveries if one.id not in done]:
                again = await forge.redeliver(self.fleet.app, delivery)
                done |= {again.id} if again.status == 202 else set()

    def problems(self) -> dict[str, int]:
        """The heads and pull requests that are not as they should be, by what is wrong."""
        state, wrong = self.fleet.forge.state, Counter[str]()
        wrong.update(dict.fromkeys(("missing", "doubled", "unfinished", "wrong"), 0))
        for pull in self.pulls:
            for head in self.heads[pull.number]:
                runs = state.runs_of(pull.repository, head)
                wrong["doubled"] += len(runs) > 1
                wrong["missing"] += not runs and head == pull.head_sha
                wrong["unfinished"] += any(run.status != "completed" for run in runs)
                if head == pull.head_sha and not self.given_up(head):
                    wrong["wrong"] += any(run.conclusion != "success" for run in runs)
            ours = [one for one in state.comments_of(pull) if COMMENT_MARKER in one.body]
            wrong["doubled"] += len(ours) > 1
            if self.given_up(pull.head_sha):
                continue
            wrong["missing"] += not ours
            wrong["wrong"] += any(pull.head_sha[:7] not in one.body for one in ours)
        return dict(wrong)

    def given_up(self, head: str) -> bool:
        """Return whether its run ended in words because its process was killed twice."""
        runs = self.fleet.forge.state.runs_of(self.fleet.repository, head)
        return any(GIVEN_UP in str(run.fields.get("output")) for run in runs)

    def unfinished(self) -> list[str]:
        """Return each head whose status is not concluded, with the status."""
        runs_of = self.fleet.forge.state.runs_of
        return [
            f"#{pull.number} {head[:12]}{'' if head == pull.head_sha else ' (not the newest)'}:"
            f" {run.status}, {run.fields.get('output')}"
            for pull in self.pulls
            for head in self.heads[pull.number]
            for run in runs_of(pull.repository, head)
            if run.status != "completed"
        ]

    def report(self, kind: str, settled: float) -> None:
        """Print the table."""
        heads = [head for all_ in self.heads.values() for head in all_]
        words = sum(map(self.given_up, heads))
        print(f"{kind}: {len(self.pulls)} pull requests, {len(heads)} heads")
        print("  kills: " + ", ".join(f"{what} {n}" for what, n in sorted(self.kills.items())))
        print(f"  right {settled:.0f} s after the last kill; ended in words {words}")
        print("  " + ", ".join(f"{what} {n}" for what, n in self.problems().items()), flush=True)
        for line in self.unfinished():
            print(f"  {line}", flush=True)

    async def settle(self) -> float:
        """Wait until all is as it should be and stays so, for some minutes at most; return the
        seconds until it was."""
        since = right = time.monotonic()
        while time.monotonic() < min(right + STAYING, since + SETTLING):
            await asyncio.sleep(0.2)
            if any(self.problems().values()):
                right = time.monotonic()
        return right - since


@asynccontextmanager
async def killing(home: Path, *, shared: bool, seed: int) -> AsyncIterator[Killing]:
    """A server on SQLite, or (`shared`) one with two workers on Postgres, in `home`."""
    async with AsyncExitStack() as stack:
        database = stack.enter_context(postgres()) if shared else ""
        forge = await stack.enter_async_context(LocalForge(home / "forge"))
        fleet = Fleet(home, database, forge, SECONDS)
        stack.callback(fleet.close)
        fleet.builds = 1
        made = Killing(fleet, database, random.Random(seed))
        await made.start()
        yield made


async def run(
    home: Path, kills: int, *, shared: bool, seed: int, seconds: float, pause: float = 1.0
) -> Killing:
    """Kill so many times within `seconds`, with a change before each; then let it settle, and
    print the table."""
    until = time.monotonic() + seconds
    async with killing(home, shared=shared, seed=seed) as made:
        redelivering = asyncio.create_task(made.redeliver())
        number = 0
        while sum(made.kills.values()) < kills and time.monotonic() < until:
            number += 1
            await made.change(number)
            await asyncio.sleep(pause)
            await made.kill()
        settled = await made.settle()
        redelivering.cancel()
        made.report("shared" if shared else "embedded", settled)
        if any(made.problems().values()):
            logs = [f"== {p.name}\n{p.read_text()[-20000:]}" for p in home.glob("*.log")]
            print("\n".join(logs), file=sys.stderr)
        return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--shared", action="store_true", help="Postgres and two workers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0, help="of killing, at most")
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="kills") as folder:
        home = Path(folder)
        more = {"shared": given.shared, "seed": given.seed, "seconds": 60 * given.minutes}
        made = asyncio.run(run(home, given.kills, **more))
    sys.exit(any(made.problems().values()))


if __name__ == "__main__":
    main()
