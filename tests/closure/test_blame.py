"""What a package holds alone, and who stands in the way of doing without one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.closure.why import forbid, retained
from bot.model.closure import Closure, Edge, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from tests.objectives.test_graph import reached


def held(pool, h, *requests):
    leaving = retained(pool.solve(h.request(*requests)))
    return {package.nevra.name: (package.packages, package.installed_size) for package in leaving}


def test_a_package_holds_what_it_alone_brings(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["perl", "lib"], size=1)
    base.package("perl-0:1-1.x86_64", requires=["perl-libs", "lib"], size=10)
    base.package("perl-libs-0:1-1.x86_64", size=100).package("lib-0:1-1.x86_64", size=1000)
    assert held(tiny.pool(base), h, "app") == {
        "app": (4, 1111), "lib": (1, 1000), "perl": (2, 110), "perl-libs": (1, 100)
    }  # fmt: skip


def test_a_requirement_that_two_members_meet_holds_neither(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["langpack", "english"], size=1)
    base.package("english-0:1-1.x86_64", provides=["langpack"], size=10)
    base.package("minimal-0:1-1.x86_64", provides=["langpack"], size=100)
    base.package("manual-0:1-1.x86_64", requires=["english"], size=1000)
    leaving = held(tiny.pool(base), h, "app", "manual", "minimal")
    assert leaving == {
        "app": (1, 1), "english": (1, 10), "manual": (1, 1000), "minimal": (1, 100)
    }  # fmt: skip
    # The libc requires a langpack, and the minimal one meets it: the other is the manual's alone.
    base = tiny.repository("other")
    base.package("libc-0:1-1.x86_64", requires=["langpack"], size=1)
    base.package("minimal-0:1-1.x86_64", provides=["langpack"], size=10)
    base.package("english-0:1-1.x86_64", provides=["langpack"], size=100)
    base.package("manual-0:1-1.x86_64", requires=["english"], size=1000)
    assert held(tiny.pool(base), h, "libc", "minimal", "manual")["manual"] == (2, 1100)


def test_a_rich_requirement_for_both_holds_both(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["(one and two)"])
    base.package("one-0:1-1.x86_64").package("two-0:1-1.x86_64")
    assert held(tiny.pool(base), h, "app")["app"] == (3, 3000)


NEVRAS = [Nevra(name, 0, "1", "1", "noarch") for name in "abcdef"]
EDGES = st.lists(
    st.builds(
        Edge, st.sampled_from(NEVRAS), st.sampled_from("xyz"), st.sampled_from(NEVRAS),
        st.just("requires"),
    ),
    max_size=14,
    unique=True,
)  # fmt: skip


@given(EDGES, st.sets(st.sampled_from(NEVRAS)))
def test_what_leaves_is_what_no_sole_requirement_leads_to_without_it(edges, requested):
    packages = tuple(Package(n, "s", "r", (), (), 2**i) for i, n in enumerate(NEVRAS))
    state = SnapshotState("", ())
    key = ImageKey("w", "e", "r", "x86_64")
    closure = Closure(key, state, "ok", packages, frozenset(requested), tuple(sorted(edges)))
    several = [(e.source, e.capability) for e in edges]
    sole = [e for e in edges if several.count((e.source, e.capability)) == 1]

    roots = {*requested, *(n for n in NEVRAS if all(e.target != n for e in sole))}
    roots |= set(NEVRAS) - reached(roots, sole)
    sizes = {package.nevra: package.installed_size for package in packages}
    for package in retained(closure):
        leaving = set(NEVRAS) - reached(roots, sole, package.nevra)
        assert (package.packages, package.installed_size) == (
            len(leaving),
            sum(sizes[n] for n in leaving),
        )


def test_the_core_names_who_requires_what_is_forbidden(tiny, h):
    base = tiny.repository()
    base.package("web-0:1-1.x86_64", requires=["tool", "perl >= 5", "lib"])
    base.package("tool-0:1-1.x86_64", requires=["perl(strict)", "shell"])
    base.package("shell-0:1-1.x86_64").package("lib-0:1-1.x86_64")
    base.package("perl-0:5-1.x86_64", provides=["perl(strict)"], requires=["perl-libs"], size=30)
    base.package("perl-libs-0:5-1.x86_64", size=400)
    answer = forbid(tiny.pool(base), h.request("web"), "perl")
    assert [(need.nevra.name, need.capability) for need in answer.because] == [
        ("tool", "perl(strict)"), ("web", "perl >= 5")
    ]  # fmt: skip
    assert (answer.status, [p.nevra.name for p in answer.removed]) == ("ok", ["perl", "perl-libs"])
    assert answer.saved == 430


def test_where_another_meets_the_need_nobody_is_to_blame(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["mta"])
    base.package("a-mail-0:1-1.x86_64", provides=["mta"], size=500)
    base.package("z-mail-0:1-1.x86_64", provides=["mta"], size=900)
    answer = forbid(tiny.pool(base), h.request("app"), "a-mail")
    assert (answer.because, [p.nevra.name for p in answer.added]) == ((), ["z-mail"])
    assert answer.saved == -400


def test_what_is_requested_itself_cannot_be_forbidden(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64")
    pool = tiny.pool(base)
    assert forbid(pool, h.request("app"), "app").status == "unsolvable"
    assert forbid(pool, h.request("app"), "emacs").problems == ("emacs is not in this image",)
