"""What a request selects: as dnf's install does it."""

from __future__ import annotations

import pytest


@pytest.fixture
def pool(tiny):
    base = tiny.repository()
    base.package("tool-0:1.0-1.x86_64", files=["/usr/bin/tool", "/usr/share/tool/data"])
    base.package("tool-0:1.2-1.x86_64", provides=["tool-api = 2"], files=["/usr/bin/tool"])
    base.package("tool-0:1.2-1.i686", files=["/usr/bin/tool"])
    base.package("old-1:3-1.noarch")
    base.package("new-0:1-1.noarch", obsoletes=["old < 1:4"])
    base.package("python3.12-0:3.12.1-1.x86_64")
    base.package("library-0:1-1.i686", requires=["libc-lib"])
    base.package("libc-0:1-1.i686", provides=["libc-lib"])
    base.package("libc-0:1-1.x86_64", provides=["libc-lib"])
    base.package("foreign-0:1-1.s390x")
    base.package("tool-0:9-1.src")
    return tiny.pool(base)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("tool", ["tool-1.2-1.x86_64"]),
        ("tool-1.0-1.x86_64", ["tool-1.0-1.x86_64"]),
        ("tool-0:1.0-1.x86_64", ["tool-1.0-1.x86_64"]),
        ("tool-1.0", ["tool-1.0-1.x86_64"]),
        ("tool-1.0-1", ["tool-1.0-1.x86_64"]),
        ("tool.i686", ["tool-1.2-1.i686"]),
        ("tool-1.[0-1]*", ["tool-1.0-1.x86_64"]),
        ("tool = 1.0-1", ["tool-1.0-1.x86_64"]),
        ("tool < 1.2", ["tool-1.0-1.x86_64"]),
        ("tool-api >= 2", ["tool-1.2-1.x86_64"]),
        ("tool-ap*", ["tool-1.2-1.x86_64"]),
        ("(tool-api and tool)", ["tool-1.2-1.x86_64"]),
        ("/usr/bin/tool", ["tool-1.2-1.x86_64"]),
        ("/usr/share/tool/data", ["tool-1.0-1.x86_64"]),
        ("/usr/share/tool/data/", ["tool-1.0-1.x86_64"]),
        ("/usr/share/to*/data", ["tool-1.0-1.x86_64"]),
        ("python3.12", ["python3.12-3.12.1-1.x86_64"]),
        ("old", ["new-1-1.noarch"]),
        ("old-3", ["old-1:3-1.noarch"]),
        ("library", ["libc-1-1.x86_64", "library-1-1.i686"]),
    ],
)
def test_a_request_selects_what_dnf_would(pool, h, wanted, found):
    assert h.names(pool.solve(h.request(wanted))) == found


def test_a_glob_requests_every_name_it_matches(pool, h):
    assert h.names(pool.solve(h.request("[tp]*[!r]", "libc.x86_64"))) == [
        "libc-1-1.x86_64",
        "python3.12-3.12.1-1.x86_64",
        "tool-1.2-1.x86_64",
    ]


@pytest.mark.parametrize("wanted", ["nosuch", "tool = 7", "/usr/bin/nosuch", "tool-3", "tool >="])
def test_an_unknown_request_is_missing_and_the_image_unsolvable(pool, h, wanted):
    closure = pool.solve(h.request("python3.12", wanted))
    assert closure.status == "unsolvable"
    assert closure.missing == (wanted,)
    assert closure.problems == (f"nothing provides requested {wanted}",)
    assert closure.packages == () and closure.edges == ()


def test_a_package_of_a_foreign_architecture_cannot_be_installed(pool, h):
    closure = pool.solve(h.request("foreign"))
    assert closure.status == "unsolvable"
    assert closure.problems == (
        "package foreign-1-1.s390x does not have a compatible architecture",
    )


def test_requested_are_the_packages_that_a_request_selected(pool, h):
    closure = pool.solve(h.request("library", "old"))
    assert sorted(n.name for n in closure.requested) == ["library", "new"]


def test_everything_of_one_job_must_fit_together(tiny, h):
    base = tiny.repository()
    base.package("one-0:1-1.noarch", conflicts=["two"]).package("two-0:1-1.noarch")
    closure = tiny.pool(base).solve(h.request("one", "two"))
    assert closure.status == "unsolvable"
    assert closure.problems == (
        "package one-1-1.noarch conflicts with two provided by two-1-1.noarch",
    )


def test_a_better_priority_wins_over_a_newer_version(tiny, h):
    first = tiny.repository("first", priority=10).package("tool-0:1-1.noarch")
    second = tiny.repository("second", priority=99).package("tool-0:2-1.noarch")
    closure = tiny.pool(second, first).solve(h.request("tool"))
    assert h.names(closure) == ["tool-1-1.noarch"]
    assert closure.packages[0].repository == "first"


def test_excluded_packages_are_not_seen(tiny, h):
    first = tiny.repository("first", exclude=("tool-2*", "gone"))
    first.package("tool-0:1-1.noarch").package("tool-0:2-1.noarch").package("gone-0:1-1.noarch")
    second = tiny.repository("second").package("gone-0:0.5-1.noarch")
    pool = tiny.pool(first, second)
    assert h.names(pool.solve(h.request("tool", "gone"))) == [
        "gone-0.5-1.noarch",
        "tool-1-1.noarch",
    ]
    assert [str(p.nevra) for p in pool.published("tool")] == [
        "tool-0:1-1.noarch",
        "tool-0:2-1.noarch",
    ]


def test_the_same_package_in_two_repositories_is_taken_from_the_first(tiny, h):
    repositories = [tiny.repository(name).package("tool-0:1-1.noarch") for name in "ab"]
    closure = tiny.pool(*repositories).solve(h.request("tool"))
    assert [p.repository for p in closure.packages] == ["a"]


def test_weak_dependencies_come_only_when_requested(tiny, h):
    base = tiny.repository().package("main-0:1-1.noarch", recommends=["extra"])
    base.package("extra-0:1-1.noarch").package("theme-0:1-1.noarch", supplements=["main"])
    pool = tiny.pool(base)
    assert h.names(pool.solve(h.request("main"))) == ["main-1-1.noarch"]
    closure = pool.solve(h.request("main", weak=True))
    assert h.names(closure) == ["extra-1-1.noarch", "main-1-1.noarch", "theme-1-1.noarch"]
    assert [(e.source.name, e.capability, e.target.name, e.kind) for e in closure.edges] == [
        ("main", "extra", "extra", "recommends"),
        ("main", "main", "theme", "supplements"),
    ]


COMPS = """<comps>
<group><id>core</id><name>Core</name><packagelist>
<packagereq type="mandatory">tool</packagereq><packagereq type="default">pretty</packagereq>
<packagereq type="optional">luxury</packagereq><packagereq type="mandatory">nosuch</packagereq>
<packagereq type="mandatory" arch="s390x">mainframe</packagereq>
<packagereq type="conditional" requires="absent">maybe</packagereq>
<packagereq type="conditional" requires="pretty">surely</packagereq>
<packagereq type="default" basearchonly="true">narrow</packagereq>
</packagelist></group>
<environment><id>whole</id><grouplist><groupid>core</groupid></grouplist></environment></comps>"""


@pytest.mark.parametrize("wanted", [{"groups": ["core"]}, {"groups": ["whole"]}, "@core"])
def test_a_group_stands_for_its_mandatory_default_and_conditional_packages(tiny, h, wanted):
    base = tiny.repository()
    for name in ("tool", "pretty", "luxury", "mainframe", "maybe", "surely", "absent"):
        base.package(f"{name}-0:1-1.noarch")
    base.package("narrow-0:1-1.i686")
    base.comps = COMPS
    pool = tiny.pool(base)
    closure = pool.solve(h.request(wanted) if isinstance(wanted, str) else h.request(**wanted))
    assert h.names(closure) == ["pretty-1-1.noarch", "surely-1-1.noarch", "tool-1-1.noarch"]


def test_an_unknown_group_is_missing(tiny, h):
    pool = tiny.pool(tiny.repository().package("tool-0:1-1.noarch"))
    assert pool.solve(h.request("tool", groups=["nosuch"])).missing == ("@nosuch",)


def test_placeholders_are_installed_with_what_they_require(tiny, h):
    from bot.model.image import PlaceholderPackage

    base = tiny.repository().package("real-0:1-1.noarch").package("planned-0:7-1.noarch")
    placeholder = PlaceholderPackage("planned", "planned-source", ("real",))
    wanted = h.request("planned", placeholders=[placeholder])
    pool = tiny.pool(base)
    closure = pool.solve(wanted)
    assert h.names(closure) == ["planned-000-placeholder.noarch", "real-1-1.noarch"]
    planned = closure.packages[0]
    assert (planned.source, planned.installed_size) == ("planned-source", None)
    assert h.names(pool.solve(h.request("planned"))) == ["planned-7-1.noarch"]


def test_the_same_question_has_the_same_answer_whatever_came_before(tiny, h):
    base = tiny.repository()
    for name in "cab":
        base.package(f"{name}-0:1-1.noarch", provides=["any"])
    base.package("user-0:1-1.noarch", requires=["any"])
    pool = tiny.pool(base)
    first = pool.solve(h.request("user"))
    for name in "zyx":
        extra = h.package(f"{name}-0:1-1.noarch", "s", provides=["any"])
        pool.solve(h.request("user"), h.overlay(extra))
    assert pool.solve(h.request("user")) == first
    assert tiny.pool(base).solve(h.request("user")) == first


def test_a_group_is_its_packages_without_conditions(tiny):
    base = tiny.repository("base").package("a-1-1.noarch")
    base.comps = (
        "<comps><group><id>build</id><packagelist>"
        '<packagereq type="mandatory">rpm-build</packagereq>'
        '<packagereq type="conditional" requires="x">maybe</packagereq>'
        '<packagereq type="optional">never</packagereq></packagelist></group></comps>'
    )
    pool = tiny.pool(base)
    assert pool.group("build") == ("rpm-build",)
    assert pool.group("nothing") == ()
