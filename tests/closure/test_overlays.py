"""Overlays: only they supply what their sources are the source of (CONTRACT, "Meaning")."""

from __future__ import annotations

import pytest

from bot.closure.overlay_pool import MOST_LAYERS
from bot.model.image import PlaceholderPackage
from bot.model.nevra import parse_nevra


@pytest.fixture
def base(tiny):
    """`app` 2 with its libraries, a user of it, and an old i686 build that is still published."""
    base = tiny.repository()
    base.package(
        "app-0:2-1.x86_64", source="app-2-1", size=50, requires=["app-libs = 2-1", "helper"]
    )
    base.package("app-libs-0:2-1.x86_64", source="app-2-1", provides=["libapp.so.2()(64bit)"])
    base.package("app-libs-0:1-1.i686", source="app-1-1", provides=["libapp.so.1", "app-any"])
    base.package("app-libs-0:1-1.x86_64", source="app-1-1", provides=["app-any"])
    base.package("app-doc-0:2-1.noarch", source="app-2-1")
    base.package("user-0:1-1.x86_64", requires=["app", "libapp.so.2()(64bit)"])
    base.package("manual-0:1-1.noarch", requires=["app-doc"])
    base.package("old-user-0:1-1.x86_64", requires=["app-any"])
    base.package("helper-0:1-1.noarch").package("extra-0:1-1.noarch")
    return base


@pytest.fixture
def pool(tiny, base):
    return tiny.pool(base)


def app(h, version: str, *more, requires=(), **kinds):
    own = h.package(
        f"app-{version}.x86_64", "app", requires=[f"app-libs = {version}", *requires], **kinds
    )
    libs = h.package(f"app-libs-{version}.x86_64", "app", provides=["libapp.so.2()(64bit)"])
    return h.overlay(own, libs, *more)


@pytest.mark.parametrize("version", ["0:1-9", "0:3-1", "0:2-1", "1:1-1"])
def test_the_overlay_stands_in_whatever_its_version_is(pool, h, version):
    """Published newer than head, older, the same version and release, an epoch more."""
    closure = pool.solve(h.request("user"), app(h, version, requires=["extra"]))
    repositories = {str(p.nevra): p.repository for p in closure.packages}
    assert repositories == {
        f"app-{version}.x86_64": "overlay",
        f"app-libs-{version}.x86_64": "overlay",
        "user-0:1-1.x86_64": "base",
        "extra-0:1-1.noarch": "base",
    }


def test_without_the_overlay_the_published_packages_are_back(pool, h):
    before = pool.solve(h.request("user"))
    pool.solve(h.request("user"), app(h, "0:3-1"))
    assert pool.solve(h.request("user")) == before
    assert {p.repository for p in before.packages} == {"base"}


def test_the_unchanged_side_is_the_published_closure(pool, h):
    closure = pool.solve(h.request("user"), h.unchanged(pool, "app"))
    assert h.names(closure) == h.names(pool.solve(h.request("user")))
    assert [p.installed_size for p in closure.packages if p.nevra.name == "app"] == [50]


def test_a_dropped_subpackage_that_something_needs_makes_it_unsolvable(pool, h):
    assert pool.solve(h.request("manual")).status == "ok"
    closure = pool.solve(h.request("manual"), app(h, "0:3-1"))
    assert closure.status == "unsolvable"
    assert closure.problems == ("nothing provides app-doc needed by manual-1-1.noarch",)


def test_a_dropped_subpackage_that_is_requested_is_missing(pool, h):
    assert pool.solve(h.request("app-doc"), app(h, "0:3-1")).missing == ("app-doc",)


def test_published_packages_of_another_architecture_go_too(pool, h):
    """`old-user` could be helped by app-libs.i686, or an old build: but never quietly."""
    assert pool.solve(h.request("old-user")).status == "ok"
    assert pool.solve(h.request("old-user"), app(h, "0:3-1")).status == "unsolvable"
    assert pool.solve(h.request("app-libs.i686"), app(h, "0:3-1")).missing == ("app-libs.i686",)


def test_a_renamed_subpackage_comes_in_by_its_obsoletes(pool, h):
    renamed = h.package(
        "app-manual-0:3-1.noarch", "app", obsoletes=["app-doc < 3"], provides=["app-doc = 3-1"]
    )
    overlay = app(h, "0:3-1", renamed)
    closure = pool.solve(h.request("manual", "app-doc"), overlay)
    assert h.names(closure) == ["app-manual-3-1.noarch", "manual-1-1.noarch"]
    assert {n.name for n in closure.requested} == {"app-manual", "manual"}


def test_a_published_package_that_a_new_obsoletes_names_is_replaced(pool, h):
    taking = h.package("app-extra-0:3-1.noarch", "app", obsoletes=["extra"])
    closure = pool.solve(h.request("extra"), app(h, "0:3-1", taking))
    assert h.names(closure) == ["app-extra-3-1.noarch"]


def test_a_versioned_requirement_between_subpackages_must_still_fit(pool, h):
    broken = h.overlay(
        h.package("app-0:3-1.x86_64", "app", requires=["app-libs = 3-1"]),
        h.package("app-libs-0:3-2.x86_64", "app"),
    )
    closure = pool.solve(h.request("app"), broken)
    assert closure.problems == ("nothing provides app-libs = 3-1 needed by app-3-1.x86_64",)


def test_from_noarch_to_an_architecture(pool, h):
    overlay = app(h, "0:2-1", h.package("app-doc-0:2-1.x86_64", "app"))
    assert h.names(pool.solve(h.request("manual"), overlay)) == [
        "app-doc-2-1.x86_64",
        "manual-1-1.noarch",
    ]


def test_debug_packages_are_dropped(pool, h):
    overlay = app(h, "0:3-1", h.package("app-debuginfo-0:3-1.x86_64", "app"))
    assert pool.solve(h.request("app-debuginfo"), overlay).missing == ("app-debuginfo",)


def test_two_sources_at_once(pool, h):
    overlay = h.overlay(
        h.package("helper-0:7-1.noarch", "helper"),
        h.package("app-0:3-1.x86_64", "app", requires=["helper = 7"]),
        sources=["app", "helper"],
    )
    assert h.names(pool.solve(h.request("app"), overlay)) == ["app-3-1.x86_64", "helper-7-1.noarch"]


def test_an_overlay_is_above_excludes_and_priorities(tiny, h):
    better = tiny.repository("better", priority=1).package("other-0:1-1.noarch")
    worse = tiny.repository("worse", priority=90, exclude=("app*",))
    worse.package("app-0:1-1.noarch", source="app-1-1")
    pool = tiny.pool(better, worse)
    assert pool.solve(h.request("app")).status == "unsolvable"
    overlay = h.overlay(h.package("app-0:0.5-1.noarch", "app", provides=["thing"]))
    assert h.names(pool.solve(h.request("app"), overlay)) == ["app-0.5-1.noarch"]
    assert h.names(pool.solve(h.request("thing"), overlay)) == ["app-0.5-1.noarch"]


def test_a_package_without_a_source_is_its_own(tiny, h):
    base = tiny.repository().package("lone-0:2-1.noarch", source="")
    overlay = h.overlay(h.package("lone-0:1-1.noarch", "lone"))
    assert h.names(tiny.pool(base).solve(h.request("lone"), overlay)) == ["lone-1-1.noarch"]


def test_what_rpm_itself_provides_is_not_queried_of_packages(pool, h):
    own = h.package(
        "app-0:3-1.x86_64",
        "app",
        requires=["rpmlib(PayloadIsZstd) <= 5.4.18-1", "config(app) = 3-1"],
        provides=["config(app) = 3-1"],
    )
    closure = pool.solve(h.request("app"), h.overlay(own))
    assert h.names(closure) == ["app-3-1.x86_64"]
    assert closure.edges == ()


def test_files_of_an_overlay_meet_requirements_on_paths(tiny, h):
    base = tiny.repository().package("reader-0:1-1.noarch", requires=["/usr/share/app/data"])
    base.package("app-0:1-1.noarch", source="app-1-1", files=["/usr/share/app/data"])
    pool = tiny.pool(base)
    with_file = h.overlay(h.package("app-0:2-1.noarch", "app", files=["/usr/share/app/data"]))
    without = h.overlay(h.package("app-0:2-1.noarch", "app"))
    assert h.names(pool.solve(h.request("reader"), with_file)) == [
        "app-2-1.noarch",
        "reader-1-1.noarch",
    ]
    assert pool.solve(h.request("reader"), without).status == "unsolvable"


@pytest.mark.parametrize("path", ["/usr/share/words", "/usr/bin/spell"])
def test_a_path_that_only_the_overlay_requires_is_looked_up(tiny, h, path):
    base = tiny.repository().package("words-0:1-1.noarch", files=["/usr/share/words"])
    base.package("spell-0:1-1.noarch", files=["/usr/bin/spell"]).package("app-0:1-1.noarch")
    pool = tiny.pool(base)
    assert pool.solve(h.request("app")).status == "ok"
    overlay = h.overlay(h.package("app-0:2-1.noarch", "app", requires=[path]))
    for _ in range(2):
        closure = pool.solve(h.request("app"), overlay)
        assert [e.capability for e in closure.edges] == [path]
    wanted = [type_ for _, type_ in tiny.fetched]
    assert wanted.count("filelists") == (0 if "bin/" in path else 1)


def test_many_overlays_one_after_the_other(pool, h):
    """More than the pool keeps: each is right, also when it comes back."""
    overlays = [app(h, f"0:{n}-1") for n in range(1, 80)]
    for _ in range(2):
        for n, overlay in enumerate(overlays, 1):
            closure = pool.solve(h.request("user"), overlay)
            assert f"app-{n}-1.x86_64" in h.names(closure)
    assert "app-2-1.x86_64" in h.names(pool.solve(h.request("user")))


def test_overlays_held_at_once_answer_as_one_by_one(pool, h):
    overlays = [app(h, f"0:{n}-1") for n in (1, 3)]
    pool.hold(overlays)
    closures = [h.names(pool.solve(h.request("app"), o)) for o in reversed(overlays)]
    assert closures == [
        ["app-3-1.x86_64", "app-libs-3-1.x86_64"],
        ["app-1-1.x86_64", "app-libs-1-1.x86_64"],
    ]


def test_published_packages_are_named_in_full(tiny, h):
    base = tiny.repository()
    base.package(
        "app-1:2-1.x86_64",
        source="app-2-1",
        size=4000,
        files=["/usr/bin/app", "/usr/share/app/x"],
        pre=["/bin/sh"],
        requires=["b >= 2", "/bin/sh", "(a or c)"],
        conflicts=["c"],
        obsoletes=["o < 3"],
        recommends=["r"],
        suggests=["s"],
        supplements=["u"],
        enhances=["e"],
    )
    base.package("app-0:1-1.i686", source="app-1-1")
    i686, package = tiny.pool(base).published("app")
    assert (str(i686.nevra), i686.source) == ("app-0:1-1.i686", "app")
    assert (str(package.nevra), package.source, package.repository) == (
        "app-1:2-1.x86_64",
        "app",
        "base",
    )
    assert [(d.kind, d.capability, d.qualifiers) for d in package.dependencies] == [
        ("requires", "(a or c)", ()),
        ("requires", "/bin/sh", ("pre",)),
        ("requires", "b >= 2", ()),
        ("provides", "app = 1:2-1", ()),
        ("conflicts", "c", ()),
        ("obsoletes", "o < 3", ()),
        ("recommends", "r", ()),
        ("suggests", "s", ()),
        ("supplements", "u", ()),
        ("enhances", "e", ()),
    ]
    assert package.files == ("/usr/bin/app", "/usr/share/app/x")
    assert (package.installed_size, package.download_size) == (4000, 2000)
    location = package.location
    assert location.url == (base.root / "p/app-1:2-1.x86_64.rpm").as_uri().replace("%3A", ":")
    assert (location.checksum_type, len(location.checksum)) == ("sha256", 64)
    assert (location.size, location.header_start, location.header_end) == (2000, 4504, 9000)
    assert tiny.pool(base).published("nosuch") == ()


def test_placeholders_hide_what_is_published_and_never_another_overlay(tiny, h):
    """Layers are let go when there are many: their numbers are then those of other packages."""
    base = tiny.repository()
    base.package("app-0:1-1.x86_64").package("user-0:1-1.x86_64", requires=["app"])
    pool = tiny.pool(base)
    future = h.request("user", placeholders=[PlaceholderPackage("future", "future", ("app",))])
    for n in range(1, 80):
        overlay = app(h, f"0:{n}-1")
        assert f"app-{n}-1.x86_64" in h.names(pool.solve(h.request("user"), overlay))
        names = h.names(pool.solve(future, overlay))
        assert f"app-{n}-1.x86_64" in names
        assert "future-000-placeholder.noarch" in names


def test_numbers_of_layers_stay_while_somebody_relies_on_them(pool, h):
    """Many overlays between: a layer that is dropped and comes again has other numbers."""
    planned = h.request("planned", placeholders=[PlaceholderPackage("planned", "p", ("helper",))])

    def numbers_after_many() -> list[tuple[int, ...]]:
        with pool.solved(planned) as image:
            before = image.solution.installed
        for number in range(MOST_LAYERS + 2):
            pool.solve(h.request("user"), app(h, f"0:{number + 3}-1"))
        with pool.solved(planned) as image:
            return [before, image.solution.installed]

    with pool.keeping_layers(), pool.keeping_layers():
        before, after = numbers_after_many()
    assert before == after
    before, after = numbers_after_many()
    assert before != after


def test_a_package_suggests_another_for_one_solve(tiny, h):
    base = tiny.repository()
    base.package("user-0:1-1.x86_64", requires=["curl"])
    base.package("a-curl-0:1-1.x86_64", provides=["curl"])
    base.package("curl-small-0:1-1.x86_64", provides=["curl"])
    pool = tiny.pool(base)
    before = h.names(pool.solve(h.request("user")))
    other = {"a-curl-1-1.x86_64": "curl-small", "curl-small-1-1.x86_64": "a-curl"}[before[0]]
    user = parse_nevra("user-0:1-1.x86_64")
    suggesting = pool.solve(h.request("user"), suggests=[(user, other)])
    assert h.names(suggesting) == [f"{other}-1-1.x86_64", "user-1-1.x86_64"]
    assert h.names(pool.solve(h.request("user"))) == before
