"""The ten commands of deploy/README.md, as they stand there: from an empty system to a comment.
Then those of an upgrade, a backup and its restoring.

In a root that debootstrap has just made (`MINIMIZE_BOOTSTRAP=trixie`, some ten minutes), all of
them; in the suite those that install nothing, in folders of the test's. What a person does there,
the test does: it answers `minimize setup`, edits the settings, and starts the program of the unit,
as its user, where no systemd runs. `MINIMIZE_UPGRADE_FROM` names the commit that is installed
before the upgrade; by default this checkout's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar

import click
import pytest
import yaml

from bot.cli import cli
from bot.demo.forge.server import LocalForge
from bot.sandbox.run import sandbox_available
from tests.check.tiny import TOOL, documented, make_repositories, workload
from tests.forges import BOT, api_url

HOME = Path(__file__).parents[2]
README = HOME / "deploy/README.md"
UNIT = HOME / "deploy/systemd/minimize.service"
CLONE = "https://github.com/OWNER/minimize"
BOOTSTRAP = os.environ.get("MINIMIZE_BOOTSTRAP", "")
OLDER = os.environ.get("MINIMIZE_UPGRADE_FROM", "HEAD")
READY = "curl --fail http://127.0.0.1:8080/health/ready"


def commands(title: str = "## Ten commands") -> list[str]:
    """The commands of a section's first block, without their remarks."""
    block = re.search(rf"^{title}\n.*?^```sh\n(.*?)^```", README.read_text(), re.M | re.S)
    assert block is not None
    lines = (re.sub(r"(^|\s+)#.*", "", line) for line in block[1].splitlines())
    return [line for line in lines if line]


def upkeep() -> list[str]:
    """The commands of an upgrade, a backup and its restoring."""
    return commands("### Upgrade, backup, restore")


def start_command() -> str:
    """What the unit of the server runs."""
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    return line.partition("=")[2]


class Here:
    """This machine: the paths of an installed bot stand for folders of the test's."""

    more: ClassVar[dict[str, object]] = {}

    def __init__(self, top: Path, port: int) -> None:
        self.top, self.port = top, port
        self.settings = top / "etc/minimize"
        shutil.copytree(HOME / "config", self.settings / "documents")
        (self.settings / "documents/bot.yaml").unlink()
        program = top / "bin/minimize"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bot "$@"\n')
        program.chmod(0o755)

    def words(self, command: str) -> list[str]:
        """The command with our paths; it is ours, not the user minimize's, that runs it."""
        for place in ("/var/lib/minimize", "/backup"):
            command = command.replace(f" {place}", f" {self.top}{place}")
        command = command.replace(" -o minimize -g minimize ", " ")
        command = command.replace("/etc/minimize", str(self.settings))
        command = command.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        return ["bash", "-c", command.removeprefix("runuser -u minimize -- ")]

    def environment(self) -> dict[str, str]:
        path = f"{self.top / 'bin'}:{os.environ['PATH']}"
        return os.environ | {"PATH": path, "PYTHONPATH": str(HOME)}

    def run(self, command: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(command), input=answers, env=self.environment(), cwd=self.top,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def start(self, command: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            return subprocess.Popen(
                self.words(f"exec {command}"), env=self.environment(), cwd=self.top,
                stdout=file, stderr=file,
            )  # fmt: skip

    def folders(self) -> tuple[str, str]:
        """Those of data and of caches, as `setup` is answered."""
        return str(self.top / "var/lib/minimize"), str(self.top / "cache")

    def publish(self, commit: str) -> None:
        """Have a commit of this checkout be the one that is cloned and pulled."""


class Root(Here):
    """A root of its own, with this machine's network, in namespaces that end with their command."""

    # Without systemd nobody delegates a control group to the user minimize.
    more: ClassVar[dict[str, object]] = {
        "sandbox": {"without_memory_limit": "run strangers' code anyway"}
    }

    def __init__(self, root: Path, port: int) -> None:
        assert port == 8080  # the commands name it
        self.top, self.port = root, port
        self.settings = root / "etc/minimize"
        # What GitHub would be asked for is this checkout's commit.
        for source in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(source, root / source[1:])
        (root / "etc/gitconfig").write_text(f'[url "/srv/minimize"]\n\tinsteadOf = {CLONE}\n'
                                            "[safe]\n\tdirectory = *\n")  # fmt: skip
        subprocess.run(["git", "init", "--quiet", "--bare", str(root / "srv/minimize")], check=True)
        # Whatever a registry's certificate is signed by here; the root has authorities of its own.
        if (trusted := Path("/etc/ssl/certs/ca-certificates.crt")).exists():
            shutil.copy(trusted, root / "srv/authorities.pem")
        if (configured := Path("/etc/pip.conf")).exists():
            shutil.copy(configured, root / "etc/pip.conf")

    def words(self, command: str) -> list[str]:
        root = shlex.quote(str(self.top))
        # As in a container, / is a mount: who is in a chroot may make no user namespace.
        mounts = f"mount --bind {root} {root}; mount -t proc p {root}/proc; "
        mounts += f"for d in dev sys; do mount --rbind /$d {root}/$d; done"
        inside = f"umount -l /mnt && cd / && {command}"
        return [
            "unshare", "--mount", "--pid", "--fork", "--kill-child",
            "bash", "-c", f"set -e; {mounts}; cd {root}; pivot_root . mnt;"
            f" exec chroot . bash -c {shlex.quote(inside)}",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        kept = {name: os.environ[name] for name in ("PIP_INDEX_URL",) if name in os.environ}
        if (self.top / "srv/authorities.pem").exists():
            kept["PIP_CERT"] = "/srv/authorities.pem"
        return kept | {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb",
                       "DEBIAN_FRONTEND": "noninteractive"}  # fmt: skip

    def start(self, command: str, log: Path) -> subprocess.Popen[bytes]:
        return super().start(f"runuser -u minimize -- {command}", log)

    def folders(self) -> tuple[str, str]:
        return "/var/lib/minimize", "/var/cache/minimize"

    def publish(self, commit: str) -> None:
        branch = subprocess.run(
            ["git", "symbolic-ref", "HEAD"], cwd=self.top / "srv/minimize",
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        target = str(self.top / "srv/minimize")
        command = ["git", "push", "--quiet", "--force", target, f"{commit}:{branch}"]
        subprocess.run(command, cwd=HOME, check=True)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, without a line for each on standard error."""

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def published(home: Path) -> Iterator[str]:
    """The address of a tiny distribution, served here."""
    make_repositories(home)
    handler = functools.partial(Handler, directory=str(home))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Operator:
    """Somebody who goes by the README, with a GitLab of their own."""

    def __init__(self, place: Here, local: LocalForge, distribution: str, home: Path) -> None:
        self.place, self.local, self.distribution, self.home = place, local, distribution, home
        self.output = ""
        self.server: subprocess.Popen[bytes] | None = None
        repository = local.add_repository("rpms/tool")
        local.commit(repository, "main", {"tool.spec": TOOL, "data.txt": "data\n"}, "Start")
        local.set_role(repository, "maria", "write")
        local.set_role(repository, BOT, "write")
        self.repository = repository

    async def follow(self, command: str) -> None:
        """Do what a command of the README says; it must succeed."""
        if command.startswith("editor "):
            self.edit()
        elif command.startswith("systemctl "):
            await self.stop()
            if not command.startswith("systemctl stop "):
                self.server = self.place.start(start_command(), self.home / "log")
        elif command.startswith("curl "):
            await self.succeeds(command, tries=240)
        elif command.startswith("minimize setup "):
            await self.succeeds(command, answers=self.answers())
            (secret,) = re.findall(r"signing token (whsec_\S+)", self.output)
            hook = f"http://127.0.0.1:{self.place.port}/webhook/gitlab"
            self.local.gitlab.add_hook(hook, secret, events=("merge_request", "note"))
        elif command.startswith("minimize runs "):
            await self.commented()
            await self.succeeds(command)
        else:
            await self.succeeds(command)

    async def succeeds(self, command: str, answers: str = "", tries: int = 1) -> None:
        for _ in range(tries):
            done = await asyncio.to_thread(self.place.run, command, answers)
            self.output = done.stdout + done.stderr
            if done.returncode == 0:
                return
            # As in an empty container: everything of the sandbox is there but a delegated group.
            if " doctor " in command and self.place.more:
                missing = re.findall(r"^(missing|no)\s+(.*)", self.output, re.M)
                assert missing and all("memory" in line for _, line in missing), self.output
                return
            await asyncio.sleep(0.5)
        log = self.home / "log"
        pytest.fail(f"{command}: {self.output[-3000:]}{log.read_text() if log.exists() else ''}")

    async def keep_up(self, followed: list[str]) -> None:
        """Follow an upgrade, a backup, its restoring; each time the checks are there again."""
        for command in followed:
            await self.follow(command)
            if command.startswith("systemctl ") and self.server is not None:
                await self.follow(READY)
                await self.succeeds("minimize runs --settings /etc/minimize/bot.yaml")
                assert "rpms/tool" in self.output

    async def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self.server.wait, 30)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
            self.server = None

    def answers(self) -> str:
        """The answers to `minimize setup`, one for each question."""
        url = f"http://127.0.0.1:{self.place.port}"
        folders = self.place.folders()
        forge = ("gitlab", api_url(self.local, "gitlab"), self.local.token(BOT))
        return "\n".join(
            (url, "", str(self.place.port), *folders, "", *forge, "rpms/*", "centos-stream-10", "")
        )

    def edit(self) -> None:
        """The distribution in place of those that come along; nothing is built."""
        documents = self.place.settings / "documents"
        for path in documents.glob("*.yaml"):
            path.unlink()
        bench = documented(self.home, self.home, web=workload("tool"))
        for path in bench.config.glob("*.yaml"):
            text = path.read_text().replace(f"file://{self.home}", self.distribution)
            (documents / path.name).write_text(text)
        path = self.place.settings / "bot.yaml"
        settings = yaml.safe_load(path.read_text())
        settings["repositories"] = [{"match": "rpms/*", "documents": ["repo"]}]
        settings |= {"build": {"enabled": False}, **self.place.more}
        path.write_text(yaml.safe_dump(settings))

    async def commented(self) -> None:
        """A merge request that adds a requirement gets its comment."""
        head = {"tool.spec": TOOL.replace("%description\n", "Requires: perl\n%description\n", 1)}
        self.local.commit(self.repository, "topic", head, "Change", start="main")
        pull = await self.local.open_pull(self.repository, "topic", user="maria", title="t")
        for _ in range(1200):
            found = [one.body for one in self.local.state.comments_of(pull)]
            if found:
                assert "`Requires: perl`" in found[0]
                assert "perl" in found[0] and "tool.spec" in found[0]
                return
            assert self.server is not None and self.server.poll() is None, self.log()
            await asyncio.sleep(0.1)
        pytest.fail(f"no comment: {self.log()}")

    def log(self) -> str:
        return (self.home / "log").read_text()


@contextlib.asynccontextmanager
async def operator(place: Here, home: Path) -> AsyncIterator[Operator]:
    with published(home / "distribution") as address:
        async with LocalForge(home / "forge") as local:
            made = Operator(place, local, address, home)
            try:
                yield made
            finally:
                await made.stop()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
async def test_from_settings_to_a_comment_on_this_machine(tmp_path: Path) -> None:
    place = Here(tmp_path, free_port())
    async with operator(place, tmp_path) as made:
        followed = [
            one for one in commands() if "/opt/minimize" not in one and "apt-get" not in one
        ]
        assert len(followed) == 7
        for command in followed:
            await made.follow(command)
        assert "rpms/tool" in made.output
        kept = [one for one in upkeep() if "/opt/minimize" not in one]
        assert len(kept) == 7
        await made.keep_up(kept)
        assert (tmp_path / "var/lib/minimize.old").is_dir()


@pytest.fixture
def empty(tmp_path: Path) -> Root:
    """A Debian that has just been bootstrapped; MINIMIZE_BOOTSTRAP names its release."""
    if not BOOTSTRAP:
        pytest.skip("minutes long: MINIMIZE_BOOTSTRAP=trixie runs it")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed, or this is not root")
    root = tmp_path / "root"
    subprocess.run(["debootstrap", "--variant=minbase", BOOTSTRAP, str(root)], check=True)
    return Root(root, 8080)


@pytest.mark.timeout(3600)
def test_from_an_empty_debian_to_the_demo_and_a_test(empty: Root) -> None:
    empty.publish("HEAD")
    for command in (
        "apt-get install -y git",
        f"git clone {CLONE} /root/minimize",
        "/root/minimize/deploy/demo",
        "/root/minimize/deploy/test tests/test_import_direction.py",
    ):
        started = time.monotonic()
        done = empty.run(command)
        print(f"{time.monotonic() - started:7.1f} s  {command}", flush=True)
        assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-5000:]}"


@pytest.mark.timeout(3600)
async def test_from_an_empty_debian_to_a_comment(empty: Root, tmp_path: Path) -> None:
    place = empty
    place.publish(OLDER)
    async with operator(place, tmp_path) as made:
        for command in commands():
            started = time.monotonic()
            await made.follow(command)
            print(f"{time.monotonic() - started:7.1f} s  {command}", flush=True)
        place.publish("HEAD")
        started = time.monotonic()
        await made.keep_up(upkeep())
        print(f"{time.monotonic() - started:7.1f} s  upgrade, backup, restore", flush=True)


def test_there_are_ten_and_each_is_a_command_of_ours_with_its_options() -> None:
    given = commands()
    assert len(given) == 10
    ours = [one.removeprefix("runuser -u minimize -- ") for one in given]
    ours = [one for one in ours if one.startswith("minimize ")]
    assert len(ours) == 4
    for _, name, *rest in map(shlex.split, ours):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), rest.pop(0))
            assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known


def test_the_units_that_are_enabled_are_those_that_are_installed() -> None:
    (enabled,) = [one for one in commands() if one.startswith("systemctl ")]
    for unit in shlex.split(enabled)[3:]:
        name = unit if "." in unit else f"{unit}.service"
        assert (UNIT.parent / name).is_file()
