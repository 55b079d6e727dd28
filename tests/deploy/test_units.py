"""The systemd units, and the Quadlet that podman makes one of."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = DEPLOY / "systemd"
NAMES = ("minimize.service", "minimize-worker@aarch64.service", "minimize-track.timer")
# Where Debian and Fedora have podman's generator of units.
GENERATORS = ("/usr/lib/systemd/system-generators/podman-system-generator",)

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with the units, systemd's own, and a program called minimize."""
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in UNITS.iterdir():
        shutil.copy(unit, units)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    program = tmp_path / "usr/bin/minimize"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/true", program)
    return tmp_path


def verify(root: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", *NAMES],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@needs_systemd
def test_systemd_finds_nothing_wrong_in_the_units(root: Path) -> None:
    assert verify(root) == ""


@needs_systemd
@pytest.mark.parametrize("wrong", ["StateDirectry=minimize", "ExecStartPre=no-such-program"])
def test_systemd_finds_what_is_wrong_in_a_unit(root: Path, wrong: str) -> None:
    unit = root / "etc/systemd/system/minimize.service"
    unit.write_text(unit.read_text().replace("Type=notify", f"Type=notify\n{wrong}"))
    assert wrong.partition("=")[2] in verify(root) or wrong.partition("=")[0] in verify(root)


@pytest.mark.parametrize("name", ["minimize.service", "minimize-worker@.service"])
def test_units_leave_the_sandbox_what_it_needs(name: str) -> None:
    """Of what they need not say the reason stands in the unit: newuidmap, /proc, groups."""
    keys = dict(
        line.split("=", 1)
        for line in (UNITS / name).read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert keys["Delegate"] == "yes"
    ends_setuid = ("NoNewPrivileges", "SystemCallFilter", "RestrictNamespaces", "PrivateDevices")
    assert not {key for key in keys if key.startswith(("ProtectKernel", *ends_setuid))}


@pytest.mark.skipif(
    not any(Path(path).exists() for path in GENERATORS), reason="there is no podman here"
)
def test_podman_makes_a_unit_of_the_quadlet(tmp_path: Path) -> None:
    for name in ("minimize.container", "minimize-data.volume", "minimize-cache.volume"):
        shutil.copy(DEPLOY / "container" / name, tmp_path)
    generator = next(path for path in GENERATORS if Path(path).exists())
    done = subprocess.run(
        [generator, "--dryrun"],
        env={"QUADLET_UNIT_DIRS": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = done.stdout
    assert "---minimize.service---" in made
    assert "--security-opt seccomp=unconfined" in made and "--cap-add cap_sys_admin" in made
    assert "--user 0 " in made and "--uidmap 0:600000000:65536" in made
    assert "127.0.0.1:8080:8080" in made
    assert "Requires=minimize-data-volume.service" in made
