"""The same optimum as a second optimiser, of another kind: HiGHS, which solves by linear
relaxation and branching. On the real metadata of CentOS Stream 9.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import highspy
import pytest

from bot.advice.candidates import Candidates, candidates_of
from bot.advice.model import Model
from bot.closure.pool import Pool, open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot
from tests.advice.second_model import exact_optimiser
from tests.closure.conftest import request

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}")
BASE = ("glibc-minimal-langpack", "coreutils-single")


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Pool:
    cache = Cache(tmp_path_factory.mktemp("centos"))
    sources = tuple(
        RepoSource(n, n, (f"file://{DATA}/centos-stream-9-{n}/",)) for n in ("baseos", "appstream")
    )
    document = RepositoryDocument(
        "d", "D", "", "", "9", ("x86_64",), sources, module_platform="platform:el9"
    )
    return open_pool(open_snapshot(document, "x86_64", cache), cache)


def constrain(solver: highspy.Highs, candidates: Candidates, inside: Mapping[int, Any]) -> None:
    """Add all that holds among the packages of an image; `inside` has a variable for each."""
    clauses = [clause for job in candidates.jobs for clause in job]
    clauses += [{-n.package, *clause} for n in candidates.needs for clause in n.formula]
    clauses += candidates.exclusions
    for clause in clauses:
        if any(n < 0 and -n not in inside for n in clause):
            continue
        chosen = [inside[n] if n > 0 else 1 - inside[-n] for n in clause if abs(n) in inside]
        solver.addConstr(sum(chosen) >= 1)


def relaxed(candidates: Candidates) -> int:
    """The smallest size by a linear programme of its own: bytes alone, no older versions."""
    solver = exact_optimiser()
    inside = {
        n: solver.addBinary(obj=float(c.installed_size or 0))
        for n, c in candidates.packages.items()
    }
    constrain(solver, candidates, inside)
    solver.minimize()
    values = solver.getSolution().col_value
    return sum(
        candidates.packages[n].installed_size or 0
        for n, v in inside.items()
        if values[v.index] > 0.5
    )


def drawn(pool: Pool, count: int) -> list[str]:
    chance = random.Random(13)
    names = sorted({s.name for s in pool._overlay_pool.pool.solvables if s.arch == "x86_64"})
    return chance.sample(names, count)


def test_the_optimum_of_random_requests_is_that_of_the_second_optimiser(pool):
    solved = smaller = 0
    for name in drawn(pool, 40):
        with pool.solved(request(*BASE, name)) as image:
            if image.closure.status != "ok":
                continue
            candidates = candidates_of(image, "x86_64", [*BASE, name])
        if any(candidates.packages[n].second_tier for n in candidates.now):
            continue
        model = Model([candidates])
        found = model.smallest(seconds=60, known=(candidates.now,))
        assert found.proved
        assert found.size == relaxed(candidates), name
        solved += 1
        smaller += found.size < model.size(0, candidates.now)
    assert solved > 15
    assert smaller > 0
