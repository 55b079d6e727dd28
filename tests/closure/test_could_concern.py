"""Which changes an image that cannot be solved may have to do with."""

from __future__ import annotations

import pytest

from bot.closure.affected import could_concern


@pytest.fixture
def pool(tiny):
    base = tiny.repository()
    base.package("lib-0:1-1.x86_64", source="lib-1-1", provides=["old-api"])
    base.package("lib-0:1-1.i686", source="lib-1-1", provides=["libx.so.1"])
    base.package("lib-0:2-1.x86_64", source="lib-2-1", provides=["api"], files=["/usr/lib/x"])
    base.package("nosuch-user-0:1-1.noarch", requires=["nobody"])
    base.package("user-0:1-1.noarch", requires=["nobody", "middle"])
    base.package("middle-0:1-1.noarch", requires=["(extra or api)"])
    base.package("extra-0:1-1.noarch")
    base.package("exact-0:1-1.noarch", requires=["lib = 1-1"])
    base.package("future-0:1-1.noarch", requires=["lib = 9-1"])
    base.package("foreign-0:1-1.noarch", requires=["libx.so.1"])
    base.package("path-0:1-1.noarch", requires=["/usr/lib/x", "nobody"])
    base.package("weak-0:1-1.noarch", requires=["nobody"], recommends=["lib"])
    return tiny.pool(base)


def concerns(pool, h, *requests, **options):
    return could_concern(pool, h.request(*requests, **options), h.unchanged(pool, "lib"))


@pytest.mark.parametrize(
    "request_",
    ["user", "exact", "future", "foreign", "path", "lib.i686", "lib-1-1", "api >= 3", "lib*1*"],
)
def test_what_requests_the_source_or_leads_there_does(pool, h, request_):
    assert concerns(pool, h, "nosuch", request_)


@pytest.mark.parametrize("request_", ["nosuch-user", "extra", "libx", "nosuch*", "weak"])
def test_what_leads_elsewhere_does_not(pool, h, request_):
    assert not concerns(pool, h, "nosuch", request_)


def test_recommendations_count_where_they_are_installed(pool, h):
    assert concerns(pool, h, "weak", weak=True)


def test_a_name_that_only_head_has_counts(pool, h):
    head = h.overlay(h.package("fresh-0:2-1.x86_64", "lib"), sources=["lib"])
    assert could_concern(pool, h.request("fresh", "nosuch"), head)
    assert not concerns(pool, h, "fresh", "nosuch")
