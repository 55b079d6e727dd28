"""The commands of deploy/README.md on a machine of its own, where systemd and AppArmor run.

`MINIMIZE_MACHINE` names the folder that its disk is made in, and kept for the next run: some ten
minutes and 4 GB; each start takes two minutes or more, for its processor is emulated.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.deploy.following import operator, served
from tests.deploy.machine import Disk, Machine, started
from tests.deploy.places import AS_SERVICE, HOME, IMAGE, commands, upkeep

if TYPE_CHECKING:
    from bot.demo.distribution.reference import ReferenceDistribution

FOLDER = os.environ.get("MINIMIZE_MACHINE", "")
PROGRAMS = ("qemu-system-x86_64", "debootstrap", "mke2fs", "ssh")
UNITS = ("minimize.service", "minimize-track.timer", "minimize-worker@x86_64.service")
# "Killing process" is what systemd says of those that a stopped server leaves.
WRONG = re.compile("^.*(?:ERROR|CRITICAL|Traceback|WARNING|Killing process).*$", re.M)


def lacking() -> str:
    """Why the tests of this file are skipped; empty if they run."""
    if not FOLDER:
        return "an hour long: MINIMIZE_MACHINE=FOLDER runs it, its disk is made there"
    if os.geteuid() != 0:
        return "MINIMIZE_MACHINE is set, and this is not root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"MINIMIZE_MACHINE is set, and there is no {', '.join(missing)}" if missing else ""


LACKING = lacking()
# As a mark: nothing is made for tests that are skipped.
pytestmark = [
    pytest.mark.timeout(7200),
    pytest.mark.skipif(bool(LACKING), reason=LACKING or "it runs"),
]


@pytest.fixture(scope="module")
def disk() -> Disk:
    made = Disk(Path(FOLDER))
    made.make()
    return made


@pytest.fixture(scope="module")
def machine(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with started(disk, tmp_path_factory.mktemp("machine"), 4096) as found:
        yield found


async def test_from_settings_to_a_comment_under_systemd(machine: Machine, tmp_path: Path) -> None:
    assert machine.said(f"systemd-analyze verify {' '.join(UNITS)} 2>&1") == ""
    async with operator(machine, tmp_path) as made:
        for command in commands()[3:]:
            begun = time.monotonic()
            await made.follow(command)
            print(f"{time.monotonic() - begun:7.1f} s  {command}", flush=True)
        assert "rpms/tool" in made.output
        await made.keep_up(upkeep())
        begun = time.monotonic()
        machine.said("systemctl stop minimize")
        print(f"{time.monotonic() - begun:7.1f} s  stop", flush=True)
    assert machine.said("systemctl show -P Result minimize").strip() == "success"
    journal = machine.said("journalctl --no-pager -o cat -u minimize -u minimize-track")
    print(journal)
    assert not WRONG.findall(journal)


POSTGRES = (
    "systemctl start postgresql",
    "runuser -u postgres -- psql -qc \"CREATE ROLE minimize LOGIN PASSWORD 'secret'\"",
    "runuser -u postgres -- createdb --owner minimize minimize",
    "echo postgresql://minimize:secret@127.0.0.1/minimize >/etc/minimize/database-url",
    "chgrp minimize /etc/minimize/database-url && chmod 0640 /etc/minimize/database-url",
)
WORKER = "minimize-worker@x86_64"
# The server of this one computes nothing; the worker is as on a machine of its own.
ITS_SETTINGS = f"""
mkdir -p /etc/systemd/system/{WORKER}.service.d
sed 's/predictions: 0/predictions: 1/' /etc/minimize/bot.yaml >/etc/minimize/worker.yaml
chgrp minimize /etc/minimize/worker.yaml
printf '[Service]\\nNice=15\\nExecStart=\\n%s\\n' \
    'ExecStart=minimize worker --settings /etc/minimize/worker.yaml --arch %i' \
    >/etc/systemd/system/{WORKER}.service.d/test.conf
systemctl daemon-reload
"""
DONE_BY = "select distinct executor_id from dbos.workflow_status where name like '%check%'"


async def test_a_worker_with_postgres_makes_the_check_under_systemd(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = {"database": {"file": "database-url"}, "predictions": 0}
    monkeypatch.setattr(machine, "more", {**machine.more, "engine": engine}, raising=False)
    machine.said("systemctl stop minimize; rm -rf /etc/minimize /var/lib/minimize/*")
    machine.said(commands()[2])
    for command in POSTGRES:
        machine.said(command)
    async with operator(machine, tmp_path) as made:
        for command in commands()[3:]:
            if command.startswith("systemctl "):
                machine.said(ITS_SETTINGS)
                machine.said("systemctl stop postgresql")
                await made.succeeds(f"systemctl start {WORKER}")
                waits = machine.said(f"systemctl show -P StatusText {WORKER}")
                assert waits.startswith("waits for the engine's database: connection")
                machine.said("systemctl start postgresql")
            if " doctor " not in command and " config " not in command:
                await made.follow(command)
        assert "rpms/tool" in made.output
        print(machine.said(f"runuser -u postgres -- psql -tAc {shlex.quote(DONE_BY)} minimize"))
        machine.said(f"systemctl stop {WORKER} minimize")
    for unit in (WORKER, "minimize"):
        assert machine.said(f"systemctl show -P Result {unit}").strip() == "success"
    journal = machine.said(f"journalctl --no-pager -o cat -u {WORKER}")
    print(journal)
    assert "minimize works as worker-" in journal
    wrong = WRONG.findall(journal)
    assert wrong and all("waiting for the engine's database" in line for line in wrong)


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


SETTINGS = """
data: /var/lib/minimize
cache: /var/cache/minimize
config: documents
public_url: http://127.0.0.1:8080
forges:
  gitlab:
    {type: gitlab, api_url: "http://127.0.0.1:9", token: {file: t}, webhook_secrets: [{file: t}]}
repositories: [{match: "*", documents: [centos-stream-10]}]
"""
REFUSED = re.compile("cannot be evaluated or built here|cannot install packages here")


@pytest.fixture
def builder(machine: Machine) -> Machine:
    """The machine with a server that builds, of a forge that is not there."""
    machine.write("/etc/minimize/bot.yaml", SETTINGS)
    machine.write("/etc/minimize/t", "secret")
    return machine


@pytest.mark.parametrize("name", LACKS)
def test_what_is_lacking_is_said_and_what_is_said_helps(builder: Machine, name: str) -> None:
    machine, lack = builder, LACKS[name]
    assert machine.run(DOCTOR).returncode == 0
    machine.said(lack.commands)
    done = machine.run(DOCTOR)
    print(done.stdout)
    assert done.returncode == 1 and lack.said in done.stdout
    journal = started_again(machine)
    print(journal)
    assert REFUSED.search(journal) is not None and lack.said in journal
    found = re.search(lack.remedy, done.stdout)
    assert found is not None
    machine.said(f"cd /opt/minimize && {found[0]}")
    assert machine.run(DOCTOR).returncode == 0, machine.run(DOCTOR).stdout
    assert REFUSED.search(started_again(machine)) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NoNewPrivileges=yes", "Take NoNewPrivileges=yes out of the unit"),
        ("RestrictNamespaces=yes", "take RestrictNamespaces=, SystemCallFilter= and the like out"),
        ("Delegate=no", "No control group can be made here"),
    ],
)
def test_a_line_of_the_unit_that_takes_too_much_is_said(
    builder: Machine, line: str, said: str
) -> None:
    machine = builder
    machine.said(f"mkdir -p {Path(DROP_IN).parent}")
    machine.write(DROP_IN, f"[Service]\n{line}\n")
    journal = started_again(machine)
    print(journal)
    assert said in journal
    machine.said(f"rm {DROP_IN}")
    assert REFUSED.search(started_again(machine)) is None


def started_again(machine: Machine) -> str:
    """What the server says at a start."""
    machine.said("systemctl daemon-reload && journalctl --rotate && journalctl --vacuum-time=1s")
    # More starts than the unit allows in ten minutes.
    machine.said("systemctl reset-failed minimize; systemctl restart minimize")
    said = "journalctl -u minimize -o cat | grep -q 'serves on'"
    machine.said(f"for i in $(seq 600); do {said} && exit; sleep 1; done; exit 1")
    return machine.said("journalctl --no-pager -o cat -u minimize")


QUADLET = ("minimize.container", "minimize-data.volume", "minimize-cache.volume")
IN_CONTAINER = "podman exec minimize minimize doctor --settings /etc/minimize/bot.yaml"


@pytest.mark.skipif(not IMAGE, reason="MINIMIZE_IMAGE names no image")
def test_the_quadlet_serves_by_systemd_with_the_whole_sandbox(builder: Machine) -> None:
    machine = builder
    settings = SETTINGS + "listen: {host: 0.0.0.0}\n"
    settings = settings.replace("config: documents", "config: /usr/share/minimize/documents")
    machine.write("/etc/minimize/bot.yaml", settings)
    machine.said("systemctl stop minimize; mv /etc/systemd/system/minimize.service* /root")
    machine.said("mkdir -p /etc/containers/systemd && touch /etc/minimize/environment")
    for name in QUADLET:
        text = (HOME / "deploy/container" / name).read_text()
        machine.write(f"/etc/containers/systemd/{name}", text)
    begun = time.monotonic()
    machine.said("systemctl daemon-reload && systemctl start minimize")
    print(f"{time.monotonic() - begun:7.1f} s  start")
    assert machine.said("curl -sS --fail http://127.0.0.1:8080/health/live")
    print(machine.said(IN_CONTAINER))
    machine.said("systemctl stop minimize")
    assert machine.said("systemctl show -P Result minimize").strip() == "success"
    journal = machine.said("journalctl --no-pager -o cat -u minimize --since -30min")
    print(journal)
    assert "serves on" in journal and REFUSED.search(journal) is None
    machine.said("rm -r /etc/containers/systemd && mv /root/minimize.service* /etc/systemd/system")
    machine.said("systemctl daemon-reload")


SMALL = 2048
SPEC = """\
Name: nginx
Version: 1
Release: 1
Summary: s
License: MIT
Requires: base-files
%description
%build
WORK
%files
"""
HUNGRY = "head --bytes 3G /dev/zero | tail --bytes 3G | wc --bytes"
FORKING = "for i in $(seq 5000); do sleep 300 & done; wait"


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("sleep 20", "x86_64, rebuilt"),
        (HUNGRY, r"The build was ended: it needed more than 15\d{8} bytes of memory"),
        (FORKING, "The build was ended: it started more than 2048 processes"),
    ],
)
def test_builds_on_a_small_machine_are_held_by_groups(small: Machine, work: str, said: str) -> None:
    """2 GiB of memory: a build has one of them, and once more one and a half."""
    machine = small
    machine.said("rm -rf /srv/nginx && git init -q /srv/nginx")
    commit = "git add . && git -c user.name=n -c user.email=e commit -qm change"
    changed = SPEC.replace("WORK", work).replace("base-files", "base-files, perl")
    for text in (SPEC.replace("WORK", "true"), changed):
        machine.write("/srv/nginx/nginx.spec", text)
        machine.said(f"cd /srv/nginx && {commit}")
    machine.said("chown -R minimize: /srv/nginx")
    options = "--base HEAD~1 --head HEAD --config /srv/config --data /var/lib/minimize"
    check = f"{AS_SERVICE}minimize check --git /srv/nginx {options} --cache /var/cache/minimize"
    begun = time.monotonic()
    done = machine.run(f"{check} --arch x86_64")
    print(f"{time.monotonic() - begun:.1f} s, exit code {done.returncode}")
    assert re.search(said, done.stdout) is not None, done.stdout + done.stderr


@pytest.fixture(scope="module")
def small(
    disk: Disk, reference: ReferenceDistribution, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    top = tmp_path_factory.mktemp("small")
    with served(reference.root) as address, started(disk, top, SMALL) as machine:
        machine.reach(urlsplit(address).port or 80)
        machine.said("mkdir -p /srv/config")
        for path in reference.config_dir.glob("*.yaml"):
            text = path.read_text().replace(reference.root.as_uri(), address)
            machine.write(f"/srv/config/{path.name}", text)
        yield machine
