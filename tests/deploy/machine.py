"""A machine: Debian with systemd, AppArmor and control groups of version 2, emulated by qemu.

Its root is made once, in the folder that MINIMIZE_MACHINE names, with the packages of the README's
first commands, and the image of deploy/container that MINIMIZE_IMAGE names; each start is of a copy
that is forgotten at the end. It reaches nothing but this machine's loopback, by the ports that are
forwarded to it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bot.demo.run.setup import free_port
from tests.deploy.places import HOME, IMAGE, Here, Root, commands

# Debian's kernel, and what a server's installation has besides: a minimal one has none of it.
PACKAGES = (
    "systemd-sysv",
    "dbus",
    "udev",
    "iproute2",
    "linux-image-amd64",
    "apparmor",
    "apparmor-profiles",
    "openssh-server",
    # For a worker beside the server.
    "postgresql",
    # For the Quadlet: with what publishes a port.
    "podman",
    "crun",
    "netavark",
    "nftables",
)
RELEASE = "trixie"
UPDATE = "cd /opt/minimize && git fetch -q && git reset -q --hard @{u}"
# systemd-networkd may take longer here than it is waited for.
NETWORK = """
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c "ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0"
[Install]
WantedBy=multi-user.target
"""
# An emulated processor is slow: whose priority is low has six times as long for a spec file.
SLOW = "[Service]\nNice=15\n"
START_SECONDS = 900.0


class Disk:
    """The files that a machine is started from."""

    def __init__(self, folder: Path) -> None:
        self.image, self.kernel, self.initrd = (folder / n for n in ("disk", "vmlinuz", "initrd"))
        self.key = folder / "key"
        self._folder = folder

    def make(self, commit: str = "HEAD") -> None:
        """Make what is missing; the checkout's `commit` is what is cloned and installed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        top = self._folder / "root"
        if not (top / "boot/made").exists():
            shutil.rmtree(top, ignore_errors=True)
            include = f"--include={','.join(PACKAGES)}"
            run("debootstrap", "--variant=minbase", include, RELEASE, str(top))
            self._let_in(top)
            # Those of other programs take minutes to compile, where the processor is emulated.
            for profile in (top / "etc/apparmor.d").iterdir():
                if profile.is_file():
                    profile.unlink()
            (top / "boot/made").touch()
        root = Root(top, 8080)
        root.publish(commit)
        for command in (*commands()[:3], UPDATE, commands()[2]):
            if not (command.startswith("git clone") and (top / "opt/minimize").exists()):
                done = root.run(command)
                assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-5000:]}"
        if IMAGE:
            kept = f"overlay@{top}/var/lib/containers/storage+{top}/run/containers"
            there = f"containers-storage:[{kept}]localhost/minimize:latest"
            run("skopeo", "copy", "--quiet", f"containers-storage:{IMAGE}", there)
        for place, name in ((self.kernel, "vmlinuz"), (self.initrd, "initrd.img")):
            shutil.copyfile(next((top / "boot").glob(f"{name}-*")), place)
        self.image.unlink(missing_ok=True)
        run("mke2fs", "-q", "-t", "ext4", "-d", str(top), str(self.image), "12G")

    def _let_in(self, top: Path) -> None:
        """A network, a key for root, and the time that the service needs here."""
        slow = top / "etc/systemd/system/minimize.service.d/slow.conf"
        slow.parent.mkdir(exist_ok=True)
        slow.write_text(SLOW)
        (top / "etc/systemd/system/address.service").write_text(NETWORK)
        run("systemctl", f"--root={top}", "enable", "address")
        self.key.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        (top / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(f"{self.key}.pub", top / "root/.ssh/authorized_keys")


def run(*command: str) -> None:
    """A command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-5000:]}"


class Machine(Here):
    """A started machine; commands run there as root."""

    systemd = True
    slowness = 10.0

    def __init__(self, top: Path, key: Path, port: int) -> None:
        self.top, self.key, self._ssh_port = top, key, port
        self.port, self.public_port = 8080, free_port()

    def ssh(self, *words: str) -> list[str]:
        """The command of ssh, by the connection that stays."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
                   f"ControlPath={self.top}/ssh", "ConnectTimeout=30",
                   f"IdentityFile={self.key}", f"Port={self._ssh_port}")  # fmt: skip
        return ["ssh", *(word for one in options for word in ("-o", one)), *words]

    def words(self, command: str) -> list[str]:
        return self.ssh("root@127.0.0.1", command)

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def folders(self) -> tuple[str, str]:
        return "/var/lib/minimize", "/var/cache/minimize"

    @contextlib.contextmanager
    def connected(self, emulator: subprocess.Popen[bytes]) -> Iterator[None]:
        """The connection, once the machine has started."""
        deadline = time.monotonic() + START_SECONDS
        quiet = subprocess.DEVNULL
        while True:
            assert emulator.poll() is None and time.monotonic() < deadline, self.console()
            master = subprocess.Popen(
                self.ssh("-M", "-N", "root@127.0.0.1"), stdin=quiet, stdout=quiet, stderr=quiet
            )
            while master.poll() is None and not (self.top / "ssh").exists():
                time.sleep(0.5)
            if master.poll() is None:
                break
            time.sleep(2.0)
        try:
            self.run("systemctl is-system-running --wait")
            self._forward("-L", f"127.0.0.1:{self.public_port}:127.0.0.1:{self.port}")
            yield
        finally:
            master.terminate()
            master.wait()

    def console(self) -> str:
        """The end of what the machine has written to its console."""
        return (self.top / "console").read_text(errors="replace")[-3000:]

    def reach(self, port: int) -> None:
        self._forward("-R", f"127.0.0.1:{port}:127.0.0.1:{port}")

    def _forward(self, direction: str, ports: str) -> None:
        run(*self.ssh("-O", "forward", direction, ports, "root@127.0.0.1"))

    def said(self, command: str) -> str:
        """Run a command on the machine, which must succeed, and return what it prints."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file there."""
        done = subprocess.run(self.words(f"cat >{path}"), input=content, text=True, check=False)
        assert done.returncode == 0

    @contextlib.contextmanager
    def opened(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.top) as scratch:
            there = self.words("tar -C /etc/minimize -cf - .")
            packed = subprocess.run(there, capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(scratch, filter="tar")
            yield Path(scratch)
            changed = subprocess.run(
                ["tar", "-C", scratch, "-cf", "-", "."], capture_output=True, check=True
            )
            back = "rm -rf /etc/minimize/documents && tar -C /etc/minimize -xf -"
            subprocess.run(self.words(back), input=changed.stdout, check=True)

    def publish(self, commit: str) -> None:
        branch = self.said("git -C /srv/minimize symbolic-ref HEAD").strip()
        command = [
            "git",
            "push",
            "--quiet",
            "--force",
            "root@127.0.0.1:/srv/minimize",
            f"{commit}:{branch}",
        ]
        ssh = " ".join(self.ssh())
        subprocess.run(command, cwd=HOME, env=os.environ | {"GIT_SSH_COMMAND": ssh}, check=True)

    def log(self, file: Path) -> str:
        return self.said("journalctl --unit minimize --no-pager --lines 200")


@contextlib.contextmanager
def started(disk: Disk, top: Path, megabytes: int) -> Iterator[Machine]:
    """A machine of so much memory, with two processors; what it writes is forgotten."""
    port = free_port()
    console = top / "console"
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
        "-m", str(megabytes), "-display", "none", "-no-reboot", "-snapshot",
        "-serial", f"file:{console}", "-drive", f"file={disk.image},format=raw,if=virtio",
        "-kernel", str(disk.kernel), "-initrd", str(disk.initrd),
        "-append", "root=/dev/vda rw console=ttyS0 panic=-1 net.ifnames=0",
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
        "-device", "virtio-net-pci,netdev=net",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(top)}
    ) as emulator:
        machine = Machine(top, disk.key, port)
        try:
            with machine.connected(emulator):
                yield machine
        finally:
            emulator.terminate()
