"""How long closures take, beside dnf 4 on the same repositories, as ratios in one run.

    ./deploy/test --benchmarks

What must be reached: eight closures (two sides, four architectures) of nginx among more than 60,000
packages in at most a tenth of the time of eight dnf calls with pools loaded, in at most a third
from a cold process; one `minimize closure` on CentOS Stream 9 in at most 0.8 of one dnf call; four
architectures in less than 500 MB.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bot.closure.evr import newest
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.images import image_keys, image_request
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.model.package import Overlay
from tests.benchmarks.big_repository import big_repository

pytestmark = [pytest.mark.benchmark, pytest.mark.reference]
DATA = Path(__file__).parents[2].parent / "shared" / "data"
MINIMIZE = Path(sys.executable).with_name("minimize")
ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
EIGHT = """
import sys
from pathlib import Path
from bot.closure.evr import newest
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.images import image_keys, image_request
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.model.package import Overlay
configuration = load_configuration(Path(sys.argv[1]))
cache = Cache(Path(sys.argv[2]))
for key in image_keys(configuration, workloads=("nginx",)):
    request = image_request(configuration, key)
    snapshot = open_snapshot(configuration.repositories[key.repository], key.arch, cache)
    pool = open_pool(snapshot, cache)
    published = newest(pool.published("nginx"), key.arch)
    sides = [Overlay(key.arch, frozenset({"nginx"}), published, "predicted") for _ in range(2)]
    pool.hold(sides)
    for side in sides:
        assert pool.solve(request, side).status == "ok"
    globals().setdefault("kept", []).append(pool)
# Not ru_maxrss: after vfork and exec that is at least what the parent had (Linux's exec_mmap).
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def seconds(run: Callable[[], object], times: int = 5) -> float:
    """The median of several runs, after one that does not count."""
    run()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def dnf_command(
    root: Path, repositories: dict[str, str], arch: str, names: Sequence[str]
) -> list[str]:
    if shutil.which("dnf") is None:
        pytest.skip("dnf 4 is not installed: nothing to compare with")
    (root / arch).mkdir(parents=True, exist_ok=True)
    return [
        "dnf",
        f"--installroot={root / arch}",
        f"--forcearch={arch}",
        "--setopt=reposdir=/dev/null",
        f"--setopt=cachedir={root / 'cache'}",
        "--releasever=1",
        *(f"--repofrompath={name},{url}" for name, url in repositories.items()),
        "--setopt=optional_metadata_types=filelists",
        "--setopt=install_weak_deps=0",
        "--setopt=best=0",
        "--setopt=metadata_expire=-1",
        "--nogpgcheck",
        "--assumeno",
        "install",
        *names,
    ]


def quietly(command: Sequence[str]) -> None:
    """Runs dnf, which ends with 1 when nobody agrees to install what it found."""
    done = subprocess.run(command, check=False, capture_output=True)
    assert b"Operation aborted" in done.stderr, done.stderr[-2000:]


def report(name: str, ours: float, theirs: float, most: float) -> None:
    print(f"{name}: {ours * 1000:.0f} ms, dnf {theirs * 1000:.0f} ms, ratio {ours / theirs:.3f}")
    assert ours / theirs <= most


@pytest.fixture(scope="module")
def big(reference):
    return big_repository(reference, reference.root.parent.parent)


def test_eight_closures_among_sixty_thousand_packages(big, tmp_path, capsys):
    configuration = load_configuration(big.config_dir)
    cache = Cache(tmp_path / "cache")
    keys = image_keys(configuration, workloads=("nginx",))
    assert sorted(key.arch for key in keys) == sorted(ARCHES)
    work = []
    packages = 0
    for key in keys:
        document = configuration.repositories[key.repository]
        pool = open_pool(open_snapshot(document, key.arch, cache), cache)
        published = newest(pool.published("nginx"), key.arch)
        work.append((pool, image_request(configuration, key), published))
        packages = max(packages, pool.packages)
    assert packages >= 60_000

    def eight() -> None:
        for pool, request, published in work:
            # New ones each time: taking overlays into the pool is part of the work.
            nginx = (pool.arch, frozenset({"nginx"}), published)
            sides = [Overlay(*nginx, "predicted") for _ in range(2)]
            pool.hold(sides)
            for side in sides:
                assert pool.solve(request, side).status == "ok"

    names = list(work[0][1].requests)
    commands = [
        dnf_command(tmp_path / "dnf", {"big": big.repositories[arch]}, arch, names)
        for arch in ARCHES
        for _ in range(2)
    ]
    for command in commands[::2]:
        quietly(command)
    theirs = seconds(lambda: [quietly(command) for command in commands], times=3)
    cold = [sys.executable, "-c", EIGHT, str(big.config_dir), str(cache.root)]
    with capsys.disabled():
        print()
        report("eight closures, pools loaded", seconds(eight), theirs, 0.1)
        ours = seconds(lambda: subprocess.run(cold, check=True, capture_output=True), times=3)
        report("eight closures, cold process", ours, theirs, 1 / 3)
        memory = int(subprocess.run(cold, check=True, capture_output=True).stdout) / 1000
        print(f"four architectures loaded: {memory:.0f} MB resident at most")
    assert memory < 500


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}")
def test_one_command_on_centos_stream_9(tmp_path, capsys):
    repositories = {n: f"file://{DATA}/centos-stream-9-{n}/" for n in ("baseos", "appstream")}
    config = tmp_path / "config"
    config.mkdir()
    common = {"name": "n", "description": "d", "maintainer": "m"}
    source = {
        "repos": {name: {"baseurl": url} for name, url in repositories.items()},
        "releasever": "9",
        "architectures": ["x86_64"],
    }
    documents = {
        "repository": ("c9", 2, {"source": source}),
        "environment": ("minimal", 1, {"repositories": ["c9"], "labels": ["l"], "packages": BASE}),
        "workload": ("nginx", 1, {"labels": ["l"], "packages": ["nginx"]}),
    }
    for kind, (name, version, data) in documents.items():
        document = {"document": f"feedback-pipeline-{kind}", "version": version}
        (config / f"{name}.yaml").write_text(json.dumps({**document, "data": {**common, **data}}))
    command = [str(MINIMIZE), "closure", "nginx", "--config", str(config), "--format", "json"]
    command += ["--cache", str(tmp_path / "cache"), "--data", str(tmp_path / "data")]
    dnf = dnf_command(tmp_path / "dnf", repositories, "x86_64", [*BASE, "nginx"])
    quietly(dnf)
    theirs = seconds(lambda: quietly(dnf), times=9)
    ours = seconds(lambda: subprocess.run(command, check=True, capture_output=True), times=9)
    with capsys.disabled():
        print()
        report("minimize closure on CentOS Stream 9, cold", ours, theirs, 0.8)


BASE = ["glibc-minimal-langpack", "coreutils-single", "bash"]
