"""What `minimize doctor` says on a machine of its own, where systemd and AppArmor run, helps there.

`MINIMIZE_MACHINE` names the folder that its disk is made in, and kept for the next run: some ten
minutes and 4 GB; a start takes two minutes or more, for its processor is emulated.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.machine import Disk, Machine, started
from tests.deploy.places import AS_SERVICE

FOLDER = os.environ.get("MINIMIZE_MACHINE", "")
PROGRAMS = ("qemu-system-x86_64", "debootstrap", "mke2fs", "ssh")
UNITS = ("minimize.service", "minimize-track.timer", "minimize-worker@x86_64.service")
pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def disk() -> Disk:
    if not FOLDER:
        pytest.skip("long: MINIMIZE_MACHINE=FOLDER runs it, its disk is made there")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"this is not root, or there is no {', '.join(missing)}")
    made = Disk(Path(FOLDER))
    made.make()
    return made


@pytest.fixture(scope="module")
def machine(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with started(disk, tmp_path_factory.mktemp("machine"), 4096) as found:
        yield found


DOCTOR = f"{AS_SERVICE}minimize doctor"
UBUNTU = "/usr/share/apparmor/extra-profiles/bwrap-userns-restrict"
DENIES = """abi <abi/4.0>,
include <tunables/global>
profile of-the-site /usr/bin/bwrap flags=(attach_disconnected,mediate_deleted) {
  allow capability, allow file rwlkmix /{**,}, allow network, allow unix, allow ptrace,
  allow signal, allow mqueue, allow mount, allow umount, allow pivot_root, allow dbus,
  deny userns,
}
"""
DROP_IN = "/etc/systemd/system/minimize.service.d/test.conf"


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is taken from the machine: the commands, what is said, what helps."""

    commands: str
    said: str
    remedy: str


LACKS = {
    "namespaces": Lack(
        "sysctl -w user.max_user_namespaces=0", "User namespaces are off here", r"sysctl -w \S+=\d+"
    ),
    "namespaces of users": Lack(
        "sysctl -w kernel.unprivileged_userns_clone=0",
        "User namespaces are off here",
        r"sysctl -w \S+=\d+",
    ),
    "ids": Lack(
        "sed -i.bak /minimize/d /etc/subuid /etc/subgid",
        "needs the user ids of /etc/subuid, and this user has none",
        r"usermod [^(]*",
    ),
    "Ubuntu's profile": Lack(
        f"cp {UBUNTU} /etc/apparmor.d/ && apparmor_parser -r {UBUNTU}",
        "AppArmor's profile bwrap confines bwrap here",
        r"deploy/install --apparmor",
    ),
    "a profile": Lack(
        "apparmor_parser -R /etc/apparmor.d/minimize-bwrap;"
        f" cat >/etc/apparmor.d/of-the-site <<'END'\n{DENIES}END\n"
        "apparmor_parser -r /etc/apparmor.d/of-the-site",
        "AppArmor's profile of-the-site confines bwrap here",
        r"deploy/install --apparmor",
    ),
}


@pytest.mark.parametrize("name", LACKS)
def test_what_is_lacking_is_said_and_what_is_said_helps(machine: Machine, name: str) -> None:
    lack = LACKS[name]
    assert machine.run(DOCTOR).returncode == 0
    machine.said(lack.commands)
    done = machine.run(DOCTOR)
    print(done.stdout)
    assert done.returncode == 1 and lack.said in done.stdout
    found = re.search(lack.remedy, done.stdout)
    assert found is not None
    machine.said(f"cd /opt/minimize && {found[0]}")
    done = machine.run(DOCTOR)
    assert done.returncode == 0, done.stdout


def test_systemd_finds_nothing_wrong_in_the_units_that_are_installed(machine: Machine) -> None:
    assert machine.said(f"systemd-analyze verify {' '.join(UNITS)} 2>&1") == ""
