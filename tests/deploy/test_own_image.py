"""The packages of the bot's own image, on the reference distribution: their objective, by the bot.

They are those that the Containerfile installs beside the bot itself. The reference distribution has
the interpreter and rpm; of git, bubblewrap and uidmap it has nothing (ABSENT).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bot.demo.distribution.reference import ReferenceDistribution
from tests.check.tiny import Bench, objective, workload

CONTAINERFILE = Path(__file__).parents[2] / "deploy/container/Containerfile"
ABSENT = {"bubblewrap", "git", "libglib2.0-0t64", "libseccomp2", "uidmap"}
LIMITS = {"packages": 95, "installed_size": "230 MB"}  # 86 and 201.4 MB in November 2026

pytestmark = pytest.mark.reference


def installed() -> set[str]:
    """What the stage of the Containerfile that becomes the image installs."""
    _, stage = CONTAINERFILE.read_text().split("\nFROM ${BASE} AS root\n")
    found = re.search(r"apt-get install [^\\]*\\\n\s*([^\\]*?)\s*\\\n", stage)
    assert found is not None
    return set(found[1].split())


def document(*more: str) -> str:
    return workload(*sorted(installed() - ABSENT), *more).replace("labels: [l]", "labels: [own]")


@pytest.fixture
def bench(reference: ReferenceDistribution, tmp_path: Path) -> Bench:
    """The reference distribution with our objective; the workload's document is in git."""
    made = Bench(tmp_path, reference.root)
    made.document("minimize", document())
    for name in ("reference", "minimal"):
        shutil.copy(reference.config_dir / f"{name}.yaml", made.config)
    minimal = made.config / "minimal.yaml"
    minimal.write_text(minimal.read_text().replace("[reference-minimal]", "[own]"))
    made.document("small", objective("minimize", architectures=["x86_64"], limits=LIMITS))
    made.start({"minimize.yaml": document()})
    return made


def test_what_the_image_installs_is_there_but_for_what_is_named(
    reference: ReferenceDistribution,
) -> None:
    there = {path.name for path in (reference.root / "repositories/x86_64").rglob("*.rpm")}
    found = {name for name in installed() if any(one.startswith(f"{name}-") for one in there)}
    assert installed() - found == ABSENT


def test_the_bots_own_packages_meet_their_objective_until_a_compiler_comes_in(bench: Bench) -> None:
    result = bench.check({"minimize.yaml": document("gcc")}, arches=("x86_64",))
    assert result.requests == ("minimize.yaml",)
    (image,) = result.images
    assert image.base.status == image.head.status == "ok"
    assert "gcc" in {one.nevra.name for one in image.added}
    assert result.verdict == "failure"
    assert {one.metric for one in image.objectives} == set(LIMITS)
    for one in image.objectives:
        assert one.before is not None and one.before <= one.limit and not one.met
