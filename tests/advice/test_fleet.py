"""The fewest distinct packages for several images: equal to every choice tried, and to the second
optimiser on CentOS Stream 9."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.advice.advise import Wish, advise
from bot.advice.candidates import Candidates, candidates_of
from bot.advice.fleet import FleetModel
from bot.advice.propagation import ClauseSet
from bot.advice.requests import Job
from bot.model.advice import Fleet
from bot.model.image import ImageKey
from tests.advice.brute import Thing, images
from tests.advice.test_second_optimiser import BASE, constrain, exact_optimiser, pool, pytestmark
from tests.advice.test_smallest import NEED, considered, repositories, written
from tests.closure.conftest import Tiny, request

__all__ = ["pool"]
real = pytestmark


def fleet(pool, *requests: tuple[str, ...]) -> Fleet:
    model = FleetModel()
    for number, names in enumerate(requests):
        key = ImageKey(f"w{number}", "e", "d", pool.arch)
        job = Job(pool, replace(request(*names), key=key))
        advise([job], Wish(edits=0), fleet=model)
    return model.fleet(60)


@st.composite
def two_images(draw) -> list[Thing]:
    return [*draw(repositories()), Thing("beside", size=10, requires=(draw(NEED), draw(NEED)))]


def fewest(things: list[Thing]) -> int | None:
    """The bytes of the best two images together, by trying all pairs."""
    pairs = product(*({frozenset(i) for i in images(things, [n])} for n in ("app", "beside")))
    return min((sum(t.size for t in one | other) for one, other in pairs), default=None)


@settings(max_examples=400)
@given(two_images())
def test_it_is_the_best_of_all_choices_together(things):
    things = considered(things)[-7:]
    with TemporaryDirectory() as root:
        pool = Tiny(Path(root)).pool(written(Path(root), things))
        today = [pool.solve(request(name)) for name in ("app", "beside")]
        if any(closure.status != "ok" for closure in today):
            return
        joint = fleet(pool, ("app",), ("beside",))
        best = fewest(things)
        assert joint.bound <= best <= joint.installed_size <= joint.now.installed_size
        assert joint.proved == (joint.installed_size == joint.bound)
        if joint.proved:
            assert joint.installed_size == best
        distinct = set()
        for name, one in zip(("app", "beside"), joint.images, strict=True):
            again = pool.solve(request(name, *one.request), exclude=one.excludes)
            distinct |= {p.nevra for p in again.packages}
        assert len(distinct) == joint.packages


def test_images_settle_on_one_library_that_none_would_choose_alone(tiny):
    base = tiny.repository()
    base.package("a-0:1-1.x86_64", requires=["lib"], conflicts=["lib-two"])
    base.package("b-0:1-1.x86_64", requires=["lib"], conflicts=["lib-one"])
    for name, size in (("lib-one", 100), ("lib-two", 100), ("lib-zero", 120)):
        base.package(f"{name}-0:1-1.x86_64", size=size, provides=["lib"])
    joint = fleet(tiny.pool(base), ("a",), ("b",))
    assert (joint.packages, joint.installed_size, joint.proved) == (3, 2120, True)
    assert joint.smallest.installed_size == 2200
    assert joint.request == {"w0": ("lib-zero",), "w1": ("lib-zero",)}


def test_an_image_that_the_shared_choice_breaks_is_added_whole(tiny):
    base = tiny.repository()
    base.package("a-0:1-1.x86_64", requires=["lib", "tool"])
    base.package("b-0:1-1.x86_64", requires=["lib-small"])
    base.package("tool-0:1-1.x86_64", conflicts=["lib-small"])
    base.package("lib-small-0:1-1.x86_64", size=10, provides=["lib"])
    base.package("lib-large-0:1-1.x86_64", size=900, provides=["lib"])
    joint = fleet(tiny.pool(base), ("a",), ("b",))
    assert (joint.packages, joint.installed_size, joint.proved) == (5, 3910, True)


def test_architectures_share_what_has_none(tiny, tmp_path):
    model = FleetModel()
    for arch in ("x86_64", "aarch64"):
        base = tiny.repository(arch)
        base.package(f"app-0:1-1.{arch}", requires=["data"])
        base.package("data-0:1-1.noarch", size=500)
        job = Job(tiny.pool(base, arch=arch), request("app", arch=arch))
        advise([job], Wish(edits=0), fleet=model)
    joint = model.fleet(10)
    assert (joint.packages, joint.installed_size) == (3, 2500)


def test_parts_that_share_nothing_are_solved_alone():
    clauses = ClauseSet([(1,), (-1, 2, 3), (-2, 4), (5, 6), (-7, 8), (-1, -9)])
    assert clauses.settled == {1, -9}
    parts = clauses.derive({}).parts({})
    assert [part.clauses for part in parts] == [((2, 3), (-2, 4)), ((5, 6),)]


def relaxed(found: list[Candidates]) -> int:
    """The fewest distinct bytes by a linear programme with every image's own packages."""
    solver = exact_optimiser()
    sizes = {n: c.installed_size or 0 for one in found for n, c in one.packages.items()}
    shared = {n: solver.addBinary(obj=float(size)) for n, size in sizes.items()}
    for one in found:
        inside = {n: solver.addBinary() for n in one.packages}
        for number, variable in inside.items():
            solver.addConstr(shared[number] >= variable)
        constrain(solver, one, inside)
    solver.minimize()
    values = solver.getSolution().col_value
    return sum(sizes[n] for n, v in shared.items() if values[v.index] > 0.5)


@real
def test_the_fleet_of_real_images_is_that_of_the_second_optimiser(pool):
    names = ("nginx", "httpd", "podman", "curl", "redis", "php-cli", "rsyslog")
    found = []
    for name in names:
        with pool.solved(request(*BASE, name)) as image:
            found.append(candidates_of(image, "x86_64", [*BASE, name]))
    ours = fleet(pool, *((*BASE, name) for name in names))
    assert ours.proved
    assert ours.installed_size == relaxed(found) <= ours.smallest.installed_size
