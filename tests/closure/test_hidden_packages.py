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
    found = tiny.pool(base).newest_published("lib")
    assert [str(p.nevra) for p in found] == ["lib-0:1-1.x86_64", "only-0:3-1.x86_64"]
