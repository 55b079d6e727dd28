"""How long the advice for a whole fleet takes: 441 workloads on four architectures, and as many of
CentOS Stream 9 on one.

    ./deploy/test --benchmarks tests/benchmarks/test_advice_speed.py

What must be reached: smallest and one edit within 3 minutes on two processors, within 10 s where
nothing changed since; of plans of three edits 99 of 100 proved.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.cli.options import Choice, Places, pools_and_requests
from tests.benchmarks.content_resolver_tree import WORKLOADS, write_tree

pytestmark = pytest.mark.benchmark
DATA = Path(__file__).parents[2].parent / "shared" / "data"
MINIMIZE = Path(sys.executable).with_name("minimize")
BASE = ["glibc-minimal-langpack", "coreutils-single", "bash"]
DEBUG = ("-debuginfo", "-debugsource")


def document(config: Path, id_: str, kind: str, version: int, data: dict[str, object]) -> None:
    common = {"name": "n", "description": "d", "maintainer": "m"}
    text = {"document": f"feedback-pipeline-{kind}", "version": version, "data": {**common, **data}}
    (config / f"{id_}.yaml").write_text(json.dumps(text))


def centos_stream_9(root: Path) -> Path:
    """441 workloads of one to six packages that can be installed together, drawn by chance."""
    config = root / "config"
    config.mkdir()
    repos = {n: {"baseurl": f"file://{DATA}/centos-stream-9-{n}/"} for n in ("baseos", "appstream")}
    source = {"repos": repos, "releasever": "9", "architectures": ["x86_64"]}
    document(config, "c9", "repository", 2, {"source": source})
    environment = {"repositories": ["c9"], "labels": ["l"], "packages": BASE}
    document(config, "minimal", "environment", 1, environment)
    document(config, "w-000", "workload", 1, {"labels": ["l"], "packages": ["bash"]})
    places = Places(config, root / "data", root / "cache")
    configuration = places.configuration(named=True)
    keys = Choice((), (), (), ()).keys(configuration)
    ((pool, _),) = pools_and_requests(keys, configuration, places)
    with pool.opened() as overlays:
        seen = {s.name for s in overlays.pool.solvables if overlays.enabled(s.id)}
    names = sorted(name for name in seen if not name.endswith(DEBUG))
    rolls = random.Random(9)
    made = 0
    while made < WORKLOADS:
        wanted = rolls.sample(names, rolls.randrange(1, 7))
        closure = pool.solve_names([*BASE, *wanted], settled=lambda _: True)
        if closure.status == "ok":
            data: dict[str, object] = {"labels": ["l"], "packages": wanted}
            document(config, f"w-{made:03}", "workload", 1, data)
            made += 1
    return config


def tree(root: Path) -> Path:
    return write_tree(root / "tree", alternatives=True).config_dir


@pytest.mark.parametrize("written", [tree, centos_stream_9])
def test_the_advice_for_441_workloads(written, tmp_path, capsys):
    if written is centos_stream_9 and not DATA.is_dir():
        pytest.skip(f"no real metadata at {DATA}")
    config = written(tmp_path)
    command = [str(MINIMIZE), "advise", "--format", "json", "--quiet", "--config", str(config)]
    command += ["--cache", str(tmp_path / "cache"), "--data", str(tmp_path / "data")]
    closure = [str(MINIMIZE), "closure", "workload-000" if written is tree else "w-000"]
    subprocess.run([*closure, *command[4:]], check=False, capture_output=True)

    def timed(edits: int) -> tuple[float, list[dict[str, object]]]:
        start, before = time.perf_counter(), os.times()
        whole = [*command, "--edits", str(edits)]
        done = subprocess.run(whole, check=False, capture_output=True, text=True)
        taken, after = time.perf_counter() - start, os.times()
        spent = sum(after[:4]) - sum(before[:4])
        with capsys.disabled():
            print(
                f"\n{written.__name__}, {edits} edits: {taken:.1f} s, {spent:.1f} s of processors"
            )
        return taken, json.loads(done.stdout)["images"]

    first, images = timed(1)
    again, same = timed(1)
    assert same == images
    _, images = timed(3)
    # What has a package of unknown size, as some of the tree have, is never proved.
    plans = [
        plan
        for image in images
        for plan in image["plans"]
        if plan["edits"] == 3 and all(one["installed_size"] is not None for one in plan["arches"])
    ]
    proved = sum(plan["proved"] for plan in plans)
    with capsys.disabled():
        print(f"{proved} of {len(plans)} plans of three edits are proved")
    assert first < 180
    assert again < 10
    assert proved >= 0.99 * len(plans)
