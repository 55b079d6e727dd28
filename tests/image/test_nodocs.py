"""Sizes without documentation, filled into closures."""

from __future__ import annotations

from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.images import image_keys, image_request
from bot.image.measure import with_nodocs
from bot.model.closure import Closure
from tests.check.tiny import documented, workload
from tests.distro.servers import Served, serve


@pytest.fixture
def closure(tmp_path: Path, tiny_repositories: Path) -> Closure:
    bench = documented(tmp_path, tiny_repositories, web=workload("tool"))
    configuration = bench.configuration()
    pool = bench.pools().get(configuration.repositories["repo"], "x86_64")
    (key,) = image_keys(configuration, arches=["x86_64"])
    return pool.solve(image_request(configuration, key))


def test_every_package_whose_header_is_there_has_its_size(closure: Closure, tmp_path: Path) -> None:
    (filled,) = with_nodocs([closure], Cache(tmp_path / "cache"))
    assert [p.installed_size_nodocs for p in closure.packages] == [None] * len(closure.packages)
    assert [p.installed_size_nodocs for p in filled.packages] == [
        p.installed_size for p in filled.packages
    ]  # none of them has documentation


def test_with_nodocs_queries_a_failing_host_once_for_each_of_three_headers(
    closure: Closure, tmp_path: Path
) -> None:
    def refuse(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(503)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    with serve(Served(answer=refuse)) as server:
        moved = tuple(
            replace(p, location=replace(p.location, url=f"{server.url}/{n}.rpm", mirrors=()))
            for n, p in enumerate((*closure.packages, *closure.packages))
            if p.location is not None
        )
        many = replace(closure, packages=tuple(
            replace(p, location=replace(p.location, checksum=f"{n:064x}"))
            for n, p in enumerate(moved) if p.location is not None
        ))  # fmt: skip
        (filled,) = with_nodocs([many], Cache(tmp_path / "cache"))
    assert len(many.packages) > 3
    assert [p.installed_size_nodocs for p in filled.packages] == [None] * len(many.packages)
    assert sorted(path for path, _ in server.requests) == ["/0.rpm", "/1.rpm", "/2.rpm"]
