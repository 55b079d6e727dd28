"""Plans: the best of all edits tried, and what the plain solver then installs; what is no edit."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from bot.advice.advise import Wish, advise
from bot.advice.edits import capability_name
from bot.advice.requests import Job
from bot.model.closure import Requirement
from bot.model.nevra import parse_nevra
from tests.advice.brute import smallest
from tests.advice.test_smallest import considered, repositories, written
from tests.closure.conftest import Tiny, request


def plans(pool, *requests: str, edits: int = 1):
    (advised,) = advise([Job(pool, request(*requests))], Wish(edits))
    return advised.plans


def changes(plan) -> list[tuple[str, str, str]]:
    return [(c.kind, c.package, c.capability) for c in plan.changes]


# -- all edits tried ----------------------------------------------------------------------------


def best_with(things, count: int) -> int:
    """The smallest size with at most so many requirements less, by trying all."""
    lines = sorted({(t.name, r) for t in things for r in t.requires})
    return min(
        found[0]
        for dropped in combinations(lines, min(count, len(lines)))
        if (found := smallest(things, ["app"], drop=frozenset(dropped))) is not None
    )


@settings(max_examples=60)
@given(repositories())
def test_a_plan_is_the_best_of_all_edits_and_can_be_installed(things):
    things = considered(things)[-4:]
    with TemporaryDirectory() as root:
        pool = Tiny(Path(root)).pool(written(Path(root), things))
        if pool.solve(request("app")).status != "ok":
            return
        before = smallest(things, ["app"])[0]
        for plan in plans(pool, "app", edits=2):
            assert plan.bound <= best_with(things, plan.edits) <= plan.installed_size < before
            if plan.proved:
                assert plan.installed_size == best_with(things, plan.edits)
            before = plan.installed_size
            drop = [
                Requirement(parse_nevra(t.nevra), c.capability)
                for c in plan.changes
                for t in things
                if t.name == c.package
            ]
            closure = pool.solve(request("app", *plan.request), drop=drop, exclude=plan.excludes)
            assert sum(p.installed_size for p in closure.packages) == plan.installed_size


# -- one rule each ------------------------------------------------------------------------------


def web(tiny, **more):
    """A server whose main package only brings the service manager beside the program."""
    base = tiny.repository()
    needs = {"requires": ["web-core = 1-1", "manager"], "pre": ["manager"]}
    base.package("web-0:1-1.x86_64", source="web-1-1", **{**needs, **more})
    base.package("web-core-0:1-1.x86_64", source="web-1-1", files=["/usr/sbin/webd"], size=2000)
    base.package("manager-0:1-1.x86_64", size=50_000, files=["/usr/bin/ctl"])
    return base


def test_another_package_of_the_source_that_has_the_programs_is_requested(tiny):
    (plan,) = plans(tiny.pool(web(tiny)), "web")
    assert changes(plan) == [("request", "web", "web")]
    assert (plan.changes[0].to, plan.installed_size, plan.proved) == ("web-core", 2000, True)


def test_a_requested_library_or_plugin_is_not_replaced_by_the_program_of_its_source(tiny):
    base = web(tiny, requires=["web-core = 1-1"], pre=[])
    needs = ["web-core = 1-1", "manager"]
    base.package("web-tls-0:1-1.x86_64", source="web-1-1", requires=needs, size=7000)
    pool = tiny.pool(base)
    assert [changes(p) for p in plans(pool, "web-tls")] == [[("weaken", "web-tls", "manager")]]
    assert changes(plans(pool, "web")[0]) == [("request", "web", "web")]


def test_what_only_scriptlets_require_becomes_an_order(tiny):
    (plan,) = plans(tiny.pool(web(tiny, files=["/usr/bin/web-upgrade"])), "web")
    assert changes(plan) == [("order", "web", "manager")]
    assert (plan.changes[0].to, plan.changes[0].written) == ("OrderWithRequires: manager", None)
    assert (plan.packages, plan.installed_size) == (2, 3000)


def test_a_requirement_at_run_time_too_is_weakened(tiny):
    needs = ["web-core = 1-1", "manager", "manager >= 1"]
    base = web(tiny, files=["/usr/bin/web-upgrade"], requires=needs, pre=["manager"])
    (plan,) = plans(tiny.pool(base), "web")
    assert changes(plan) == [("weaken", "web", "manager")]
    assert plan.changes[0].to == "Recommends: manager"


def test_systemd_is_ordered_by_its_macro(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["systemd"], pre=["systemd"])
    base.package("systemd-0:1-1.x86_64")
    (plan,) = plans(tiny.pool(base), "app")
    assert plan.changes[0].to == "%{?systemd_ordering}"


def test_no_plan_loses_a_program_that_the_image_is_for(tiny):
    base = tiny.repository()
    base.package("web-0:1-1.x86_64", source="web-1-1", requires=["web-core"])
    base.package(
        "web-core-0:1-1.x86_64", source="web-1-1", files=["/usr/sbin/webd"], requires=["mon"]
    )
    base.package("mon-0:1-1.x86_64", size=90_000, files=["/usr/bin/mon"])
    base.package("extra-0:1-1.x86_64", source="web-1-1", files=["/usr/libexec/web/run"])
    assert [changes(p) for p in plans(tiny.pool(base), "web", edits=3)] == [
        [("request", "web", "web")]
    ]


def test_a_siblings_version_release_is_never_edited(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", source="app-1-1", requires=["app-data = 1-1"])
    base.package("app-data-0:1-1.x86_64", source="app-1-1", size=90_000)
    assert plans(tiny.pool(base), "app") == ()


@pytest.mark.parametrize(
    "requirement",
    ["(app-data = 1-1 if app)", "(other or app-data = 1-1)", "(app-data = 1-1 with data)"],
)
def test_a_siblings_version_release_in_a_rich_dependency_is_never_edited(tiny, requirement):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", source="app-1-1", requires=[requirement])
    base.package("app-data-0:1-1.x86_64", source="app-1-1", size=90_000, provides=["data"])
    base.package("user-0:1-1.x86_64", source="user-1-1", requires=[requirement])
    pool = tiny.pool(base)
    assert plans(pool, "app") == ()
    # Of another source's package it is an edit.
    if " if " not in requirement:
        assert [changes(p) for p in plans(pool, "user")] == [[("weaken", "user", requirement)]]


def test_what_looks_generated_is_no_edit_and_an_architectures_tag_is():
    generated = ["libz.so.1()(64bit)", "libz.so.1", "perl(strict)", "/bin/sh", "user(nginx)"]
    generated += ["python3dist(six) >= 1", "(perl(A) or perl(B))", "config(nginx) = 1-1"]
    assert [capability_name(c) for c in generated] == [None] * len(generated)
    assert capability_name("libcurl(x86-64) >= 7.6") == "libcurl"
    assert capability_name("glibc >= 2") == "glibc"
    assert capability_name("(a if b)") == "(a if b)"


def test_one_edit_is_all_versions_of_one_name(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib >= 1", "lib < 3", "other"])
    base.package("lib-0:1-1.x86_64", size=5000).package("other-0:1-1.x86_64", size=100)
    first, second = plans(tiny.pool(base), "app", edits=3)
    assert changes(first) == [("weaken", "app", "lib")]
    assert changes(second) == [("weaken", "app", "lib"), ("weaken", "app", "other")]


def test_two_edits_may_save_what_neither_saves_alone(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["tool", "manager"], files=["/usr/bin/app"])
    base.package("tool-0:1-1.x86_64", requires=["manager"], files=["/usr/bin/tool"])
    base.package("manager-0:1-1.x86_64", size=9000)
    (plan,) = plans(tiny.pool(base), "app", edits=3)
    assert changes(plan) == [("weaken", "app", "manager"), ("weaken", "tool", "manager")]
    assert (plan.edits, plan.installed_size, plan.proved) == (2, 2000, True)


def test_a_plan_has_the_swaps_of_the_smallest_image(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib", "doc"])
    base.package("a-0:1-1.x86_64", size=9000, provides=["lib"])
    base.package("b-0:1-1.x86_64", size=800, provides=["lib"])
    base.package("doc-0:1-1.x86_64", size=7000)
    (plan,) = plans(tiny.pool(base), "app")
    assert (changes(plan), plan.request) == ([("weaken", "app", "doc")], ("b",))
    assert plan.installed_size == 1800


def test_one_plan_serves_all_architectures_by_their_sum(tiny):
    """On each architecture alone another edit would be the best."""
    jobs = []
    for arch, small, large in (("x86_64", 100, 900), ("aarch64", 700, 300)):
        base = Tiny(tiny.root / arch).repository()
        base.package(f"app-0:1-1.{arch}", requires=["a(" + TAG[arch] + ")", "b"])
        base.package(f"a-0:1-1.{arch}", size=small, provides=["a(" + TAG[arch] + ")"])
        base.package(f"b-0:1-1.{arch}", size=large)
        pool = Tiny(tiny.root / arch).pool(base, arch=arch)
        jobs.append(Job(pool, request("app", arch=arch)))
    first, second = (image.plans for image in advise(jobs, Wish(2)))
    assert [changes(p) for p in first] == [changes(p) for p in second]
    assert changes(first[0]) == [("weaken", "app", "b")]
    assert [(a.arch, a.installed_size) for a in first[0].arches] == [
        ("x86_64", 1100),
        ("aarch64", 1700),
    ]
    assert (first[0].installed_size, second[0].installed_size) == (1100, 1700)
    assert second[1].changes[0].to == "Recommends: a%{?_isa}"


TAG = {"x86_64": "x86-64", "aarch64": "aarch-64"}


def test_an_image_for_which_nothing_can_be_edited_has_no_plan(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["system-release", "perl(A)"])
    base.package("a-release-0:1-1.x86_64", provides=["system-release"])
    base.package("perl-A-0:1-1.x86_64", provides=["perl(A)"])
    assert plans(tiny.pool(base), "app", edits=2) == ()


def test_no_plan_takes_the_directories_or_the_accounts_out(tiny):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["filesystem", "setup", "doc"])
    base.package("filesystem-0:1-1.x86_64", size=5000).package("setup-0:1-1.x86_64", size=5000)
    base.package("doc-0:1-1.x86_64")
    assert [changes(plan) for plan in plans(tiny.pool(base), "app", edits=2)] == [
        [("weaken", "app", "doc")]
    ]


def test_a_request_is_replaced_only_by_what_replaces_it_on_all_architectures(tiny):
    """A line of a document holds on all: where `tool` is a library, nothing stands in for it."""
    jobs = []
    for arch, source, files in (
        ("x86_64", "other-1-1", []),
        ("aarch64", "s-1-1", ["/usr/bin/tool"]),
    ):
        base = Tiny(tiny.root / arch).repository()
        base.package(f"app-0:1-1.{arch}", requires=["mini"], files=["/usr/bin/app"])
        base.package(f"tool-0:1-1.{arch}", source=source, size=9000, files=files)
        base.package(f"mini-0:1-1.{arch}", source="s-1-1", files=["/usr/bin/tool"])
        jobs.append(
            Job(Tiny(tiny.root / arch).pool(base, arch=arch), request("app", "tool", arch=arch))
        )
    replaced = ("request", "tool", "tool")
    together, alone = advise(jobs, Wish(1)), advise(jobs[1:], Wish(1))
    assert [changes(plan) for plan in alone[0].plans] == [[replaced]]
    assert all(replaced not in changes(plan) for one in together for plan in one.plans)
