"""The distribution's macros, from its own packages."""

from __future__ import annotations

import shutil
import subprocess
import textwrap

import pytest

from bot.distro import Cache
from bot.errors import SurroundingsError
from bot.model import Closure, ImageKey, Location, Nevra, Package, SnapshotState
from bot.sandbox import sandbox_available
from bot.spec import SpecSetting, commonest_dist, evaluate_spec, macros_of
from bot.spec.headers import flags_in_header
from bot.spec.macros import macro_packages, unpack_macros

needs_rpmbuild = pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="no rpmbuild here")


def package(name: str, checksum: str = "c") -> Package:
    return Package(
        Nevra(name, 0, "1", "1", "noarch"),
        name,
        "base",
        location=Location(f"file:///{name}.rpm", "sha256", checksum, 1),
    )


class FakePool:
    """A pool of packages without dependencies; `conflicts` can not be solved together."""

    def __init__(self, *names: str, conflicts: frozenset[str] = frozenset()) -> None:
        self.packages = {name: package(name) for name in names}
        self.conflicts = conflicts
        self.asked: list[tuple[str, ...]] = []

    def selects(self, request):
        from fnmatch import fnmatchcase

        return tuple(
            p.nevra for name, p in sorted(self.packages.items()) if fnmatchcase(name, request)
        )

    def solve_names(self, names, *, weak=False):
        names = tuple(names)
        self.asked.append(names)
        key, state = ImageKey("", "", "", "x86_64"), SnapshotState("", ())
        if self.conflicts and self.conflicts <= set(names):
            return Closure(key, state, "unsolvable", problems=("conflict",))
        return Closure(key, state, "ok", tuple(self.packages[name] for name in names))


def test_macro_packages_are_those_of_a_build_root_and_those_named_so():
    pool = FakePool(
        "rpm",
        "gcc",
        "redhat-rpm-config",
        "python3-rpm-macros",
        "go-srpm-macros",
        "nginx",
        "mine",
        "fedora-release-common",
    )
    found = macro_packages(pool, ("gcc", "mine", "fedora-release-common", "nothere"))
    assert [p.nevra.name for p in found] == [
        "fedora-release-common",
        "go-srpm-macros",
        "python3-rpm-macros",
        "redhat-rpm-config",
        "rpm",
    ]


def test_macro_packages_that_conflict_leave_the_build_roots():
    pool = FakePool(
        "rpm", "a-rpm-macros", "b-rpm-macros", conflicts=frozenset({"a-rpm-macros", "b-rpm-macros"})
    )
    assert [p.nevra.name for p in macro_packages(pool, ())] == ["rpm"]


def test_where_they_cannot_be_had_the_hosts_are_used_and_a_note_says_so(tmp_path):
    def fetch(packages):
        raise SurroundingsError("The mirror does not answer.")

    cache = Cache(tmp_path)
    found = macros_of(FakePool("rpm"), cache, name="fedora-43", fetch=fetch)
    assert found.root is None
    (note,) = found.notes
    assert "fedora-43" in note and "mirror does not answer" in note and "host" in note
    (note,) = macros_of(FakePool("nginx"), cache, name="fedora-43").notes
    assert "no macro packages" in note


@pytest.mark.parametrize(
    ("releases", "dist"),
    [
        (["1.fc43", "2.fc43", "3.fc42"], ".fc43"),
        (["4.el9", "12.el9_4.1", "5.el9.2", "1"], ".el9"),
        (["1.azl3", "10.azl3"], ".azl3"),
        (["1", "2", "3"], ""),
        (["1", "1", "1", "1", "1.fc43"], ""),
        (["2.module_el8.1.0+9"], ""),
        ([], ""),
    ],
)
def test_the_commonest_suffix_of_published_releases_is_dist(releases, dist):
    assert commonest_dist(releases) == dist


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An RPM file that carries macros, with an explicit and a generated requirement."""
    top = tmp_path_factory.mktemp("rpm")
    (top / "m.spec").write_text(
        textwrap.dedent("""\
        Name: vendor-rpm-macros
        Version: 1
        Release: 1
        Summary: x
        License: MIT
        BuildArch: noarch
        Requires: /bin/sh
        Requires: explicit
        %description
        %install
        config=%{buildroot}/usr/lib/rpm
        mkdir -p $config/macros.d $config/vendor %{buildroot}/usr/bin %{buildroot}/etc/rpm
        echo '%%from_d %%{from_vendor}-d' > $config/macros.d/macros.v
        echo '%%from_vendor vendor' > $config/vendor/macros
        echo '%%from_etc etc' > %{buildroot}/etc/rpm/macros.v
        ln -s macros.v $config/macros.d/macros.link
        ln -s /etc/shadow $config/macros.d/macros.out
        ln -s ../../../../../etc/passwd $config/macros.d/macros.up
        printf '#!/bin/sh\\n' > %{buildroot}/usr/bin/tool; chmod 755 %{buildroot}/usr/bin/tool
        %files
        /usr/lib/rpm/*
        /usr/bin/tool
        /etc/rpm/macros.v
        """)
    )
    subprocess.run(
        ["rpmbuild", "-bb", "--define", f"_topdir {top}", str(top / "m.spec")],
        check=True,
        capture_output=True,
    )
    return next(top.glob("RPMS/*/*.rpm"))


@needs_rpmbuild
def test_only_rpms_own_directories_are_unpacked(built, tmp_path):
    unpack_macros(built, tmp_path)
    found = sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()
    )
    assert found == [
        "etc/rpm/macros.v",
        "usr/lib/rpm/macros.d/macros.link",
        "usr/lib/rpm/macros.d/macros.v",
        "usr/lib/rpm/vendor/macros",
    ]
    with pytest.raises(SurroundingsError, match="broken"):
        broken = tmp_path / "broken.rpm"
        broken.write_bytes(built.read_bytes()[:300])
        unpack_macros(broken, tmp_path)


@needs_rpmbuild
@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
def test_a_spec_is_evaluated_with_them_on_every_architecture(built, tmp_path):
    cache = Cache(tmp_path / "cache")
    fetched = []

    def fetch(packages):
        fetched.append([p.nevra.name for p in packages])
        return [built] * len(packages)

    pool = FakePool("vendor-rpm-macros")
    macros = macros_of(pool, cache, fetch=fetch)
    assert macros_of(pool, cache, fetch=fetch).root == macros.root
    assert fetched == [["vendor-rpm-macros"]]
    assert macros.packages == ("vendor-rpm-macros-0:1-1.noarch",)
    (tmp_path / "a.spec").write_text(
        "Name: a\nVersion: 1\nRelease: 1%{?dist}\nSummary: a\nLicense: MIT\n"
        "Requires: %{from_d} %{from_etc} x%{?_isa}\n%description\n%files\n"
    )
    found = evaluate_spec(tmp_path, "a.spec", ["x86_64", "s390x"], setting=SpecSetting(macros))
    for arch, isa in (("x86_64", "x86-64"), ("s390x", "s390-64")):
        names = [d.dependency.capability for d in found[arch].packages[0].dependencies]
        assert found[arch].packages[0].nevra.arch == arch
        assert names == ["etc", "vendor-d", f"x({isa})"]


@needs_rpmbuild
def test_the_header_says_which_dependencies_a_generator_made(built):
    flags = flags_in_header(built.read_bytes()[:20000])
    assert flags is not None
    assert flags.made("requires", "/bin/sh")
    assert not flags.made("requires", "explicit")
    assert flags_in_header(b"") is None
    assert flags_in_header(b"x" * 1000) is None
    assert flags_in_header(built.read_bytes()[:200]) is None
