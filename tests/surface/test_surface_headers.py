"""The surface from headers alone is that of the composed layer, where the headers are at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.snapshot import Snapshot
from bot.image.plan import plan_layer
from bot.model.closure import Closure, SnapshotState
from bot.model.image import ImageKey
from bot.surface.files import surface_of_files, surface_of_headers
from tests.check.tiny import Bench

KEY = ImageKey("web", "minimal", "repo", "x86_64")


@pytest.fixture
def solved(bench: Bench) -> tuple[Closure, Snapshot, Cache]:
    """An image of packages in files, its snapshot, and an empty cache."""
    from bot.distro.images import image_request
    from bot.distro.snapshot import open_snapshot

    configuration, cache = bench.configuration(), Cache(bench.root / "cache")
    snapshot = open_snapshot(configuration.repositories["repo"], "x86_64", cache)
    closure = open_pool(snapshot, cache).solve(image_request(configuration, KEY))
    return closure, snapshot, cache


def test_files_and_the_cache_are_at_hand_and_nothing_else_is(
    solved: tuple[Closure, Snapshot, Cache],
) -> None:
    closure, snapshot, cache = solved
    surface = surface_of_headers(closure, snapshot, cache)
    assert surface == surface_of_files(plan_layer(closure.packages, cache, database=False))
    elsewhere = replace(
        closure,
        packages=tuple(
            replace(p, location=replace(p.location, url="https://example.org/p.rpm"))  # type: ignore[type-var]
            for p in closure.packages
        ),
    )
    # Their listings were read, by the packages' checksums.
    assert surface_of_headers(elsewhere, snapshot, cache) == surface
    assert surface_of_headers(elsewhere, snapshot, Cache(cache.root / "other")) is None


def test_a_package_without_a_file_counts_with_the_published_one_which_is_said(
    solved: tuple[Closure, Snapshot, Cache],
) -> None:
    closure, snapshot, cache = solved
    published = {p.nevra.name: p for p in closure.packages}
    predicted = replace(
        closure,
        packages=tuple(
            replace(p, location=None) if p.nevra.name == "tool" else p for p in closure.packages
        ),
    )
    assert surface_of_headers(predicted, snapshot, cache) is None
    surface = surface_of_headers(
        predicted, snapshot, cache, stand_in=lambda p: published.get(p.nevra.name)
    )
    assert surface is not None
    assert surface.partial == ("tool: as published, since this change's own files are not built.",)


def test_of_an_image_that_cannot_be_installed_nothing_is_known(
    solved: tuple[Closure, Snapshot, Cache],
) -> None:
    _, snapshot, cache = solved
    broken = Closure(KEY, SnapshotState("s", ()), "unsolvable")
    assert surface_of_headers(broken, snapshot, cache) is None


def test_before_the_layer_is_composed_users_are_those_of_headers_and_that_is_said(
    solve: Callable[[str, str], Closure],
    solved: tuple[Closure, Snapshot, Cache],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    closure, snapshot = solve("nginx", "x86_64"), solved[1]
    cache = Cache(tmp_path_factory.mktemp("unread"))
    before = surface_of_headers(closure, snapshot, cache)
    plan = plan_layer(closure.packages, cache, database=False)
    after = surface_of_headers(closure, snapshot, cache)
    assert before is not None and after is not None
    assert before.partial == ("Users: the passwd of the image was not read.",)
    assert before.users is None
    assert (after.users, after.partial) == (tuple(sorted(plan.owners.users)), ())
    assert replace(before, users=after.users, partial=()) == after
