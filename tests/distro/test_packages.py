"""RPM files and headers: from any mirror, whole and right, or not at all."""

from __future__ import annotations

import hashlib

import pytest

from bot.distro.failover import AbsentError, RefusedFileError
from bot.distro.packages import fetch_header, fetch_package, fetch_packages, read_header
from bot.errors import SurroundingsError
from bot.model.nevra import Nevra
from bot.model.package import Location, Package

START, END = 112, 400
# Of an RPM file's form only: its lead, its header's magic, something after it.
RPM = (
    b"\xed\xab\xee\xdb".ljust(START, b"s")
    + b"\x8e\xad\xe8".ljust(END - START, b"h")
    + b"payload" * 100_000
)
DEAD = "http://127.0.0.1:9/p.rpm"


@pytest.fixture
def package(web):
    (web.root / "p.rpm").write_bytes(RPM)

    def make(*urls: str, content: bytes = RPM, name: str = "p", **fields) -> Package:
        where = urls or (f"{web.url}/p.rpm",)
        stated = {"size": len(content), "header_start": START, "header_end": END} | fields
        checksum = hashlib.sha256(content).hexdigest()
        location = Location(where[0], "sha256", checksum, mirrors=tuple(where[1:]), **stated)
        return Package(Nevra(name, 0, "1", "1", "noarch"), name, "r", location=location)

    return make


def test_a_package_is_fetched_once(web, package, cache):
    path = fetch_package(package(), cache)
    assert path.read_bytes() == RPM
    assert path.name.endswith("p-1-1.noarch.rpm")
    assert fetch_package(package(), cache) == path
    assert len(web.requests) == 1


def test_a_local_package_is_used_where_it_is(tmp_path, package, cache):
    path = tmp_path / "here.rpm"
    path.write_bytes(RPM)
    assert fetch_package(package(f"file://{path}"), cache) == path
    path.write_bytes(RPM[:-1] + b"x")
    with pytest.raises(RefusedFileError, match=r"here\.rpm is refused"):
        fetch_package(package(f"file://{path}"), cache)


def test_the_next_mirror_answers_for_a_dead_one(web, package, cache):
    assert fetch_package(package(DEAD, f"{web.url}/p.rpm"), cache).read_bytes() == RPM


def test_the_next_mirror_answers_for_one_that_lies(web, package, cache):
    (web.root / "bad.rpm").write_bytes(RPM[::-1])
    path = fetch_package(package(f"{web.url}/bad.rpm", f"{web.url}/p.rpm"), cache)
    assert path.read_bytes() == RPM


def test_what_one_mirror_sent_is_not_asked_of_the_next(web, package, cache, misbehave):
    web.on("/p.rpm", *[misbehave["cut"](100_000)] * 4)
    (web.root / "q.rpm").write_bytes(RPM)
    fetch_package(package(f"{web.url}/p.rpm", f"{web.url}/q.rpm"), cache)
    assert web.requests_of("q.rpm")[0]["Range"].startswith("bytes=100000")


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"size": 50}, "more than the 50 allowed"), ({"size": len(RPM) + 1}, "bytes instead of")],
)
def test_another_size_than_said_is_refused(web, package, cache, fields, message):
    with pytest.raises(RefusedFileError, match=message):
        fetch_package(package(**fields), cache)
    assert not list((cache.root / "partial").iterdir())


def test_a_missing_package_is_an_absence(web, package, cache):
    with pytest.raises(AbsentError, match=r"gone\.rpm .*404"):
        fetch_package(package(f"{web.url}/gone.rpm"), cache)


def test_a_package_that_was_not_published_has_no_file(cache):
    with pytest.raises(SurroundingsError, match="no file"):
        fetch_package(Package(Nevra("p", 0, "1", "1", "noarch"), "p", "overlay"), cache)


def test_many_packages_come_in_their_order(web, package, cache):
    contents = [RPM + bytes([n]) for n in range(12)]
    packages = []
    for n, content in enumerate(contents):
        (web.root / f"{n}.rpm").write_bytes(content)
        packages.append(package(f"{web.url}/{n}.rpm", content=content, name=f"p{n}"))
    paths = fetch_packages(packages, cache, jobs=4)
    assert [path.read_bytes() for path in paths] == contents


def test_one_failure_among_many_is_raised(web, package, cache):
    packages = [package(), package(f"{web.url}/gone.rpm", content=b"gone")]
    with pytest.raises(AbsentError, match="gone"):
        fetch_packages(packages, cache)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_header_is_fetched_alone(web, package, cache, ranges):
    web.ranges = ranges
    assert read_header(package(), cache) == RPM[:END]
    assert web.requests_of("p.rpm")[0]["Range"] == f"bytes=0-{END - 1}"
    assert fetch_header(package(), cache) == RPM[:END]
    assert len(web.requests) == 1


def test_the_header_of_a_local_package_is_not_copied(tmp_path, package, cache):
    path = tmp_path / "here.rpm"
    path.write_bytes(RPM)
    assert read_header(package(f"file://{path}"), cache) == RPM[:END]
    assert not (cache.root / "headers").exists()


def test_a_header_comes_from_the_package_if_that_is_there(web, package, cache):
    fetch_package(package(), cache)
    assert read_header(package(), cache) == RPM[:END]
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "fields", [{"header_start": 0, "header_end": 0}, {"header_start": 400, "header_end": 100}]
)
def test_a_header_whose_place_is_not_said_is_not_read(web, package, cache, fields):
    with pytest.raises(SurroundingsError, match="does not say where its header is"):
        read_header(package(**fields), cache)
    assert fetch_header(package(**fields), cache) is None
    assert web.requests == []


def test_a_header_that_is_none_is_refused(web, package, cache):
    (web.root / "x.rpm").write_bytes(b"x" * 1000)
    with pytest.raises(RefusedFileError, match="no RPM header"):
        read_header(package(f"{web.url}/x.rpm"), cache)
    path = f"{web.url}/x.rpm"
    assert read_header(package(path, f"{web.url}/p.rpm"), cache) == RPM[:END]
