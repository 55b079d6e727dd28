"""`minimize demo --workers`: one change built on two architectures, by two workers on one Postgres.

The server builds for this machine's architecture. A second worker, with a cache and a network of
its own, builds for another under emulation. The change links a library on that architecture alone,
without a line in its spec file: neither a prediction nor a build for another architecture sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from bot.demo.distribution.build import build_reference_distribution, progress
from bot.demo.distribution.buildroots import with_buildroot
from bot.demo.distribution.reference import ReferenceDistribution, crcsum_repository_files
from bot.demo.forge.server import LocalForge
from bot.demo.run.apart import can_isolate_network, forwarded_socket, isolated_command
from bot.demo.run.demo import (
    check_result,
    end_on_sigterm,
    failures,
    run_and_clear,
    show_log,
)
from bot.demo.run.postgres import postgres
from bot.demo.run.setup import (
    OWNER,
    BotPlaces,
    BotProcess,
    DemoSetup,
    EngineSettings,
    begin_updates,
    free_port,
    github_settings,
    minimize_command,
    serve_command,
    set_stage,
    write_settings,
)
from bot.demo.run.watch import (
    Json,
    Observations,
    Watch,
    added_names,
    comment_panel,
    timeline_line,
)
from bot.demo.time_limit import TimeLimit
from bot.errors import SurroundingsError
from bot.sandbox.emulation import native_architecture, registration, why_not_run
from bot.sandbox.remedies import install_remedy

FOREIGN, NATIVE = "aarch64", "x86_64"
WORKLOAD = "@self"
_LINKED = "zlib1g"  # by the build for one architecture, and by no line
_REQUIRED = "gawk"  # by a line
_EDITS = 3  # predicted, built here, built there
_READY_SECONDS = 180.0


def play_workers(seconds: float, cache: Path, console: Console) -> int:
    """Run the demo of workers once and show it; see `run_demo`. SurroundingsError, with the remedy,
    if this machine has no emulator for the other architecture, or no Postgres."""
    with TimeLimit(seconds, "the demo") as limit, emulated(FOREIGN), postgres() as database:
        with progress() as bars:
            distribution = build_reference_distribution(cache, bars)
            distribution = with_buildroot(distribution, cache, FOREIGN, bars)
        home = Path(tempfile.mkdtemp(prefix="minimize-demo-"))
        limit.on_end = lambda: show_log(home)
        return run_and_clear(_play(distribution, cache, home, database, console), home, console)


async def _play(
    distribution: ReferenceDistribution, cache: Path, home: Path, database: str, console: Console
) -> int:
    end_on_sigterm()
    started = time.monotonic()
    async with running_bots(distribution, cache, home, database, console) as (stage, watch, bot):
        pull, delivery = await stage.open_pull()
        console.print(f'{pull.user.login} opens "{pull.title}"', markup=False)

        def line(second: float, text: str) -> None:
            timeline_line(console, second, text)

        async with failures(bot, console) as errors:
            observations = await watch.until_done(pull, delivery.at, bot, line, texts=_EDITS)
            await stage.forge.settled()
            result = await check_result(bot.places.url, observations)
            _show(console, observations, result)
            errors.extend(_problems(observations, result))
        console.print(f"The whole took {time.monotonic() - started:.1f} s.")
        return 1 if errors else 0


@asynccontextmanager
async def running_bots(
    distribution: ReferenceDistribution,
    cache: Path,
    home: Path,
    database: str,
    console: Console,
    *,
    emulating: bool = True,
) -> AsyncIterator[tuple[DemoSetup, Watch, BotProcess]]:
    """Run a server with a local forge and, if `emulating`, the second worker, for a block."""
    config = begin_updates(distribution, home).config
    places = BotPlaces(home, config, cache, free_port())
    async with LocalForge(home / "forge") as forge:
        files = crcsum_repository_files()
        stage = set_stage(forge, files, places.url)
        assert stage.app is not None
        settings = github_settings(places.home, forge, stage.app)
        write_settings(places, settings, f"{OWNER}/{files.name}", engine=_engine(home, database))
        watch = Watch(forge)
        async with BotProcess(places, serve_command(places)) as bot:
            await bot.ready()
            async with contextlib.AsyncExitStack() as stack:
                if emulating:
                    worker = await stack.enter_async_context(_worker(places, forge.port))
                    console.print(await _start_message(worker), markup=False, soft_wrap=True)
                yield stage, watch, bot


def _engine(home: Path, database: str) -> EngineSettings:
    secret = home / "database-url"
    secret.touch(mode=0o600)
    secret.write_text(database)
    return {"database": {"file": str(secret)}}


@asynccontextmanager
async def _worker(server: BotPlaces, forge: int) -> AsyncIterator[BotProcess]:
    """Run a worker on the server's engine, for the other architecture, as on another machine."""
    home = server.home / "worker"
    home.mkdir()
    settings = yaml.safe_load(server.settings.read_text())
    settings["engine"] |= {"predictions": 0, "builds": 1, "executor_id": "worker-emulating"}
    settings["build"] = {"emulated": [FOREIGN]}
    # Beside the server's settings: the paths of secrets are relative to it.
    file = server.home / "worker.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    places = BotPlaces(home, server.config, server.cache / "demo-worker", 0)
    command = [
        *minimize_command(), "worker", "--settings", str(file), "--arch", FOREIGN,
        "--config", str(places.config), "--data", str(places.data), "--cache", str(places.cache),
    ]  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        if can_isolate_network():
            place = home / "forge.socket"
            await stack.enter_async_context(forwarded_socket(forge, place))
            command = isolated_command(forge, place, command)
        yield await stack.enter_async_context(BotProcess(places, command))


async def _start_message(worker: BotProcess) -> str:
    """The worker's message that it works, once it does."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                worker.check()
                text = worker.places.log.read_text(errors="replace")
                if (match := re.search("^minimize works as .*$", text, re.MULTILINE)) is not None:
                    network = (
                        "of its own" if can_isolate_network() else "this machine's: it is not root"
                    )
                    return f"{match[0]}; its network is {network}"
                await asyncio.sleep(0.05)
    raise SurroundingsError("The second worker did not start.", worker.tail())


def _show(console: Console, observations: Observations, result: Json) -> None:
    for second, text in observations.texts:
        console.print(comment_panel(f"The comment after {second:.1f} s", text))
    table = Table(title="What the change adds to the image", title_justify="left")
    for name in ("architecture", "evidence", "built", "packages"):
        table.add_column(name)
    for image in result["images"]:
        if image["workload"] == WORKLOAD:
            arch = image["arch"]
            added = ", ".join(sorted(added_names(result, arch, WORKLOAD)))
            table.add_row(arch, image["evidence"], _built(result, arch), added)
    console.print(table)


def _built(result: Json, arch: str) -> str:
    """A sentence on the build of an architecture's head."""
    for build in result["builds"]:
        if build["arch"] == arch and build["side"] == "head":
            how = "emulated" if build["emulated"] else "native"
            return f"{how}, {build['outcome']}, {build['seconds']:.1f} s"
    return ""


def _problems(observations: Observations, result: Json) -> list[str]:
    """The errors, a sentence each."""
    problems = []
    if len(observations.texts) != _EDITS:
        problems.append(f"The comment had {len(observations.texts)} texts; {_EDITS} were expected.")
    if any(_LINKED in text for _, text in observations.texts[:-1]):
        problems.append(f"The comment named {_LINKED} before the build that links it.")
    if observations.conclusion != "success":
        problems.append(f"The status has the conclusion {observations.conclusion}.")
    for arch, expected in ((NATIVE, False), (FOREIGN, True)):
        names = added_names(result, arch, WORKLOAD)
        if _REQUIRED not in names or (_LINKED in names) != expected:
            problems.append(f"The image for {arch} gains {', '.join(sorted(names)) or 'nothing'}.")
    evidence = {i["arch"]: i["evidence"] for i in result["images"] if i["workload"] == WORKLOAD}
    if {evidence.get(NATIVE), evidence.get(FOREIGN)} != {"rebuilt"}:
        problems.append(f"The evidence is {evidence}.")
    return problems


_BINFMT = Path("/proc/sys/fs/binfmt_misc")


@contextmanager
def emulated(arch: str) -> Iterator[None]:
    """Let programs of `arch` run in the sandbox here, at least for a block.

    SurroundingsError, with the remedy, if that is not possible.
    """
    if arch == native_architecture() or why_not_run(arch) is None:
        yield
        return
    missing = why_not_run(arch)
    assert missing is not None
    if os.geteuid() != 0:
        raise missing
    name = f"minimize-{os.getpid()}-{arch}"
    _register(registration(arch, name, _interpreter(arch)))
    why_not_run.cache_clear()
    try:
        if (failure := why_not_run(arch)) is not None:
            raise failure
        yield
    finally:
        (_BINFMT / name).write_text("-1")
        why_not_run.cache_clear()


def _interpreter(arch: str) -> Path:
    """The path of a static qemu-user: a buildroot has none of this machine's libraries."""
    for name in (f"qemu-{arch}-static", f"qemu-{arch}"):
        if (path := shutil.which(name)) is not None:
            return Path(path)
    raise SurroundingsError(
        f"qemu-{arch} is not installed, so nothing can be built for {arch} here.",
        install_remedy("qemu-user-static", "qemu-user-static"),
    )


def _register(line: str) -> None:
    try:
        if not (_BINFMT / "register").exists():
            mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)]
            subprocess.run(mount, capture_output=True, check=True)
        (_BINFMT / "register").write_text(line)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SurroundingsError(
            f"The emulator cannot be registered with binfmt_misc: {error}.",
            "In a container, register it on its host.",
        ) from error
