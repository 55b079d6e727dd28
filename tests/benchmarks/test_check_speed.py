"""How long a library's check takes: beside `minimize closure`, and for a whole library of images.

    ./deploy/test --benchmarks

What must be reached: the predicted check of openssl in 34 images of CentOS Stream 9 in at most
three times the processor time of `minimize closure` of the same images in the same run; that of
the C library in 441 workloads on four architectures, all of them affected, within 25 s in less than
700 MB.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import pytest

from tests.benchmarks.content_resolver_tree import ARCHES, name, write_tree

pytestmark = pytest.mark.benchmark
DATA = Path(__file__).parents[2].parent / "shared" / "data"
MINIMIZE = Path(sys.executable).with_name("minimize")
OPENSSL = """\
Name: openssl
Epoch: 1
Version: 3.0.1
Release: 5.el9
Summary: s
License: x
Requires: %{name}-libs%{?_isa} = %{epoch}:%{version}-%{release}
%description
%files
%package libs
Summary: l
Requires: ca-certificates >= 2008-5
Requires: crypto-policies >= 20180730
%description libs
%files libs
"""
LIBRARY = """\
Name: src00000
Version: 1.0
Release: 1
Summary: s
License: MIT
%description
""" + "".join(
    f"%package -n {each}\nVersion: 1.{number}\nSummary: s\n"
    f"%description -n {each}\n%files -n {each}\n"
    for number, each in enumerate(map(name, range(3)))
)
WORKLOADS = """
nginx httpd podman curl openssh-server openssh-clients git python3-pip mariadb-server redis php-cli
nodejs ruby net-snmp tmux python3-requests bind rsyslog chrony samba openldap-clients haproxy
memcached postfix rsync stunnel unbound dnsmasq NetworkManager sssd firewalld tcpdump iperf3 buildah
"""


class Memory:
    """Bytes that a process and those that it started use, at most: each page that several of them
    share counts once (`Pss` of proc_pid_smaps(5)). Looked at ten times a second until it ends."""

    def __init__(self, pid: int) -> None:
        self._most = 0
        self._thread = Thread(target=self._watch, args=(pid,))
        self._thread.start()

    def _watch(self, pid: int) -> None:
        while now := sum(map(_share, _tree(pid))):
            self._most = max(self._most, now)
            time.sleep(0.1)

    def peak(self) -> int:
        self._thread.join()
        return self._most


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _tree(int(child)))]


def _share(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def repository(root: Path, name: str, before: str, after: str) -> Path:
    """A git repository whose branch `change` has another spec file than `main`."""
    root.mkdir()
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    for number, text in enumerate((before, after)):
        (root / f"{name}.spec").write_text(text)
        commands: list[list[str]] = [["add", "."], ["commit", "-qm", str(number)]]
        start = ["init", "-q", "-b", "main"] if number == 0 else ["checkout", "-qb", "change"]
        for command in (start, *commands):
            subprocess.run(["git", *identity, *command], cwd=root, check=True)
    return root


def processor_seconds(command: Sequence[str], times: int = 3) -> float:
    """The median of several runs with their processes, after one that does not count."""
    taken = []
    for _ in range(times + 1):
        before = os.times()
        done = subprocess.run(command, check=False, capture_output=True)
        assert done.returncode in (0, 3), done.stderr[-2000:]
        after = os.times()
        used = after.children_user - before.children_user
        taken.append(used + after.children_system - before.children_system)
    return statistics.median(taken[1:])


def write_centos_stream_9(config: Path, base: str) -> None:
    """The documents of 34 images of CentOS Stream 9, whose metadata is below the URL `base`."""
    config.mkdir()
    common = {"name": "n", "description": "d", "maintainer": "m"}
    repos = {n: {"baseurl": f"{base}/centos-stream-9-{n}/"} for n in ("baseos", "appstream")}
    source = {"repos": repos, "releasever": "9", "architectures": ["x86_64"]}
    packages = ["glibc-minimal-langpack", "coreutils-single", "bash"]
    documents: dict[str, tuple[str, int, dict[str, object]]] = {
        "c9": ("repository", 2, {"source": source}),
        "minimal": (
            "environment",
            1,
            {"repositories": ["c9"], "labels": ["l"], "packages": packages},
        ),
        **{
            f"w-{w}": ("workload", 1, {"labels": ["l"], "packages": [w]}) for w in WORKLOADS.split()
        },
    }
    for id_, (kind, version, data) in documents.items():
        document = {"document": f"feedback-pipeline-{kind}", "version": version}
        (config / f"{id_}.yaml").write_text(json.dumps({**document, "data": {**common, **data}}))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}")
def test_a_library_in_34_images_of_centos_stream_9(tmp_path, capsys):
    config = tmp_path / "config"
    write_centos_stream_9(config, f"file://{DATA}")
    needed = "Requires: crypto-policies >= 20180730\n"
    head = OPENSSL.replace(needed, f"{needed}Requires: perl-interpreter\n")
    git = repository(tmp_path / "git", "openssl", OPENSSL, head)
    shared = ["--config", str(config), "--cache", str(tmp_path / "cache"), "--format", "json"]
    shared += ["--data", str(tmp_path / "data")]
    closures = processor_seconds([str(MINIMIZE), "closure", *shared])
    check = [str(MINIMIZE), "check", "--git", str(git), "--base", "main", "--head", "change"]
    ours = processor_seconds([*check, "--no-build", *shared])
    with capsys.disabled():
        print(f"\ncheck of openssl in {len(WORKLOADS.split())} images: {ours:.2f} s of processor, "
              f"closure {closures:.2f} s, ratio {ours / closures:.2f}")  # fmt: skip
    assert len(WORKLOADS.split()) == 34
    assert ours / closures <= 3


def test_the_c_library_in_441_workloads_on_four_architectures(tmp_path, capsys):
    tree = write_tree(tmp_path / "tree")
    needs = f"Requires: {name(777)}\n%description -n {name(0)}"
    head = LIBRARY.replace(f"%description -n {name(0)}", needs)
    git = repository(tmp_path / "git", "src00000", LIBRARY, head)
    command = [str(MINIMIZE), "check", "--git", str(git), "--base", "main"]
    command += ["--head", "change", "--no-build", "--format", "text"]
    command += ["--config", str(tree.config_dir), "--cache", str(tmp_path / "cache")]
    command += ["--data", str(tmp_path / "data")]
    subprocess.run(command, check=False, capture_output=True)
    start, before = time.perf_counter(), os.times()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        memory = Memory(running.pid)
        assert running.stdout is not None
        text = running.stdout.read()
    taken, after = time.perf_counter() - start, os.times()
    spent = sum(after[2:4]) - sum(before[2:4])
    megabytes = memory.peak() / 1e6
    with capsys.disabled():
        print(f"\ncheck of the C library in 441 workloads x 4: {taken:.1f} s, "
              f"{spent:.1f} s of processor, {megabytes:.0f} MB")  # fmt: skip
    assert "413 images grow" in text
    assert all(arch in text for arch in ARCHES)
    assert taken <= 25
    assert megabytes < 700
