"""A backlog on the embedded engine: `python -m tests.faults.backlog [--pulls N]`.

So many deliveries are in the store when the bot starts. Each pull request is fetched, predicted and
built in compute processes, by a checker whose answers are made up, and commented on a forge of this
process. Prints how far it is and the memory (PSS) of this process and of all, then whether each
pull request has its one comment and its last status.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from bot.engine.processes import Processes
from bot.forge.values import Comment, PullRequest, PullRequestEvent, PullRequestKey, StatusReport
from bot.store.records import NewDelivery
from bot.web.serve import give_back_memory
from tests.engine.conftest import Bot, FakeChecker, FakeForge, Repository

SPEC = "Name: nginx\nRequires: perl\n# {}\n"
REPOSITORIES = 10
AUTHORS = 20  # each has so many checks an hour


@dataclass
class ManyPulls(FakeForge):
    """A forge on which each number is an open pull request; it keeps counts alone."""

    commented: Counter[PullRequestKey] = field(default_factory=Counter)
    last: dict[str, str] = field(default_factory=dict)
    heads: dict[int, str] = field(default_factory=dict)

    def event(self, event: str, body: bytes) -> Any:
        data = json.loads(body)
        return PullRequestEvent(_key(data["number"]), "check", data["head"], "opened", "", "")

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        author = f"ann{key.number % AUTHORS}"
        return replace(self.pull, key=key, author=author, head_sha=self.heads[key.number])

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        return Comment("1", "u", "") if self.commented[key] else None

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        self.commented[key] = 1
        return Comment("1", "u", body)

    async def put_suggestions(self, key: PullRequestKey, sha: str, suggestions: Any) -> None:
        """No check here suggests anything."""

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        self.last[sha] = report.state


def _key(number: int) -> PullRequestKey:
    return PullRequestKey("gh", f"o/r{number % REPOSITORIES}", number)


@dataclass(frozen=True)
class Drained:
    """The end of a backlog: seconds, MB of this process at a tenth and at the end, and errors."""

    seconds: float
    early: float
    late: float
    errors: int
    wrong: int


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        print("error:", self.format(record), flush=True)


async def drain(
    home: Path, pulls: int, after: Callable[[Bot], Awaitable[None]] | None = None
) -> Drained:
    """Start on so many deliveries, and wait until nothing is open; then call `after`."""
    slots = {"predictions": 2, "builds": 1}
    computing: Any = Processes(FakeChecker, slots, memory=10**10)
    bot = Bot(home, computing, forge=ManyPulls, predictions=2, builds=1)
    forge: Any = bot.forge
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    logging.getLogger("dbos").addHandler(errors)
    forge.heads = _commits(bot.repository, pulls)
    deliveries = [
        NewDelivery(
            "gh", "pull_request", f"guid-{n}", json.dumps({"number": n, "head": head}).encode()
        )
        for n, head in forge.heads.items()
    ]
    bot.store.add_deliveries(deliveries)
    own, started, early = psutil.Process(), time.monotonic(), 0.0
    await bot.engine.launch()
    loops = [asyncio.create_task(one.run()) for one in (bot.dispatcher, bot.collector)]
    shown = -1
    try:
        while (done := _concluded(bot)) < pulls or bot.store.open_checks():
            if done * 10 // pulls > shown:
                shown = done * 10 // pulls
                _tidy()
                mine = own.memory_full_info().pss / 1e6
                early = mine if shown == 1 else early
                print(
                    f"{time.monotonic() - started:>7.0f} {done:>6} {mine:>8.0f} {_all(own):>8.0f}",
                    flush=True,
                )
            await asyncio.sleep(0.5)
        if after is not None:
            await after(bot)
        _tidy()
        late = own.memory_full_info().pss / 1e6
        wrong = sum(
            forge.commented[_key(n)] != 1 or forge.last.get(forge.heads[n]) != "success"
            for n in range(1, pulls + 1)
        )
        return Drained(time.monotonic() - started, early, late, errors.count, wrong)
    finally:
        for loop in loops:
            loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop
        await bot.close()


def _tidy() -> None:
    """Give back what is free, as the bot does each minute."""
    gc.collect()
    give_back_memory()


def _commits(repository: Repository, count: int) -> dict[int, str]:
    """The heads of so many branches, each with a commit of its own."""
    stream = ""
    for number in range(1, count + 1):
        text = SPEC.format(number)
        stream += (
            f"commit refs/heads/p{number}\nmark :{number}\n"
            "committer A <a@example.org> 1700000000 +0000\ndata 1\nc\n"
            f"from refs/heads/main^0\nM 644 inline nginx/nginx.spec\ndata {len(text)}\n{text}\n"
        )
    marks = repository.path / "marks"
    command = ["git", "fast-import", "--quiet", f"--export-marks={marks}"]
    subprocess.run(command, input=stream.encode(), cwd=repository.path, check=True)
    found = (line.split() for line in marks.read_text().splitlines())
    return {int(mark[1:]): sha for mark, sha in found}


def _concluded(bot: Bot) -> int:
    return sum(state not in ("pending",) for state in bot.forge.last.values())


def _all(own: psutil.Process) -> float:
    total = 0.0
    for one in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss / 1e6
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulls", type=int, default=1000)
    given = parser.parse_args()
    print("seconds   done  own, MB  all, MB")
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(drain(Path(folder), given.pulls))
    print(
        f"{given.pulls} drained in {seen.seconds:.0f} s: {seen.early:.0f} MB at a tenth,"
        f" {seen.late:.0f} MB at the end; {seen.errors} errors, {seen.wrong} wrong"
    )


if __name__ == "__main__":
    main()
