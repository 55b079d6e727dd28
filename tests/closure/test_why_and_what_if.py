"""Why a package is there, what takes it out, and what would leave with a capability."""

from __future__ import annotations

import pytest

from bot.closure.why import what_if, why
from bot.model.closure import Requirement


@pytest.fixture
def base(tiny):
    """web -> (perl by two ways) -> perl-libs -> crypt; tool -> crypt by another capability."""
    base = tiny.repository()
    base.package("web-0:1-1.noarch", requires=["perl >= 5", "web-core"])
    base.package("web-core-0:1-1.noarch", requires=["perl(strict)"])
    base.package("perl-0:5-1.noarch", provides=["perl(strict)"], requires=["perl-libs"], size=100)
    base.package("perl-libs-0:5-1.noarch", requires=["libcrypt"], size=3000)
    base.package("crypt-0:1-1.noarch", provides=["libcrypt", "crypt-tool"], size=7)
    base.package("tool-0:1-1.noarch", requires=["crypt-tool"])
    return base


def explain(tiny, h, base, name, *requests, **options):
    pool, wanted = tiny.pool(base), h.request(*requests, **options)
    return why(pool, wanted, pool.solve(wanted), name)


def leaving(answer):
    return [(entry.nevra.name, entry.capability) for entry in answer.leaves_with]


def test_roots_chains_and_the_requirements_that_must_go(tiny, h, base):
    answer = explain(tiny, h, base, "perl", "web", "tool")
    assert str(answer.nevra) == "perl-0:5-1.noarch"
    assert [n.name for n in answer.roots] == ["web"]
    assert [[e.capability for e in chain] for chain in answer.chains] == [["perl >= 5"]]
    assert leaving(answer) == [("web", "perl >= 5"), ("web-core", "perl(strict)")]


def test_the_fewest_requirements_closest_to_the_package(tiny, h, base):
    assert leaving(explain(tiny, h, base, "perl-libs", "web")) == [("perl", "perl-libs")]
    answer = explain(tiny, h, base, "crypt", "web", "tool")
    assert leaving(answer) == [("perl-libs", "libcrypt"), ("tool", "crypt-tool")]
    assert [n.name for n in answer.roots] == ["tool", "web"]


def test_what_is_requested_leaves_with_no_requirement(tiny, h, base):
    answer = explain(tiny, h, base, "crypt", "web", "crypt")
    assert (leaving(answer), [n.name for n in answer.roots]) == ([], ["crypt", "web"])


def test_what_is_not_there_has_no_reason(tiny, h, base):
    answer = explain(tiny, h, base, "emacs", "web")
    assert (answer.nevra, answer.roots, answer.chains, answer.leaves_with) == (None, (), (), ())


@pytest.mark.parametrize("name", ["perl", "perl.noarch", "perl-5-1.noarch", "perl-0:5-1.noarch"])
def test_a_package_may_be_called_in_several_ways(tiny, h, base, name):
    assert str(explain(tiny, h, base, name, "web").nevra) == "perl-0:5-1.noarch"


def test_another_way_in_that_only_solving_finds_is_cut_too(tiny, h):
    """Without `need` of the first, the solver turns to an alternative that brings it again."""
    base = tiny.repository()
    base.package("top-0:1-1.noarch", requires=["choice"])
    base.package("choice-a-0:1-1.noarch", provides=["choice"], requires=["need"])
    base.package("need-0:1-1.noarch").package("side-0:1-1.noarch", requires=["(need if top)"])
    answer = explain(tiny, h, base, "need", "top", "side")
    assert sorted(leaving(answer)) == [("choice-a", "need"), ("side", "(need if top)")]


def test_a_requirement_that_others_satisfy_as_well_need_not_go(tiny, h):
    base = tiny.repository()
    base.package("top-0:1-1.noarch", requires=["either", "first"])
    base.package("first-0:1-1.noarch", provides=["either"])
    base.package("second-0:1-1.noarch", provides=["either"])
    base.package("other-0:1-1.noarch", requires=["second"])
    answer = explain(tiny, h, base, "second", "top", "other")
    assert leaving(answer) == [("other", "second")]


def test_weak_ways_in_count_where_they_are_installed(tiny, h):
    base = tiny.repository().package("main-0:1-1.noarch", recommends=["extra"])
    base.package("extra-0:1-1.noarch").package("theme-0:1-1.noarch", supplements=["main"])
    answer = explain(tiny, h, base, "theme", "main", weak=True)
    assert leaving(answer) == [("theme", "main")]
    assert answer.chains[0][0].kind == "supplements"
    assert leaving(explain(tiny, h, base, "extra", "main", weak=True)) == [("main", "extra")]


def test_what_takes_a_package_out_is_proved_on_the_overlay(tiny, h, base):
    pool = tiny.pool(base)
    wanted = h.request("web")
    overlay = h.overlay(h.package("web-0:2-1.noarch", "web", requires=["crypt-tool"]))
    closure = pool.solve(wanted, overlay)
    answer = why(pool, wanted, closure, "crypt", overlay)
    (web,) = closure.requested
    assert answer.leaves_with == (Requirement(web, "crypt-tool"),)


def ask_what_if(tiny, h, base, *arguments, requests=("web", "tool"), **options):
    return what_if(tiny.pool(base), h.request(*requests, **options), *arguments)


def removed(answer):
    return [p.nevra.name for p in answer.removed]


def test_what_leaves_is_found_by_solving_again(tiny, h, base):
    answer = ask_what_if(tiny, h, base, "perl-libs")
    assert (answer.status, removed(answer), answer.added, answer.saved) == (
        "ok",
        ["perl-libs"],
        (),
        3000,
    )
    answer = ask_what_if(tiny, h, base, "libcrypt", requests=("web",))
    assert (removed(answer), answer.saved) == (["crypt"], 7)


def test_a_name_means_every_requirement_of_that_name(tiny, h, base):
    # web's `perl >= 5` goes, web-core's `perl(strict)` stays.
    assert removed(ask_what_if(tiny, h, base, "perl")) == []
    assert removed(ask_what_if(tiny, h, base, "perl(strict)")) == []


def test_a_package_that_no_capability_names_is_dropped_altogether(tiny, h, base):
    answer = ask_what_if(tiny, h, base, "crypt")
    assert removed(answer) == ["crypt"]


def test_only_the_requirements_of_one_package(tiny, h, base):
    assert removed(ask_what_if(tiny, h, base, "crypt", "tool")) == []
    assert removed(ask_what_if(tiny, h, base, "crypt", "perl-libs", requests=("web",))) == ["crypt"]


def test_what_comes_instead_is_counted(tiny, h):
    base = tiny.repository()
    base.package("top-0:1-1.noarch", requires=["big", "(small if top without big)"])
    base.package("user-0:1-1.noarch", requires=["(big or small)"])
    base.package("big-0:1-1.noarch", size=900).package("small-0:1-1.noarch", size=200)
    answer = ask_what_if(tiny, h, base, "big", "top", requests=("top", "user"))
    assert answer.status == "ok"
    names = {p.nevra.name for p in answer.removed}, {p.nevra.name for p in answer.added}
    expected = sum(p.installed_size for p in answer.removed) - sum(
        p.installed_size for p in answer.added
    )
    assert answer.saved == expected
    assert names in [(set(), set()), ({"big"}, {"small"})]


def test_nothing_requires_it_is_said(tiny, h, base):
    answer = ask_what_if(tiny, h, base, "emacs")
    assert (removed(answer), answer.saved) == ([], 0)
    assert answer.problems == ("nothing in this image requires emacs",)


def test_an_unsolvable_image_stays_unsolvable(tiny, h, base):
    answer = ask_what_if(tiny, h, base, "perl", requests=("nosuch",))
    assert (answer.status, answer.saved) == ("unsolvable", None)
    assert answer.problems == ("nothing provides requested nosuch",)
    assert [(c.kind, c.capability) for c in answer.causes] == [("missing", "nosuch")]


def test_dropping_changes_nothing_for_the_next_question(tiny, h, base):
    pool, wanted = tiny.pool(base), h.request("web", "tool")
    before = pool.solve(wanted)
    first = what_if(pool, wanted, "perl-libs")
    assert pool.solve(wanted) == before
    assert what_if(pool, wanted, "perl-libs") == first


def test_a_question_is_about_its_own_overlay_whatever_the_others_were(tiny, h, base):
    pool, wanted = tiny.pool(base), h.request("web")
    others = [
        h.overlay(h.package(f"web-0:{v}-1.noarch", "web", requires=["crypt-tool"])) for v in (2, 3)
    ]
    for overlay in (*others, *others):
        closure = pool.solve(wanted, overlay)
        assert why(pool, wanted, closure, "crypt", overlay).leaves_with == (
            Requirement(next(iter(closure.requested)), "crypt-tool"),
        )
        answer = what_if(pool, wanted, "crypt-tool", None, overlay)
        assert "crypt" in removed(answer)
