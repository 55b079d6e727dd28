"""The set-up: which systems it knows, and which packages it asks for."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "deploy/setup.bash"


def bash(tmp_path: Path, release: str, command: str) -> subprocess.CompletedProcess[str]:
    """What a command gives after the set-up's functions were read, on a system of this release."""
    (tmp_path / "os-release").write_text(release)
    return subprocess.run(
        ["bash", "-c", f'. "$1"; {command}', "bash", str(SETUP)],
        env={"PATH": "/usr/bin:/bin", "OS_RELEASE": str(tmp_path / "os-release")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("release", "family"),
    [
        ("ID=debian\nVERSION_ID=12", "apt"),
        ("ID=debian\n", "apt"),  # testing has no number
        ("ID=ubuntu\nVERSION_ID=24.04\nID_LIKE=debian", "apt"),
        ("ID=linuxmint\nVERSION_ID=22\nID_LIKE='ubuntu debian'", "apt"),
        ("ID=fedora\nVERSION_ID=45", "dnf"),
        ("ID=centos\nVERSION_ID=10\nID_LIKE='rhel fedora'", "dnf"),
        ("ID=rhel\nVERSION_ID=10.1\nID_LIKE='centos fedora'", "dnf"),
        ("ID=rocky\nVERSION_ID=10.0\nID_LIKE='rhel centos fedora'", "dnf"),
        ("ID=almalinux\nVERSION_ID=10.0\nID_LIKE='rhel centos fedora'", "dnf"),
        ("ID=opensuse-tumbleweed\nVERSION_ID=20261101\nID_LIKE='opensuse suse'", "zypper"),
        ("ID=opensuse-leap\nVERSION_ID=16.0\nID_LIKE='suse opensuse'", "zypper"),
    ],
)
def test_a_system_is_known_by_its_id_or_by_what_it_is_made_from(
    tmp_path: Path, release: str, family: str
) -> None:
    done = bash(tmp_path, release, "recognize_system; echo $FAMILY")
    assert (done.stdout, done.stderr) == (f"{family}\n", "")


@pytest.mark.parametrize(
    ("release", "why"),
    [
        ("ID=debian\nVERSION_ID=11", "too old"),
        ("ID=ubuntu\nVERSION_ID=22.04\nID_LIKE=debian", "too old"),
        ("ID=rocky\nVERSION_ID=9.4\nID_LIKE='rhel centos fedora'", "too old"),
        ("ID=ol\nVERSION_ID=9.4\nID_LIKE=fedora\nPLATFORM_ID=platform:el9", "too old"),
        ("ID=arch\n", "not a system that minimize knows"),
    ],
)
def test_another_system_is_refused_with_those_that_are_known(
    tmp_path: Path, release: str, why: str
) -> None:
    done = bash(tmp_path, release, "recognize_system; echo $FAMILY")
    assert done.returncode != 0
    assert why in done.stderr and "RHEL 10" in done.stderr


@pytest.mark.parametrize("machine", ["ppc64le", "s390x"])
def test_a_machine_without_builds_of_the_libraries_is_refused(tmp_path: Path, machine: str) -> None:
    done = bash(tmp_path, "ID=fedora\n", f"uname() {{ echo {machine}; }}; recognize_system")
    assert done.returncode == 1 and "createrepo-c" in done.stderr
    assert f"checks images of {machine}" in done.stderr


@pytest.mark.parametrize(
    ("made_for", "wanted_by", "made_anew"),
    [("", "", False), ("1", "1", False), ("1", "", False), ("", "1", True), ("other", "", True)],
)
def test_packages_are_installed_anew_only_where_some_may_be_missing(
    made_for: str, wanted_by: str, made_anew: bool, tmp_path: Path
) -> None:
    """The tests' packages are enough for the demo, not the other way round."""
    command = (
        f"MINIMIZE_HOME={tmp_path}; mkdir -p {tmp_path}/.venv {tmp_path}/deploy; cd {tmp_path};"
        " touch pyproject.toml; for f in '' -install -build; do echo $f >deploy/requirements$f.txt;"
        f" done; SYSTEM_PYTHON={sys.executable};"
        f" WITH_TEST_TOOLS={made_for} setup_stamp >.venv/.minimize-setup;"
        f" [ '{made_for}' != other ] || echo more >>deploy/requirements-install.txt;"
        f" say() {{ echo made; exit; }}; WITH_TEST_TOOLS={wanted_by}; make_virtual_environment"
    )
    done = bash(tmp_path, "ID=debian", command)
    assert (done.stdout, done.stderr, done.returncode) == ("made\n" if made_anew else "", "", 0)


@pytest.mark.parametrize("on", [True, False])
def test_a_service_s_files_are_labelled_where_selinux_is_on(tmp_path: Path, on: bool) -> None:
    text = (SETUP.parent / "install").read_text()
    (function,) = re.findall(r"^label_files\(\) \{\n.*?^\}\n", text, re.M | re.S)
    assert re.search("^    label_files\n", text, re.M)
    stubs = f'selinuxenabled() {{ {str(on).lower()}; }}; restorecon() {{ echo "$@"; }}'
    done = bash(
        tmp_path, "ID=fedora", f"{stubs}; MINIMIZE_HOME=/opt/minimize; {function}label_files"
    )
    assert done.stdout.startswith("-R /opt/minimize/.venv/bin /etc/minimize ") is on
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("same", [True, False])
def test_what_npm_gives_is_taken_only_by_its_integrity(tmp_path: Path, same: bool) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/a.json").write_text("{}")
    archive = tmp_path / "a-1.tgz"
    subprocess.run(["tar", "-czf", archive, "-C", tmp_path, "package/a.json"], check=True)
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    # An npm that gives this archive, and the set-up's list with its digest or another one's.
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\ncp {archive} .\n")
    npm.chmod(0o755)
    wanted = digest if same else digest[::-1]
    done = bash(
        tmp_path,
        "ID=debian\n",
        f"MINIMIZE_HOME={tmp_path}; SYSTEM_PYTHON={sys.executable}; PATH={tmp_path}:$PATH;"
        f" FORGE_DESCRIPTIONS=('a@1 package/a.json {wanted}'); get_forge_descriptions",
    )
    assert (tmp_path / ".venv/forge-descriptions/a@1.json").exists() is same
    assert ("npm has not given a@1" in done.stdout + done.stderr) is not same
