"""The smallest image for a request: equal to every set tried, and what dnf then installs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.advice import optimum
from bot.advice.advise import Wish, advise
from bot.advice.maxsat import _Stoppable, _TimeIsOverError
from bot.advice.requests import Job
from bot.advice.solved_parts import SolvedParts
from bot.model.advice import Figures, Losses, Smallest, Swap
from bot.model.capability import names_in
from tests.advice.brute import Thing, smallest
from tests.closure.conftest import Tiny, overlay, package, request
from tests.closure.test_like_dnf import ODD_REQUESTS, odd_repositories

NONE = Wish(edits=0)


def written(root: Path, things: Sequence[Thing], *, name: str = "base", **options):
    repository = Tiny(root).repository(name, **options)
    for thing in things:
        repository.package(
            thing.nevra,
            source=f"{thing.source or thing.name}-{thing.version}-1",
            size=thing.size,
            requires=thing.requires,
            provides=thing.provides,
            conflicts=thing.conflicts,
            obsoletes=thing.obsoletes,
            pre=thing.pre,
        )
    return repository


def advice(pool, *requests: str, wish: Wish = NONE):
    (advised,) = advise([Job(pool, request(*requests))], wish)
    return advised


# -- every set of packages ----------------------------------------------------------------------

NAMES = "abcdefg"
CAPABILITIES = "xyz"
PLAIN = st.sampled_from([*NAMES, *CAPABILITIES])
RICH = st.one_of(
    st.builds("({} {} {})".format, PLAIN, st.sampled_from(["and", "or", "if", "unless"]), PLAIN),
    st.builds("({} {} {})".format, PLAIN, st.sampled_from(["with", "without"]), PLAIN),
    st.builds("({} if {} else {})".format, PLAIN, PLAIN, PLAIN),
    st.builds("({} unless {} else {})".format, PLAIN, PLAIN, PLAIN),
    st.builds("({} and ({} or {}))".format, PLAIN, PLAIN, PLAIN),
)
NEED = st.one_of(PLAIN, PLAIN, RICH)
NEEDS = st.lists(NEED, max_size=2, unique=True).map(tuple)
RARELY = st.one_of(st.just(()), st.just(()), st.tuples(PLAIN))


def _of_others(thing: Thing) -> Thing:
    """Without conflicts that speak of itself: libsolv passes over some of those."""
    own = {thing.name, *thing.provides}
    kept = tuple(c for c in thing.conflicts if not own & names_in(c))
    obsoletes = tuple(o for o in thing.obsoletes if o != thing.name)
    return replace(thing, conflicts=kept, obsoletes=obsoletes)


@st.composite
def repositories(draw) -> list[Thing]:
    things = []
    for name in NAMES:
        needs = draw(NEEDS)
        thing = Thing(
            name,
            version=draw(st.integers(1, 2)),
            size=draw(st.sampled_from([1, 2, 3, 5, 8, 1000])),
            requires=needs,
            provides=tuple(draw(st.lists(st.sampled_from("xyz"), max_size=2, unique=True))),
            conflicts=draw(st.one_of(RARELY, st.tuples(RICH))),
            obsoletes=draw(st.one_of(st.just(()), RARELY)),
            pre=needs[:1] if draw(st.booleans()) else (),
        )
        things.append(_of_others(thing))
    things.append(Thing("app", size=10, requires=(draw(NEED), draw(NEED))))
    return things


def considered(things: Sequence[Thing]) -> list[Thing]:
    """Without what another package obsoletes: that is no candidate."""
    return [t for t in things if not any(t.name in other.obsoletes for other in things)]


@settings(max_examples=200)
@given(repositories())
def test_it_is_the_smallest_of_all_sets_of_packages(things):
    with TemporaryDirectory() as root:
        pool = Tiny(Path(root)).pool(written(Path(root), things))
        advised = advice(pool, "app")
        best = smallest(considered(things), ["app"])
        if advised.status != "ok":
            assert best is None
            return
        today = {p.nevra.name for p in pool.solve(request("app")).packages}
        assume(today <= {t.name for t in considered(things)})
        assert advised.smallest.bound == best[0]
        # What no request brings about is not called the smallest.
        assert advised.smallest.proved == (advised.smallest.installed_size == best[0])
        again = pool.solve(
            request("app", *advised.smallest.request), exclude=advised.smallest.excludes
        )
        installed = sorted(str(p.nevra) for p in again.packages)
        assert len(installed) == advised.smallest.packages
        if advised.smallest.proved:
            assert installed == best[2]


# -- one rule each ------------------------------------------------------------------------------


def test_dnf_installs_the_smallest_with_what_is_to_be_requested(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["liba.so.1()(64bit)"])
    lib = {"source": "lib-1-1", "provides": ["liba.so.1()(64bit)", "libmore.so.1()(64bit)"]}
    base.package("lib-0:1-1.x86_64", size=9000, requires=["extra"], files=["/usr/bin/t"], **lib)
    base.package("extra-0:1-1.x86_64", size=500)
    base.package("lib-minimal-0:1-1.x86_64", source="lib-1-1", provides=["liba.so.1()(64bit)"])
    pool = tiny.pool(base)
    advised = advice(pool, "app")
    assert advised.now == Figures(3, 10_500)
    assert advised.smallest == Smallest(
        2,
        2000,
        True,
        2000,
        ("lib-minimal",),
        (),
        (
            Swap(
                ("lib",), "lib-minimal", 8500, "same-source",
                Losses(("/usr/bin/t",), ("libmore.so.1",)),
            ),
        ),
    )  # fmt: skip


def test_what_comes_with_another_package_is_instead_of_what_the_first_one_needed(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["tool"])
    tool, lib = {"source": "tool-1-1", "provides": ["tool"]}, {"source": "lib-1-1"}
    base.package("tool-0:1-1.x86_64", source="tool-1-1", size=900, requires=["lib.so"])
    base.package("tool-minimal-0:1-1.x86_64", size=500, requires=["lib.so", "lib-any"], **tool)
    for name, size in (("lib", 9000), ("lib-minimal", 1000)):
        base.package(f"{name}-0:1-1.x86_64", size=size, provides=["lib.so", "lib-any"], **lib)
    best = advice(tiny.pool(base), "app").smallest
    assert best.request == ("lib-minimal", "tool-minimal")
    assert [(s.of, s.take, s.saves) for s in best.instead] == [
        (("lib",), "lib-minimal", 8000), (("tool",), "tool-minimal", 400),
    ]  # fmt: skip


def test_a_package_that_nothing_needs_is_excluded_where_a_request_does_not_do(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["web", "(big or small)"])
    base.package("small-0:1-1.x86_64", size=10, provides=["web"])
    base.package("big-0:1-1.x86_64", size=5000)
    advised = advice(tiny.pool(base), "app")
    assert (advised.smallest.installed_size, advised.smallest.proved) == (1010, True)


def test_what_a_document_names_is_never_swapped(tiny):
    base = tiny.repository()
    base.package("big-0:1-1.x86_64", size=5000, provides=["web"])
    base.package("small-0:1-1.x86_64", provides=["web"], obsoletes=["nothing"])
    pool = tiny.pool(base)
    assert advice(pool, "big").smallest.installed_size == 5000
    assert advice(pool, "web").smallest.installed_size == 1000


def test_release_packages_crypto_policies_and_kernels_are_never_swapped(tiny):
    base = tiny.repository()
    needs = ["system-release", "policies", "kernel-of-some-kind", "identity"]
    base.package("app-0:1-1.x86_64", requires=needs)
    for name, provided in (
        ("alpha-release", ["system-release"]),
        ("crypto-policies", ["policies"]),
        ("kernel", ["kernel-of-some-kind"]),
    ):
        base.package(f"{name}-0:1-1.x86_64", size=5000, provides=provided)
        base.package(f"z-{name}-0:1-1.x86_64", size=10, provides=provided)
    for size, name in ((5000, "alpha-release-identity-a"), (10, "alpha-release-identity-z")):
        base.package(
            f"{name}-0:1-1.x86_64", source="alpha-release-1-1", size=size, provides=["identity"]
        )
    advised = advice(tiny.pool(base), "app")
    assert advised.smallest.installed_size == advised.now.installed_size == 21_000


def test_an_older_version_is_no_saving(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("lib-0:2-1.x86_64", size=9000).package("lib-0:1-1.x86_64", size=10)
    assert advice(tiny.pool(base), "app").smallest.installed_size == 10_000


def test_the_fewest_older_versions_come_before_bytes(tiny):
    """Today's image has an older `helper`, because the newer one cannot be installed; with `other`
    it needs none."""
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["service"])
    base.package("a-0:1-1.x86_64", provides=["service"], requires=["helper"])
    base.package("helper-0:2-1.x86_64", requires=["nowhere"]).package("helper-0:1-1.x86_64", size=1)
    base.package("b-0:1-1.x86_64", provides=["service"], size=7000)
    advised = advice(tiny.pool(base), "app")
    assert advised.now.installed_size == 2001
    assert (advised.smallest.installed_size, advised.smallest.request) == (8000, ("b",))


def test_a_repository_of_a_worse_priority_and_excludes_do_not_count(tiny):
    base = tiny.repository(priority=10, exclude=("hidden",))
    base.package("app-0:1-1.x86_64", requires=["lib", "other"])
    base.package("lib-0:1-1.x86_64", size=9000)
    base.package("b-0:1-1.x86_64", provides=["other"], size=6000)
    base.package("hidden-0:1-1.x86_64", provides=["other"], size=10)
    more = tiny.repository("more", priority=50)
    more.package("lib-0:2-1.x86_64", size=10)
    assert advice(tiny.pool(base, more), "app").smallest.installed_size == 16_000


@pytest.mark.parametrize(("arch", "taken"), [("i686", "small"), ("x86_64", "large")])
def test_what_only_a_foreign_package_obsoletes_counts(tiny, arch, taken):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("large-0:1-1.x86_64", size=9000, provides=["lib"])
    base.package("small-0:1-1.x86_64", size=100, provides=["lib"])
    base.package(f"new-0:1-1.{arch}", obsoletes=["small"])
    best = advice(tiny.pool(base), "app").smallest
    assert best.installed_size == {"small": 1100, "large": 10_000}[taken]


def test_what_another_candidate_obsoletes_does_not_count(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("new-0:2-1.x86_64", size=9000, obsoletes=["old"], provides=["lib"])
    base.package("old-0:1-1.x86_64", size=10, provides=["lib"])
    assert advice(tiny.pool(base), "app").smallest.installed_size == 10_000


def test_foreign_packages_count_only_where_nothing_else_provides_or_today_has_them(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib", "only"])
    base.package("lib-0:1-1.x86_64", size=9000).package("lib-0:1-1.i686", size=10)
    base.package("only-a-0:1-1.i686", size=500, provides=["only"])
    base.package("only-b-0:1-1.i686", size=300, provides=["only"])
    advised = advice(tiny.pool(base), "app")
    assert (advised.smallest.installed_size, advised.smallest.proved) == (10_300, True)


@pytest.mark.parametrize("chosen", range(4))
def test_odd_requests_have_an_advice_where_they_can_be_installed(tiny, chosen):
    pool = tiny.pool(*odd_repositories(tiny))
    for name in ODD_REQUESTS[chosen::4]:
        advised = advice(pool, name, wish=Wish(edits=2))
        closure = pool.solve(request(name))
        assert advised.status == closure.status, name
        if closure.status == "ok":
            assert advised.now.packages == len(closure.packages), name
            assert advised.smallest.bound <= advised.smallest.installed_size, name


def test_a_requirement_behind_the_marker_and_on_a_path_counts(tiny):
    base = tiny.repository()
    needs = ["/usr/share/deep/file", "setup"]
    base.package("app-0:1-1.x86_64", requires=needs, pre=["setup"])
    base.package("a-0:1-1.x86_64", size=9000, files=["/usr/share/deep/file"], provides=["setup"])
    base.package("b-0:1-1.x86_64", size=100, files=["/usr/share/deep/file"])
    base.package("c-0:1-1.x86_64", size=200, provides=["setup"])
    advised = advice(tiny.pool(base), "app")
    assert (advised.smallest.installed_size, advised.smallest.request) == (1300, ("b", "c"))


def test_several_versions_of_a_kernel_may_stand_side_by_side(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["kernel = 1-1", "kernel = 2-1"])
    base.package("kernel-0:1-1.x86_64").package("kernel-0:2-1.x86_64")
    advised = advice(tiny.pool(base), "app")
    assert (advised.smallest.packages, advised.smallest.proved) == (3, True)


def test_what_the_plain_solver_installs_is_possible_whatever_the_model_says(tiny, monkeypatch):
    monkeypatch.setattr("bot.advice.candidates.INSTALL_ONLY", ())
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["kernel = 1-1", "kernel = 2-1"])
    base.package("kernel-0:1-1.x86_64").package("kernel-0:2-1.x86_64")
    advised = advice(tiny.pool(base), "app")
    assert advised.smallest.packages == advised.now.packages == 3


def test_a_module_filter_counts(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["web"])
    base.package("plain-0:1-1.x86_64", size=9000, provides=["web"])
    base.package("modular-0:1-1.x86_64", size=10, provides=["web"])
    base.modules = MODULES
    pool = tiny.pool(base, platform="platform:el9")
    assert advice(pool, "app").smallest.installed_size == 10_000
    pool = tiny.pool(base, platform="platform:el9", modules=["some:1"])
    assert advice(pool, "app").smallest.installed_size == 1010


MODULES = """
document: modulemd
version: 2
data:
  name: some
  stream: "1"
  version: 1
  context: c0ffee00
  arch: x86_64
  summary: A module
  description: A module
  license: {module: [MIT]}
  dependencies: [{requires: {platform: [el9]}}]
  artifacts: {rpms: ["modular-0:1-1.x86_64"]}
"""


def test_of_equal_images_the_first_by_packages_then_by_nevra(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["web"])
    base.package("z-0:1-1.x86_64", size=9000, provides=["web"])
    for name in ("d", "c", "b"):
        base.package(f"{name}-0:1-1.x86_64", size=20, provides=["web"])
    base.package("a-0:1-1.x86_64", size=10, requires=["a2"], provides=["web"])
    base.package("a2-0:1-1.x86_64", size=10)
    advised = advice(tiny.pool(base), "app")
    assert advised.smallest.request == () or advised.smallest.request == ("b",)
    assert (advised.smallest.packages, advised.smallest.installed_size) == (2, 1020)


def test_a_rich_conflict_is_a_clause_and_a_self_conflict_is_none(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["one", "two"], conflicts=["(small and less)", "app"])
    base.package("big-0:1-1.x86_64", size=5000, provides=["one"])
    base.package("small-0:1-1.x86_64", size=10, provides=["one"])
    base.package("more-0:1-1.x86_64", size=400, provides=["two"])
    base.package("less-0:1-1.x86_64", size=20, provides=["two"], conflicts=["two"])
    advised = advice(tiny.pool(base), "app")
    assert (advised.smallest.installed_size, advised.smallest.proved) == (1410, True)


def test_an_overlay_counts_as_in_a_closure(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("a-0:1-1.x86_64", size=9000, provides=["lib"])
    base.package("b-0:1-1.x86_64", size=8000, provides=["lib"])
    smaller = overlay(package("b-0:2-1.x86_64", "b", provides=["lib"]))
    pool = tiny.pool(base)
    (advised,) = advise([Job(pool, request("app"), smaller)], NONE)
    assert (advised.smallest.installed_size, advised.smallest.request) == (1500, ("b",))
    assert advice(pool, "app").smallest.installed_size == 9000


def test_an_image_that_cannot_be_installed_has_its_problems(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["nowhere"])
    advised = advice(tiny.pool(base), "app")
    assert (advised.status, advised.now, advised.smallest) == ("unsolvable", None, None)
    assert "nowhere" in advised.problems[0]


def test_where_the_time_is_over_the_bound_says_so(tiny, monkeypatch):
    def over(self):
        raise _TimeIsOverError

    monkeypatch.setattr(_Stoppable, "compute_", over)
    monkeypatch.setattr(optimum, "SOLVED", SolvedParts())
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("a-0:1-1.x86_64", size=9000, provides=["lib"])
    base.package("b-0:1-1.x86_64", size=8000, provides=["lib"])
    best = advice(tiny.pool(base), "app").smallest
    assert (best.installed_size, best.proved) == (10_000, False)
    assert best.bound <= 9000
