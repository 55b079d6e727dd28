"""What is left out of packages, and sizes from headers alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from bot.build.headers import packages_of
from bot.distro.cache import Cache
from bot.distro.images import image_keys, image_request
from bot.image.layer import compose_layer
from bot.image.measure import closure_layer, file_changes, with_nodocs
from bot.image.selection import Selection, installed_size_nodocs, selected
from bot.model.closure import Closure, SnapshotState
from bot.model.image import ImageKey
from bot.model.package import Package
from tests.check.tiny import documented, workload
from tests.distro.servers import Served, serve
from tests.image.crafted import Directory, File, Link, write_rpm
from tests.image.layers import compose, seen_in_layer
from tests.image.test_image_like_rpm import ODD

DOC, GHOST = 2, 64


def closure(*packages: Package) -> Closure:
    return Closure(ImageKey("w", "e", "r", "x86_64"), SnapshotState("s", ()), "ok", packages)


@pytest.mark.parametrize("lang", ["de", "de|fr", "en_US"])
def test_other_languages_are_left_out(lang: str, tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x", lang=lang)])
    assert "opt/a" not in seen_in_layer(compose([package], cache))


@pytest.mark.parametrize("lang", ["C", "C.utf8", "C.UTF-8", "de|C"])
def test_the_c_locale_stays(lang: str, tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x", lang=lang)])
    assert "opt/a" in seen_in_layer(compose([package], cache))


def test_directories_go_with_what_is_left_out_of_them() -> None:
    from bot.image.listing import FileEntry

    def entry(path: str, mode: int = 0o100644, flags: int = 0) -> FileEntry:
        return FileEntry(path, mode, 1, 0, "", "", "root", "root", flags, "", 0, "", 0)

    files = (
        entry("/a", 0o040755),
        entry("/a/b", 0o040755),
        entry("/a/b/doc", flags=DOC),
        entry("/c", 0o040755),
        entry("/c/doc", flags=DOC),
        entry("/c/file"),
        entry("/empty", 0o040755),
        entry("/ghost", flags=GHOST),
    )
    paths = [files[index].path for index in selected(files, Selection())]
    assert paths == ["/c", "/c/file", "/empty"]


def test_the_installed_size_without_documentation_is_the_one_that_librpm_says(
    build_rpms: Callable[[str], list[Path]], cache: Cache
) -> None:
    for package in packages_of(build_rpms(ODD), "odd"):
        assert installed_size_nodocs(package, cache) == package.installed_size_nodocs


def test_a_layer_may_be_without_the_database(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [Directory("/opt"), File("/opt/a", b"x")])
    assert "var/lib/rpm/rpmdb.sqlite" not in seen_in_layer(compose([package], cache))
    assert "var/lib/rpm/rpmdb.sqlite" in seen_in_layer(compose([package], cache, database=True))


def test_the_database_is_where_the_packages_have_its_place(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [Directory("/usr/lib/sysimage/rpm")])
    found = seen_in_layer(compose([package], cache, database=True))
    assert "usr/lib/sysimage/rpm/rpmdb.sqlite" in found


def test_moved_files_are_named_by_package_the_largest_move_first(
    tmp_path: Path, cache: Cache
) -> None:
    same = write_rpm(tmp_path / "s.rpm", [File("/opt/same", b"x" * 9)], name="same")
    before = write_rpm(
        tmp_path / "a.rpm",
        [
            File("/opt/gone", b"x" * 50),
            File("/opt/grown", b"x" * 10),
            File("/opt/kept", b"x" * 7),
            Link("/opt/link", link="kept"),
        ],
        name="moved",
    )
    after = write_rpm(
        tmp_path / "b.rpm",
        [
            File("/opt/grown", b"x" * 100),
            File("/opt/kept", b"y" * 7),
            Link("/opt/link", link="kept"),
            File("/opt/doc", b"x" * 5000, flags=DOC),
        ],
        name="moved",
    )
    more = write_rpm(tmp_path / "c.rpm", [File("/opt/new", b"x" * 60)], name="added")
    changes = file_changes(closure(same, before), closure(same, after, more), cache)
    assert [(c.package, c.path, c.before, c.after) for c in changes] == [
        ("moved", "/opt/grown", 10, 100),
        ("added", "/opt/new", None, 60),
        ("moved", "/opt/gone", 50, None),
    ]
    assert [c.delta for c in changes] == [90, 60, -50]


def test_a_package_without_a_file_counts_with_its_stand_in(tmp_path: Path, cache: Cache) -> None:
    from dataclasses import replace

    published = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x" * 100)])
    predicted = replace(published, location=None)
    assert closure_layer(closure(predicted), cache) is None
    layer = closure_layer(closure(predicted), cache, stand_in=lambda _: published)
    whole = closure_layer(closure(published), cache)
    assert layer is not None
    assert whole is not None
    assert layer.size == whole.size
    assert file_changes(closure(published), closure(predicted), cache) != ()
    same = file_changes(closure(published), closure(predicted), cache, stand_in=lambda _: published)
    assert same == ()


def test_an_unsolvable_image_has_no_layer(cache: Cache) -> None:
    from dataclasses import replace

    unsolvable = replace(closure(), status="unsolvable")
    assert closure_layer(unsolvable, cache) is None
    assert file_changes(unsolvable, closure(), cache) == ()


@pytest.mark.reference
def test_a_second_composition_reads_no_payload(
    solve: Callable[[str, str], Closure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = solve("nginx", "x86_64").packages
    cache = Cache(tmp_path / "cache")
    first = compose_layer(packages, cache).size
    read: list[object] = []
    monkeypatch.setattr("bot.image.fragment.read_payload", lambda *a: read.append(a))
    assert compose_layer(packages, cache).size == first
    assert read == []


@pytest.fixture
def solved(tmp_path: Path, tiny_repositories: Path) -> Closure:
    bench = documented(tmp_path, tiny_repositories, web=workload("tool"))
    configuration = bench.configuration()
    pool = bench.pools().get(configuration.repositories["repo"], "x86_64")
    (key,) = image_keys(configuration, arches=["x86_64"])
    return pool.solve(image_request(configuration, key))


def test_every_package_whose_header_is_there_has_its_size(solved: Closure, tmp_path: Path) -> None:
    (filled,) = with_nodocs([solved], Cache(tmp_path / "cache"))
    assert [p.installed_size_nodocs for p in solved.packages] == [None] * len(solved.packages)
    assert [p.installed_size_nodocs for p in filled.packages] == [
        p.installed_size for p in filled.packages
    ]  # none of them has documentation


def test_with_nodocs_queries_a_failing_host_once_for_each_of_three_headers(
    solved: Closure, tmp_path: Path
) -> None:
    def refuse(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(503)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    with serve(Served(answer=refuse)) as server:
        moved = tuple(
            replace(p, location=replace(p.location, url=f"{server.url}/{n}.rpm", mirrors=()))
            for n, p in enumerate((*solved.packages, *solved.packages))
            if p.location is not None
        )
        many = replace(solved, packages=tuple(
            replace(p, location=replace(p.location, checksum=f"{n:064x}"))
            for n, p in enumerate(moved) if p.location is not None
        ))  # fmt: skip
        (filled,) = with_nodocs([many], Cache(tmp_path / "cache"))
    assert len(many.packages) > 3
    assert [p.installed_size_nodocs for p in filled.packages] == [None] * len(many.packages)
    assert sorted(path for path, _ in server.requests) == ["/0.rpm", "/1.rpm", "/2.rpm"]
