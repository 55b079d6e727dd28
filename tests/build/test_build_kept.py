"""Builds that are kept, RPM files that are collected, buildroots that are shared and leave."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from bot.build.build_cache import BuildCache, CachedBuild, MoreRequirements, build_key
from bot.build.buildroot import (
    Buildroots,
    MissingRequirementError,
    base_packages,
    buildroot_key,
    root_key,
    solve_buildroot,
    sweep_roots,
)
from bot.build.prepare import collect_rpms, is_wanted
from bot.build.tree import scratch_directory
from bot.distro.cache import Cache
from bot.errors import SurroundingsError
from bot.locks import locked
from bot.model.closure import Closure, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Location, Package
from bot.sandbox.run import sandbox_available


def package(name="a", path=None, checksum="11"):
    url = path.as_uri() if path else "file:///a"
    return Package(
        Nevra(name, 0, "1", "1", "x86_64"),
        "a",
        "overlay",
        (Dependency("requires", "b", ("pre",), generated=True),),
        ("/usr/bin/a",),
        10,
        9,
        8,
        Location(url, "sha256", checksum, 8, 1, 2),
    )


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def put(kept, tmp_path, key="k"):
    rpm = tmp_path / "a-1+2-1.x86_64.rpm"
    rpm.write_bytes(b"rpm")
    log = tmp_path / "log"
    log.write_text("built")
    return kept.put(key, [package(path=rpm)], log, ["a note"])


def test_a_kept_build_comes_back_as_it_was(cache, tmp_path):
    kept = BuildCache(cache)
    assert kept.get("k") is None
    put(kept, tmp_path)
    found = kept.get("k")
    assert isinstance(found, CachedBuild)
    assert found.packages == (package(),)
    assert found.rpms[0].read_bytes() == b"rpm"
    assert found.packages[0].location.url == found.rpms[0].as_uri()
    assert (found.log.read_text(), found.notes) == ("built", ("a note",))


def test_a_damaged_build_is_as_none(cache, tmp_path):
    kept = BuildCache(cache)
    put(kept, tmp_path).rpms[0].unlink()
    assert kept.get("k") is None


def test_what_a_build_asks_for_is_kept_too(cache):
    kept = BuildCache(cache)
    kept.ask_for_more("k", ["x >= 1"])
    assert kept.get("k") == MoreRequirements(("x >= 1",))


def test_the_longest_unused_builds_go(cache, tmp_path):
    kept = BuildCache(cache, most=2)
    for number, key in enumerate("abc"):
        os.utime(put(kept, tmp_path, key).log.parent, (number, number))
    put(kept, tmp_path, "d")
    assert [key for key in "abcd" if kept.get(key)] == ["c", "d"]


def test_the_key_moves_with_everything_that_can_change_packages():
    keys = {
        build_key(builder, tree, root, definitions, arch, check=check)
        for builder, tree, root, definitions, arch, check in (
            ("rpmbuild", "t", "r", {}, "x86_64", False),
            ("mock", "t", "r", {}, "x86_64", False),
            ("rpmbuild", "u", "r", {}, "x86_64", False),
            ("rpmbuild", "t", "s", {}, "x86_64", False),
            ("rpmbuild", "t", "r", {"dist": ".el9"}, "x86_64", False),
            ("rpmbuild", "t", "r", {}, "aarch64", False),
            ("rpmbuild", "t", "r", {}, "x86_64", True),
        )
    }
    assert len(keys) == 7


def test_links_and_other_things_that_a_build_left_are_not_taken(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("password")
    left = tmp_path / "RPMS" / "x86_64"
    left.mkdir(parents=True)
    (left / "good-1-1.x86_64.rpm").write_bytes(b"rpm")
    (left / "evil-1-1.x86_64.rpm").symlink_to(secret)
    os.mkfifo(left / "pipe-1-1.x86_64.rpm")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other-1-1.x86_64.rpm").write_bytes(b"rpm")
    (tmp_path / "RPMS" / "linked").symlink_to(tmp_path / "elsewhere")
    taken = collect_rpms(tmp_path / "RPMS", tmp_path / "taken")
    assert [path.name for path in taken] == ["good-1-1.x86_64.rpm"]
    (tmp_path / "all").symlink_to(tmp_path / "elsewhere")
    assert collect_rpms(tmp_path / "all", tmp_path / "none") == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a-1-1.x86_64.rpm", True),
        ("a-debuginfo-1-1.x86_64.rpm", False),
        ("a-debugsource-1-1.x86_64.rpm", False),
        ("a-libs-debuginfo-1-1.x86_64.rpm", False),
        ("a-1-1.src.rpm", False),
    ],
)
def test_debug_and_source_packages_are_not_wanted(tmp_path, name, wanted):
    assert is_wanted(tmp_path / name) is wanted


class FakePool:
    def __init__(self, closure=None, known=()):
        self.closure, self.known, self.asked = closure, known, None

    def solve_names(self, names, weak):
        assert weak is False
        self.asked = names
        return self.closure

    def provides(self, name):
        return name in self.known


def closure(**values):
    return Closure(ImageKey("", "", "", "x86_64"), SnapshotState("s", ()), **values)


def test_a_missing_build_requirement_is_named():
    pool = FakePool(closure(status="unsolvable", missing=("libnone-devel",)))
    with pytest.raises(MissingRequirementError, match="nothing provides libnone-devel") as raised:
        solve_buildroot(pool, ["gcc", "gcc", "libnone-devel"])
    assert raised.value.missing == ("libnone-devel",)
    assert pool.asked == ("gcc", "libnone-devel")


def test_a_conflict_in_a_buildroot_is_told_in_few_words():
    problems = tuple(f"problem {number}" for number in range(50))
    pool = FakePool(closure(status="unsolvable", problems=problems))
    with pytest.raises(MissingRequirementError, match=r"problem 4; and 45 more$"):
        solve_buildroot(pool, ["gcc"])


def test_a_document_without_build_packages_gets_the_usual_ones_that_exist():
    pool = FakePool(known=("rpm-build", "bash"))
    assert base_packages(pool, ()) == ("bash", "rpm-build")
    assert base_packages(pool, ("mine",)) == ("mine",)


def test_a_buildroots_name_is_its_content_whatever_the_order():
    one, two = package(checksum="11"), package("b", checksum="22")
    assert buildroot_key([one, two]) == buildroot_key([two, one])
    assert buildroot_key([one]) != buildroot_key([one, two])


class Files:
    """Files of packages that need a signature by one of `keys`, which they have."""

    def __init__(self, rpm, *keys):
        self.rpm, self.keys = rpm, keys

    def trust(self, package):
        return self.keys

    def fetch(self, package):
        return self.rpm


def test_a_root_of_packages_that_nobody_checked_is_not_taken_for_one_that_was(tmp_path):
    packages = [package()]
    plain, signed = Files(tmp_path), Files(tmp_path, "https://example.org/key")
    assert root_key(packages, plain) == buildroot_key(packages)
    assert root_key(packages, signed) not in (
        buildroot_key(packages),
        root_key(packages, Files(tmp_path, "x")),
    )


@pytest.fixture
def installs(monkeypatch):
    made = []

    def install(root, rpms, count):
        made.append(count)
        (root / "usr").mkdir()

    monkeypatch.setattr(Buildroots, "_install", staticmethod(install))
    return made


@pytest.fixture
def buildroots(cache, tmp_path):
    rpm = tmp_path / "p.rpm"
    rpm.write_bytes(b"rpm")
    return Buildroots(cache, Files(rpm), most=2)


def test_a_buildroot_is_made_once_for_two_at_the_same_time(buildroots, installs):
    started = threading.Barrier(2)
    seen = []

    def use():
        started.wait()
        with buildroots.hold([package()]) as root:
            seen.append(root)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1
    assert installs == [1]


def test_the_longest_unused_buildroot_goes_unless_it_is_in_use(buildroots, installs):
    first, second, third = ([package(checksum=c)] for c in ("11", "22", "33"))
    with buildroots.hold(first) as used:
        with buildroots.hold(second) as idle:
            os.utime(used.parent, (1, 1))
            os.utime(idle.parent, (2, 2))
        with buildroots.hold(third):
            assert used.is_dir()
            assert not idle.exists()
    with buildroots.hold(second):
        pass
    assert not used.exists()
    assert not list(used.parent.parent.glob(".making*"))


def test_what_a_killed_process_left_half_made_goes(buildroots, installs, cache):
    half = cache.directory("buildroots") / ".making-half"
    (half / "root").mkdir(parents=True)
    os.utime(half, (1, 1))
    with buildroots.hold([package()]):
        assert not half.exists()


def test_a_buildroot_that_cannot_be_installed_leaves_nothing(buildroots, monkeypatch, cache):
    def fail(root, rpms, count):
        raise SurroundingsError("rpm says no")

    monkeypatch.setattr(Buildroots, "_install", staticmethod(fail))
    with pytest.raises(SurroundingsError, match="rpm says no"), buildroots.hold([package()]):
        pass
    assert list((cache.root / "buildroots").iterdir()) == []


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
def test_a_payload_that_its_header_does_not_vouch_for_enters_no_buildroot(cache, tmp_path):
    spec = tmp_path / "p.spec"
    spec.write_text(
        "Name: p\nVersion: 1\nRelease: 1\nSummary: p\nLicense: MIT\nBuildArch: noarch\n"
        "%define _binary_payload w.ufdio\n%description\n"
        "%install\nmkdir -p %{buildroot}/p\n%files\n/p\n"
    )
    command = ["rpmbuild", "--define", f"_topdir {tmp_path}", "-bb", str(spec)]
    subprocess.run(command, check=True, capture_output=True)
    rpm = tmp_path / "RPMS/noarch/p-1-1.noarch.rpm"
    content = bytearray(rpm.read_bytes())
    archive = content.rindex(b"07070", 0, content.rindex(b"TRAILER!!!") - 100)
    content[archive + 6 : archive + 14] = b"0000abcd"  # an inode, which nobody looks at
    rpm.write_bytes(content)
    roots = Buildroots(cache, Files(rpm))
    with pytest.raises(SurroundingsError, match=r"(?i)digest: BAD"), roots.hold([package()]):
        pass


def test_what_a_killed_process_left_goes_with_the_next_build(cache):
    left = cache.directory("scratch") / "left"
    (left / "tree").mkdir(parents=True)
    with scratch_directory(cache) as directory:
        assert not left.exists()
        with scratch_directory(cache) as another:
            assert directory.is_dir()
        assert not another.exists()
    assert not directory.exists()


def test_buildroots_take_half_of_the_cache_at_most(buildroots, installs, monkeypatch):
    first, second = ([package(checksum=c)] for c in ("11", "22"))
    with buildroots.hold(first) as large:
        (large / "usr/file").write_bytes(b"x" * 600)
    os.utime(large.parent, (1, 1))
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "1000000")
    with buildroots.hold(second) as small:
        assert large.is_dir()
    shutil.rmtree(small.parent)
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "1000")
    with buildroots.hold(second) as small:
        assert small.is_dir()
        assert not large.exists()


NOW = 10_000_000.0
DAY = 86_400.0


def root(cache: Cache, kind: str, key: str, days: float) -> Path:
    directory = cache.directory(kind) / key
    (directory / "root" / "etc").mkdir(parents=True)
    (directory / "made").write_text("2 packages\n")
    os.utime(directory, (NOW - days * DAY, NOW - days * DAY))
    return directory


def test_roots_of_both_kinds_leave_by_age_but_those_in_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    old = [root(cache, "buildroots", "a" * 64, 31), root(cache, "rpm-roots", "b" * 64, 31)]
    used = root(cache, "buildroots", "c" * 64, 31)
    young = root(cache, "buildroots", "d" * 64, 29)
    with locked(cache.lock_file(f"buildroots-{'c' * 40}"), shared=True):
        assert sweep_roots(cache, NOW - 30 * DAY, 10**9, NOW).removed == 2
    assert [path.exists() for path in (*old, used, young)] == [False, False, True, True]
    assert sweep_roots(cache, NOW - 30 * DAY, 10**9, NOW).removed == 1
    assert not used.exists()


def test_roots_leave_by_size_and_not_those_of_the_last_hour(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first = root(cache, "buildroots", "a" * 64, 2)
    just_now = root(cache, "rpm-roots", "b" * 64, 0)
    assert sweep_roots(cache, NOW - 30 * DAY, 1, NOW).removed == 1
    assert (first.exists(), just_now.exists()) == (False, True)


def test_roots_leave_by_half_of_the_cache_s_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    first, second = (root(cache, "buildroots", letter * 64, 2) for letter in "ab")
    monkeypatch.setenv("MINIMIZE_CACHE_LIMIT", "1")
    assert sweep_roots(cache, NOW - 30 * DAY, 10**9, NOW).removed == 2
    assert not first.exists() and not second.exists()
