"""What is hidden has no say: libsolv weighs old versions against new ones, seen or not."""

from __future__ import annotations

import pytest


@pytest.fixture
def pool(tiny):
    """Two providers of one library: the first by name is chosen unless it looks outdated."""
    base = tiny.repository()
    for name in ("lib", "lib-minimal"):
        base.package(f"{name}-0:1-1.x86_64", source="lib-1-1", provides=["liba.so.1()(64bit)"])
    base.package("user-0:1-1.x86_64", requires=["liba.so.1()(64bit)"])
    return tiny.pool(base)


def libs(h, version: str):
    return [
        h.package(f"{name}-{version}.x86_64", "lib", provides=["liba.so.1()(64bit)"])
        for name in ("lib", "lib-minimal")
    ]


def test_a_newer_version_on_the_other_side_does_not_make_this_side_choose_another(pool, h):
    request = h.request("user")
    published = pool.solve(request)
    newer, as_it_was = libs(h, "0:2-1"), libs(h, "0:1-1")
    head = h.overlay(newer[0], as_it_was[1], sources=["lib"])
    pool.solve(request, head)
    assert pool.solve(request) == published
    base = h.overlay(*as_it_was, sources=["lib"])
    assert h.names(pool.solve(request, base)) == h.names(published)


def test_a_newer_published_version_that_the_overlay_replaces_does_not_count(tiny, h):
    alone = tiny.repository("alone")
    alone.package("user-0:1-1.x86_64", requires=["liba.so.1()(64bit)"])
    both = tiny.repository("both")
    both.package("user-0:1-1.x86_64", requires=["liba.so.1()(64bit)"])
    both.package("lib-0:9-1.x86_64", source="lib-9-1", provides=["liba.so.1()(64bit)"])
    overlay = h.overlay(*libs(h, "0:1-1"), sources=["lib"])
    with_none = tiny.pool(alone).solve(h.request("user"), overlay)
    with_newer = tiny.pool(both).solve(h.request("user"), overlay)
    assert h.names(with_newer) == h.names(with_none)
    assert with_newer.status == "ok"


def test_published_packages_can_be_read_while_an_overlay_hides_them(pool, h):
    pool.solve(h.request("user"), h.overlay(*libs(h, "0:2-1"), sources=["lib"]))
    assert [str(p.nevra) for p in pool.published("lib")] == [
        "lib-0:1-1.x86_64",
        "lib-minimal-0:1-1.x86_64",
    ]


def test_the_newest_published_package_is_one_that_an_image_could_install(tiny, h):
    base = tiny.repository(exclude=("lib-9*", "only-*"))
    base.package("lib-0:1-1.x86_64", source="lib-1-1").package("lib-0:9-1.x86_64", source="lib-9-1")
    base.package("only-0:3-1.x86_64", source="lib-9-1")
    packages = tiny.pool(base).newest_published("lib")
    assert [str(p.nevra) for p in packages] == ["lib-0:1-1.x86_64", "only-0:3-1.x86_64"]


def test_an_excluded_name_takes_no_part_in_one_solve_published_or_of_an_overlay(pool, h):
    request = h.request("user")
    assert h.names(pool.solve(request, exclude=["lib"])) == [
        "lib-minimal-1-1.x86_64",
        "user-1-1.x86_64",
    ]
    overlay = h.overlay(*libs(h, "0:2-1"))
    assert h.names(pool.solve(request, overlay, exclude=["lib"])) == [
        "lib-minimal-2-1.x86_64",
        "user-1-1.x86_64",
    ]
    assert pool.solve(request, exclude=["lib", "lib-minimal"]).status == "unsolvable"
    assert h.names(pool.solve(request)) == ["lib-1-1.x86_64", "user-1-1.x86_64"]


def test_a_solved_image_has_the_numbers_of_its_closure(pool, h):
    with pool.solved(h.request("user")) as image:
        numbers = image.solution.installed
        assert sorted(image.overlays.package(n).nevra for n in numbers) == [
            p.nevra for p in image.closure.packages
        ]
        assert not image.closure.edges
