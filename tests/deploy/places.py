"""The places where the commands of deploy/README.md are run: this machine, a root of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from bot.sandbox.remedies import namespace_remedy

HOME = Path(__file__).parents[2]
README = HOME / "deploy/README.md"
UNIT = HOME / "deploy/systemd/minimize.service"
CLONE = "https://github.com/OWNER/minimize"
# An image of deploy/container, and the program that has it: podman or docker.
IMAGE = os.environ.get("MINIMIZE_IMAGE", "")
CONTAINERS = os.environ.get("MINIMIZE_CONTAINERS", "podman")
# How the README has a command run as the service does.
AS_SERVICE = "systemd-run -q --wait --pipe --uid minimize -p Delegate=yes "


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
    """Return the command of the server's unit."""
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    return line.partition("=")[2]


class Here:
    """This machine: the paths of an installed bot stand for folders of the test's.

    `port` is the one that the server listens at, `public_port` the one that reaches it from here.
    Without `systemd` the server is a process of the test's; `slowness` is how many times longer
    than here things may take.
    """

    more: ClassVar[dict[str, object]] = {}
    systemd = False
    slowness = 1.0
    # Where the forge and the distribution are for it, and where it listens, as `setup` is answered.
    address = "127.0.0.1"
    listens_at = ""

    def __init__(self, top: Path, port: int) -> None:
        self.top, self.port = top, port
        self.public_port = port
        self.settings = top / "etc/minimize"
        shutil.copytree(HOME / "config", self.settings / "documents")
        (self.settings / "documents/bot.yaml").unlink()
        program = top / "bin/minimize"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bot "$@"\n')
        program.chmod(0o755)

    @property
    def public_url(self) -> str:
        """The address by which forges and browsers reach the server."""
        return f"http://127.0.0.1:{self.public_port}"

    def words(self, command: str) -> list[str]:
        """The command with our paths; it is ours, not the user minimize's, that runs it."""
        for place in ("/var/lib/minimize", "/backup"):
            command = command.replace(f" {place}", f" {self.top}{place}")
        command = command.replace(" -o minimize -g minimize ", " ")
        command = command.replace("/etc/minimize", str(self.settings))
        command = command.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        return ["bash", "-c", command.removeprefix(AS_SERVICE)]

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

    def log(self, file: Path) -> str:
        """Return the server's log; `file` is the one that its process writes to."""
        return file.read_text() if file.exists() else ""

    def folders(self) -> tuple[str, str]:
        """Those of data and of caches, as `setup` is answered."""
        return str(self.top / "var/lib/minimize"), str(self.top / "cache")

    @contextlib.contextmanager
    def opened(self) -> Iterator[Path]:
        """The folder /etc/minimize, to change what is in it."""
        yield self.settings

    def reach(self, port: int) -> None:
        """Let what listens at a port of this machine's loopback be there too."""

    def publish(self, commit: str) -> None:
        """Have a commit of this checkout be the one that is cloned and pulled."""


def container_options() -> list[str]:
    """The options for a container that its doctor prints."""
    printed = namespace_remedy("Operation not permitted")
    found = re.search(r"with (--user 0 .*?); where docker .* with (--volume .*?); or", printed)
    assert found is not None
    return f"{found[1]} {found[2]}".split()


class Image(Here):
    """An image of deploy/container, run with the options that its doctor prints."""

    def __init__(self, top: Path, port: int, image: str) -> None:
        super().__init__(top, port)
        mounts = [f"--volume={self.settings}:/etc/minimize"]
        for folder in ("var/lib/minimize", "var/cache/minimize"):
            (top / folder).mkdir(parents=True)
            mounts.append(f"--volume={top / folder}:/{folder}")
        options = ["--interactive", "--network=host", *container_options()]
        self.started = [CONTAINERS, "run", "--rm", *options, *mounts, image]

    def words(self, command: str) -> list[str]:
        words = shlex.split(command.removeprefix(AS_SERVICE).removeprefix("exec "))
        if Path(words[0]).name != "minimize":
            return super().words(command)
        return [*self.started, *words[1:]]

    def folders(self) -> tuple[str, str]:
        return "/var/lib/minimize", "/var/cache/minimize"


class Root(Here):
    """A root of its own, with this machine's network, in namespaces that end with their command."""

    # Without systemd nobody delegates a control group to the user minimize.
    more: ClassVar[dict[str, object]] = {
        "sandbox": {"without_memory_limit": "run strangers' code anyway"}
    }

    def __init__(self, root: Path, port: int) -> None:
        assert port == 8080  # the commands name it
        self.top, self.port = root, port
        self.public_port = port
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
        command = command.replace(AS_SERVICE, "runuser -u minimize -- ")
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
