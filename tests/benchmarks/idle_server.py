"""The cost of an idle server: `python -m tests.benchmarks.idle_server [--minutes M] [--postgres]`.

Starts `minimize serve` on a forge of this machine, has it check one pull request, and waits. Prints
a row for each minute: share of a core over that minute and proportional memory (PSS), summed over
the server and every process it started.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from bot.demo.forge.server import LocalForge
from bot.demo.run.setup import free_port, github_settings

SPEC = "Name: nginx\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\nd\n"
HEADER = f"{'minute':>6} {'processes':>9} {'core %':>7} {'PSS MB':>7}  {'of each, MB'}"


def family(root: psutil.Process) -> list[psutil.Process]:
    """A process and all that it started, and they."""
    return [root, *root.children(recursive=True)]


def seconds_used(processes: list[psutil.Process]) -> float:
    """Seconds of a core that the processes and their ended children have used."""
    return sum(sum(one.cpu_times()[:4]) for one in processes)


def megabytes(process: psutil.Process) -> float:
    return process.memory_full_info().pss / 1e6


def as_installed(home: Path) -> dict[str, str]:
    """The environment of a server without numpy: sqlite-utils loads it where it is (12 MB), and
    only a tool of the tests brings it."""
    (home / "absent").mkdir()
    (home / "absent" / "numpy.py").write_text("raise ModuleNotFoundError('numpy')\n")
    return {**os.environ, "PYTHONPATH": str(home / "absent")}


async def run(minutes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with LocalForge(home / "forge") as forge:
            repository = forge.add_repository("rpms/nginx")
            repository.git.commit("main", {"nginx/nginx.spec": SPEC}, "Start")
            port = free_port()
            app = forge.add_app("minimize", hook_url=f"http://127.0.0.1:{port}/webhook/github")
            forge.install(app, "rpms")
            (home / "config").mkdir()
            forges = {"github": github_settings(home, forge, app)}
            settings = {"listen": {"port": port}, "forges": forges}
            (home / "bot.yaml").write_text(yaml.safe_dump(settings))
            with (home / "log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", "from bot.cli import main; main()", "serve",
                    "--settings", str(home / "bot.yaml"), stdout=log, stderr=log,
                    env=as_installed(home),
                )  # fmt: skip
            try:
                while "serves on" not in (home / "log").read_text():
                    assert process.returncode is None, (home / "log").read_text()
                    await asyncio.sleep(0.1)
                words = {"nginx/nginx.spec": f"{SPEC}# again\n"}
                repository.git.commit("topic", words, "Change", start="main")
                await forge.open_pull(repository, "topic", user="alice", title="Change")
                head = repository.git.resolve("topic")
                while not any(
                    one.status == "completed" for one in forge.state.runs_of(repository, head)
                ):
                    await asyncio.sleep(0.1)
                await report(psutil.Process(process.pid), minutes)
            finally:
                process.terminate()
                await process.wait()


async def report(server: psutil.Process, minutes: int) -> None:
    print(HEADER, flush=True)
    for minute in range(1, minutes + 1):
        before, since = seconds_used(family(server)), time.monotonic()
        await asyncio.sleep(60)
        now = family(server)
        share = 100 * (seconds_used(now) - before) / (time.monotonic() - since)
        each = [megabytes(one) for one in now]
        listed = " ".join(f"{one:.0f}" for one in each)
        print(f"{minute:>6} {len(now):>9} {share:>7.2f} {sum(each):>7.0f}  {listed}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=11)
    asyncio.run(run(parser.parse_args().minutes))


if __name__ == "__main__":
    main()
