"""Hostile changes against a real server: `python -m tests.faults.hostile_changes [--at-once N]`.

A server of its own process, a forge and a tiny distribution, all on this machine. Prints for each
change by how much the server's memory grew (VmHWM over VmRSS before), the slowest answer of
`/health/live` meanwhile, the seconds and the conclusion; then the seconds of an innocent check
alone, and while N hostile changes run. The exit code is 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Repository
from bot.demo.run.setup import free_port
from tests.check.tiny import TOOL, documented, make_repositories, workload
from tests.engine.two_processes import forge_settings
from tests.faults.webhook_bodies import answers, memory
from tests.spec.test_hostile_specs import FORGER

MEBIBYTE = 1024 * 1024
MOST_MEMORY, MOST_SECONDS, MOST_SLOWER = 64 * MEBIBYTE, 1.0, 2.0
_LONGEST = 600.0  # seconds that any check may take

Files = dict[str, str]


def _spec(more: str) -> Files:
    """The tool's spec file with other lines before its description."""
    return {"tool.spec": TOOL.replace("%description\n", f"{more}\n%description\n", 1)}


def _lua(lines: str, count: int) -> Files:
    return _spec(f"%{{lua: for n = 1, {count} do print({lines}) end}}")


CHANGES: dict[str, Files] = {
    "64 MiB of JSON for an answer": {
        **_spec("%(/usr/bin/python3 ./forger.py 65536)"),
        "forger.py": FORGER,
        "forged.json": "[[], " + "[]," * 341 + "[]]",
    },
    "an answer of lists in lists": {
        **_spec("%(/usr/bin/python3 ./forger.py 1)"),
        "forger.py": FORGER,
        "forged.json": "[" * 500_000,
    },
    "all memory": _spec("%{lua: t = {} while true do t[#t+1] = string.rep('x', 2^20)..#t end}"),
    "memory of a child": _spec("%(head -c 3G /dev/zero | tail)"),
    "no end": _spec("%(while :; do :; done)"),
    "no end in silence": _spec("%(trap '' TERM HUP; setsid sleep 1000 & sleep 1000)"),
    "processes without end": _spec("%(bash -c 'b() { b | b & }; b; sleep 60')"),
    "messages without end": _spec("%(yes >&2)"),
    "files without end": _spec("%(for n in 1 2 3 4; do cat /dev/zero > /tmp/f$n; done)"),
    "19,000 requirements": _lua("'Requires: x' .. n .. '\\n'", 19_000),
    "300,000 requirements": _lua("'Requires: x' .. n .. '\\n'", 300_000),
    "1,000 packages": _spec("")
    | {
        "tool.spec": TOOL
        + "%{lua: for n = 1, 1000 do print('%package p' .. n .. '\\nSummary: s\\n%description p'"
        " .. n .. '\\n%files p' .. n .. '\\n') end}\n"
    },
    "a spec file of 1.9 MB": _spec("# " + "x" * 70 + "\n" + f"# {'y' * 70}\n" * 26_000),
    "a spec file of 20 MB": _spec(f"# {'y' * 70}\n" * 280_000),
    "macros that double": _spec(
        "%global a0 x\n"
        + "".join(f"%global a{n + 1} %{{a{n}}}%{{a{n}}}\n" for n in range(29))
        + "Provides: %{a29}"
    ),
    "brackets in brackets": _spec(f"Requires: {'(a if ' * 3000}b{')' * 3000}"),
    "YAML that refers to itself": {
        "tool.spec": TOOL.replace("Summary: t", "Summary: u"),
        ".minimize.yaml": "a0: &a0 [x, x]\n"
        + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
    },
    "99 spec files": {
        f"s{n}/tool{n}.spec": TOOL.replace("Name: tool", f"Name: t{n}") for n in range(99)
    },
    "3,000 files": {"tool.spec": TOOL.replace("Summary: t", "Summary: u")}
    | {f"files/{n}": "x" * 1000 for n in range(3000)},
    "a list of sources of 30 MB": {
        "tool.spec": TOOL.replace("Summary: t", "Summary: u"),
        "sources": f"SHA512 (a) = {'0f' * 64}\n" * 210_000,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """One change: bytes that the server grew by, seconds of the slowest answer and of the check."""

    grown: int
    slowest: float
    seconds: float
    conclusion: str

    @property
    def within(self) -> bool:
        return self.grown < MOST_MEMORY and self.slowest < MOST_SECONDS


class World:
    """The forge, the server and its repositories; each pull request is of another stranger."""

    def __init__(self, local: LocalForge, server: int, url: str) -> None:
        self.local, self.server, self.url = local, server, url
        self._opened = 0

    async def open(self, repository: Repository, files: Files, user: str = "") -> str:
        """The head commit of a new pull request, of a stranger from a fork where none is named."""
        self._opened += 1
        branch = f"topic-{self._opened}"
        if user:
            repository.git.commit(branch, files, "Change", start="main")
            pull = await self.local.open_pull(repository, branch, user=user, title="t")
            return pull.head_sha
        author = f"stranger{self._opened}"
        fork = self.local.add_repository(
            f"{author}/{repository.name}", parent=repository, owner_kind="User"
        )
        fork.git.commit(branch, files, "Change", start="main")
        pull = await self.local.open_pull(
            repository, branch, user=author, title="t", head_repository=fork
        )
        return pull.head_sha

    async def conclusion(self, head: str) -> str:
        """The conclusion of the check run of a commit, once it has one."""
        async with asyncio.timeout(_LONGEST):
            while True:
                for run in self.local.state.check_runs:
                    if run.head_sha == head and run.conclusion:
                        return str(run.conclusion)
                await asyncio.sleep(0.02)

    async def timed(
        self, repository: Repository, files: Files, user: str = ""
    ) -> tuple[float, str]:
        """Seconds from a pull request to its conclusion, and that."""
        started = time.monotonic()
        found = await self.conclusion(await self.open(repository, files, user))
        return time.monotonic() - started, found

    async def measured(self, repository: Repository, files: Files) -> Measured:
        """One change alone."""
        before = memory(self.server, "VmRSS")
        Path(f"/proc/{self.server}/clear_refs").write_text("5")
        with Watch(self.url) as watch:
            seconds, found = await self.timed(repository, files)
        return Measured(memory(self.server, "VmHWM") - before, watch.slowest, seconds, found)


class Watch:
    """A thread that checks ten times a second that the server responds: the event loop is busy."""

    def __init__(self, url: str) -> None:
        self.slowest = 0.0
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.1):
            started = time.monotonic()
            with urllib.request.urlopen(f"{self._url}/health/live", timeout=60) as answer:
                answer.read()
            self.slowest = max(self.slowest, time.monotonic() - started)


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[tuple[World, Repository, Repository]]:
    """A running server, the repository that strangers change, and another one."""
    make_repositories(home / "distribution")
    documented(home, home / "distribution", web=workload("tool"))
    async with LocalForge(home / "forge") as local:
        repositories = []
        for name in ("tool", "quiet"):
            repository = local.add_repository(f"rpms/{name}")
            repository.git.commit("main", {"tool.spec": TOOL, "data.txt": "data\n"}, "Start")
            local.set_role(repository, "maria", "write")
            repositories.append(repository)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = {
            "listen": {"port": port},
            "public_url": url,
            "forges": {"github": forge_settings(local, "github", home, f"{url}/webhook/github")},
            "repositories": [{"match": "*", "documents": ["repo"]}],
            "build": {"enabled": False},
        }
        (home / "bot.yaml").write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "bot", "serve", "--settings", str(home / "bot.yaml")]
        with (home / "log").open("wb") as log:
            server = await asyncio.create_subprocess_exec(
                *command,
                stdout=log,
                stderr=log,
                env=os.environ | {"MINIMIZE_CACHE": str(home / "c")},
            )
        made = World(local, server.pid, url)
        try:
            try:
                await answers(f"{url}/health/ready")
            except TimeoutError:
                raise AssertionError((home / "log").read_text()) from None
            # Caches, compute processes and modules are there: what follows is the changes' own.
            for _ in range(3):
                await made.timed(repositories[1], TOOL_WITH_PERL, "maria")
            yield made, repositories[0], repositories[1]
        finally:
            server.send_signal(signal.SIGTERM)
            await server.wait()


TOOL_WITH_PERL = _spec("Requires: perl")


async def one_by_one(home: Path, names: Sequence[str]) -> bool:
    """Print a line for each change; return whether all were within the limits."""
    good = True
    print(f"{'change':32} {'server grew':>11} {'live within':>11} {'check':>8}  conclusion")
    async with world(home) as (made, changed, _):
        for name in names:
            found = await made.measured(changed, CHANGES[name])
            good = good and found.within
            mark = "" if found.within else "  TOO MUCH"
            print(
                f"{name:32} {found.grown / MEBIBYTE:7.1f} MiB {found.slowest:9.2f} s"
                f" {found.seconds:6.1f} s  {found.conclusion}{mark}",
                flush=True,
            )
    return good


async def at_once(home: Path, count: int, times: int = 3) -> bool:
    """Print how long an innocent check takes alone and beside hostile ones; return whether well."""
    async with world(home) as (made, changed, quiet):
        alone = [(await made.timed(quiet, TOOL_WITH_PERL, "maria"))[0] for _ in range(times)]
        beside = []
        for first in range(times):
            names = [*CHANGES][first : first + count]
            heads = [await made.open(changed, CHANGES[name]) for name in names]
            await asyncio.sleep(1.0)
            beside.append((await made.timed(quiet, TOOL_WITH_PERL, "maria"))[0])
            await asyncio.gather(*(made.conclusion(head) for head in heads))
    one, other = statistics.median(alone), statistics.median(beside)
    print(
        f"an innocent check: alone {one:.2f} s (of {times}: {_span(alone)}), beside {count} hostile"
        f" ones {other:.2f} s (of {times}: {_span(beside)}): {other / one:.2f} times"
    )
    return other <= MOST_SLOWER * one


def _span(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"


def main(words: Sequence[str] | None = None) -> int:
    """Measure as the command line says; return the exit code."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("changes", nargs="*", choices=[[], *CHANGES], metavar="CHANGE")
    reader.add_argument("--at-once", type=int, help="only this part, with so many changes")
    given = reader.parse_args(words)
    with tempfile.TemporaryDirectory() as home:
        if given.at_once:
            return 0 if asyncio.run(at_once(Path(home), given.at_once)) else 1
        return 0 if asyncio.run(one_by_one(Path(home), given.changes or [*CHANGES])) else 1


if __name__ == "__main__":
    sys.exit(main())
