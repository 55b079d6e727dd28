"""The set-up as other systems meet it: empty ones, whose package manager is a stand-in.

It knows what the packages bring that `deploy/setup.bash` may name there, and fails on any other
name, as the real one does. Read in November 2026: Fedora's spec files, of Rawhide before 45's
branch; RHEL 10's documentation, some of el10's and of EPEL's package names; openSUSE's spec files.
Names of RHEL and EPEL that were not found there are taken from Fedora's: of EPEL 10, apt 3.3.3 and
dpkg 1.23.7 were found, debian-keyring was not. Those of Debian 12 and 13 were also run.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
RPM = """\
git command git
rpm command rpm
rpm-build command rpmbuild
bubblewrap command bwrap
util-linux command setpriv
gcc command gcc
make command make
patch command patch
tar command tar
gzip command gzip
xz command xz
python3-rpm module rpm
python3-devel header Python.h
swig command swig
libxml2-devel file /usr/include/libxml2/libxml/xmlversion.h
zlib-devel file /usr/include/zlib.h
ca-certificates file /etc/ssl/certs
dnf command dnf
python3-dnf module dnf
skopeo command skopeo
curl command curl
systemd command systemd-analyze
postgresql-server either /usr/bin/initdb|/usr/lib/postgresql/*/bin/initdb
postgresql command pg_dump
"""
KEYS = "file /usr/share/keyrings/debian-archive-keyring.gpg"
ENTERPRISE = (
    RPM
    + """\
shadow-utils command newuidmap
shadow-utils command useradd
shadow-utils command usermod
glib2 library libgobject-2.0.so.0
libseccomp library libseccomp.so.2
python3 module venv
python3 module ensurepip
python3-libs module venv
python3-pip command pip3
libcap file /usr/sbin/setcap
/usr/bin/npm command npm
"""
)
DEBIAN_S = """\
apt command apt-get
dpkg command dpkg-deb
debian-keyring file /usr/share/keyrings/debian-archive-keyring.gpg
"""
SUSE = (
    RPM
    + """\
shadow command newuidmap
shadow command useradd
shadow command usermod
libgobject-2_0-0 library libgobject-2.0.so.0
libseccomp2 library libseccomp.so.2
python3 python 3
python3-base module venv
python3-base module ensurepip
libcap-progs file /usr/sbin/setcap
npm-default command npm
dpkg command dpkg-deb
"""
)
APT = """\
git command git
rpm command rpm
rpm command rpmbuild
bubblewrap command bwrap
util-linux command setpriv
uidmap command newuidmap
gcc command gcc
make command make
patch command patch
tar command tar
gzip command gzip
xz-utils command xz
libglib2.0-0 library libgobject-2.0.so.0
libseccomp2 library libseccomp.so.2
python3 python 3
python3-rpm module rpm
python3-venv module venv
python3-venv module ensurepip
apt command apt-get
dpkg command dpkg-deb
debian-archive-keyring file /usr/share/keyrings/debian-archive-keyring.gpg
libsolv-tools command installcheck
dnf command dnf
python3-dnf module dnf
skopeo command skopeo
curl command curl
systemd command systemd-analyze
libcap2-bin file /usr/sbin/setcap
npm command npm
postgresql either /usr/bin/initdb|/usr/lib/postgresql/*/bin/initdb
postgresql-client command pg_dump
qemu-user command qemu-aarch64
python3-gi module gi
gir1.2-modulemd-2.0 module gi.repository.Modulemd
rabbitmq-server file /usr/lib/rabbitmq/bin/rabbitmq-server
"""
MANAGER = """\
#!/bin/sh
cd {home}
echo "${0##*/} $*" >>asked
for word; do
    case $word in -* | install | update | show) continue ;; esac
    grep -q "^$word " packages || { echo "No match for argument: $word"; exit 1; }
    [ "${0##*/}" != apt-cache ] || continue
    grep "^$word " packages | cut -d ' ' -f 2- >>there
    [ "$word" != python3 ] || cp python python3
done
"""


@dataclass(frozen=True, slots=True)
class System:
    """What its os-release says, its Python, and what its packages bring."""

    release: str
    python: tuple[int, int]
    packages: str


SYSTEMS = {
    "Debian 12": System("ID=debian\nVERSION_ID=12", (3, 11), APT + "umoci command umoci\n"
                        "chromium command chromium\n"),
    "Debian 13": System("ID=debian\nVERSION_ID=13", (3, 13), APT + "pagure module pagure\n"
                        "chromium command chromium\n"),
    "Ubuntu 24.04": System("ID=ubuntu\nVERSION_ID=24.04\nID_LIKE=debian", (3, 12), APT),
    "Fedora 44": System("ID=fedora\nVERSION_ID=44\nPLATFORM_ID=platform:f44", (3, 14),
                        ENTERPRISE + DEBIAN_S + "chromium command chromium-browser\n"),
    "Fedora 45": System("ID=fedora\nVERSION_ID=45\nPLATFORM_ID=platform:f45", (3, 15),
                        ENTERPRISE + DEBIAN_S + "chromium command chromium-browser\n"),
    "CentOS Stream 10": System("ID=centos\nVERSION_ID=10\nID_LIKE='rhel fedora'\n"
                               "PLATFORM_ID=platform:el10", (3, 12), ENTERPRISE),
    "RHEL 10": System("ID=rhel\nVERSION_ID=10.1\nID_LIKE='centos fedora'", (3, 12), ENTERPRISE),
    "Rocky 10": System("ID=rocky\nVERSION_ID=10.0\nID_LIKE='rhel centos fedora'", (3, 12),
                       ENTERPRISE),
    "Oracle 10": System("ID=ol\nVERSION_ID=10.0\nID_LIKE=fedora\nPLATFORM_ID=platform:el10",
                        (3, 12), ENTERPRISE),
    "Leap 16": System("ID=opensuse-leap\nVERSION_ID=16.0\nID_LIKE='suse opensuse'", (3, 13), SUSE),
    "Tumbleweed": System("ID=opensuse-tumbleweed\nVERSION_ID=20261101\nID_LIKE='opensuse suse'",
                         (3, 13), SUSE),
}  # fmt: skip
TOOLS = {
    "install": "",
    "demo": "WITH_DEMO_TOOLS=1;",
    "test": "WITH_DEMO_TOOLS=1; WITH_TEST_TOOLS=1;",
}


class Walk:
    """The set-up's packages on an empty system; `there` is what was installed before."""

    def __init__(
        self, home: Path, system: System, tools: str = "install", there: str = "", root: bool = True
    ) -> None:
        for name, text in (
            ("os-release", system.release),
            ("packages", system.packages + "python3 python 3\n"),
            ("there", there),
            ("asked", ""),
        ):
            (home / name).write_text(text)
        (home / "python3").unlink(missing_ok=True)
        python = f"import sys; sys.version_info = {system.python}; exec('$2')"
        programs = {"python": f'#!/bin/sh\nexec {sys.executable} -c "{python}"\n'}
        programs |= dict.fromkeys(("apt-get", "apt-cache", "dnf", "zypper"), MANAGER)
        for name, text in programs.items():
            (home / name).write_text(text.replace("{home}", str(home)))
            (home / name).chmod(0o755)
        command = (
            f'. "$1"; {TOOLS[tools]} SYSTEM_PYTHON={home}/python3; id() {{ echo 0; }};'
            f" may_install() {{ {str(root).lower()}; }};"
            f' is_there() {{ grep -qxF -- "$1 $2" {home}/there; }};'
            " recognize_system; install_system_packages"
        )
        done = subprocess.run(
            ["bash", "-c", command, "bash", str(HOME / "deploy/setup.bash")],
            env={"PATH": f"{home}:/usr/bin:/bin", "OS_RELEASE": str(home / "os-release")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.ended, self.said = done.returncode, done.stderr
        calls = [line.split() for line in (home / "asked").read_text().splitlines()]
        self.packages = {
            word for name, *words in calls if name != "apt-cache"
            for word in words if word not in ("install", "update") and not word.startswith("-")
        }  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_all_that_the_bot_needs_is_a_package_there(name: str, tmp_path: Path) -> None:
    system = SYSTEMS[name]
    walk = Walk(tmp_path, system)
    assert (walk.ended, "error" in walk.said) == (0, False), walk.said
    assert {"git", "bubblewrap", "python3"} <= walk.packages
    assert not {"apt", "dpkg", "dnf", "debian-keyring", "skopeo"} & walk.packages
    # Of a Python for which two libraries have no wheels, what compiles them.
    assert ({"swig", "libxml2-devel", "zlib-devel"} <= walk.packages) == (system.python >= (3, 15))


@pytest.mark.parametrize("tools", ["demo", "test"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_all_that_the_demo_and_the_tests_need_is_one_or_it_is_said(
    name: str, tools: str, tmp_path: Path
) -> None:
    system = SYSTEMS[name]
    walk = Walk(tmp_path, system, tools)
    if "\napt " in system.packages:
        assert (walk.ended, "error" in walk.said) == (0, False), walk.said
        assert {"apt", "dpkg"} <= walk.packages
    elif system.packages is ENTERPRISE:
        assert walk.ended == 1
        assert (
            "dnf install -y https://dl.fedoraproject.org/pub/epel/epel-release-latest-10.noarch"
            in (walk.said)
        )
        assert "deploy/install, then minimize check --on centos-stream-10." in walk.said
        # As it is said: with EPEL.
        with_epel = System(system.release, system.python, ENTERPRISE + DEBIAN_S)
        assert Walk(tmp_path, with_epel, tools).ended == 0
        # And where EPEL has no debian-keyring.
        lacking = re.sub("^debian-keyring .*\n", "", DEBIAN_S, flags=re.M)
        without = System(system.release, system.python, ENTERPRISE + lacking)
        assert Walk(tmp_path, without, tools).ended == 1
        assert Walk(tmp_path, without, tools, f"{KEYS}\n").ended == 0
    else:
        assert walk.ended == 1 and walk.packages == {"python3"}
        assert "has no package with apt-get." in walk.said
        assert "minimize check --on opensuse-tumbleweed." in walk.said
        # With an apt-get of somebody's own.
        assert Walk(tmp_path, system, tools, f"command apt-get\n{KEYS}\n").ended == 0


@pytest.mark.parametrize("name", SYSTEMS)
def test_who_may_not_install_is_told_the_whole_command(name: str, tmp_path: Path) -> None:
    """Not Python first, and the rest at the next try."""
    walk = Walk(tmp_path, SYSTEMS[name], root=False)
    assert (walk.ended, walk.packages) == (1, set())
    (command,) = re.findall(r"Run this again after, as root: (.*)", walk.said)
    *_, words = command.partition(" install ")
    named = {word for word in words.split() if not word.startswith("-")}
    # What Python itself brings, and what only a newer one needs, is known once it is there.
    later = {"swig", "libxml2-devel", "zlib-devel", "python3-devel"}
    assert Walk(tmp_path, SYSTEMS[name]).packages - later <= named
    assert named <= {line.split()[0] for line in SYSTEMS[name].packages.splitlines()} | {"python3"}


@pytest.mark.parametrize("known", [True, False])
def test_what_a_release_has_not_got_is_not_installed(known: bool, tmp_path: Path) -> None:
    """Debian 12 has no Pagure: what wants it is skipped there."""
    walk = Walk(tmp_path, SYSTEMS["Debian 13" if known else "Debian 12"], "test")
    assert ("pagure" in walk.packages, "umoci" in walk.packages) == (known, not known)


def test_a_failure_that_is_not_of_debian_s_tools_has_no_advice_about_them(tmp_path: Path) -> None:
    system = SYSTEMS["Fedora 44"]
    lacking = System(system.release, system.python, system.packages.replace("bubblewrap", "other"))
    walk = Walk(tmp_path, lacking, "demo")
    assert walk.ended == 1 and "Its messages above say why." in walk.said
    assert "EPEL" not in walk.said


@pytest.mark.parametrize(
    ("release", "python"),
    [
        ("ID=ol\nVERSION_ID=9.4\nID_LIKE=fedora\nPLATFORM_ID=platform:el9", (3, 9)),
        ("ID=amzn\nVERSION_ID=2023\nID_LIKE=fedora", (3, 9)),
        ("ID=opensuse-leap\nVERSION_ID=15.6\nID_LIKE='suse opensuse'", (3, 6)),
    ],
)
def test_a_python_that_is_too_old_is_told_before_more_is_installed(
    release: str, python: tuple[int, int], tmp_path: Path
) -> None:
    walk = Walk(tmp_path, System(release, python, ENTERPRISE))
    assert walk.ended == 1 and "is too old: its own Python" in walk.said
    assert walk.packages <= {"python3"}


@pytest.mark.parametrize("name", [name for name, one in SYSTEMS.items() if one.packages != APT
                                  and not name.startswith("Debian")])  # fmt: skip
def test_what_the_bot_s_package_requires_is_there(name: str) -> None:
    """Of deploy/minimize.spec: a package, the file of a package, or a library's name."""
    lines = SYSTEMS[name].packages.splitlines()
    names = {line.split()[0] for line in lines} | {"python3"}
    files = {line.split()[2] for line in lines}
    spec = (HOME / "deploy/minimize.spec").read_text()
    required = re.findall(r"^(?:Requires|Recommends)\S*:\s+(\S+)", spec, re.M)
    assert len(required) == 12
    for one in required:
        bare = re.sub(r"^/usr/s?bin/|\(\)\(64bit\)$", "", one)
        assert bare in names | files, one
