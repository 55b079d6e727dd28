"""Reading RPM files that a build made, in the sandbox."""

import shutil
import subprocess

import createrepo_c
import pytest

from bot.build.headers import HeaderError, header_range, packages_of
from bot.model.nevra import Nevra
from bot.model.package import Dependency

SPEC = """
Name: tiny
Epoch: 2
Version: 1
Release: 3
Summary: tiny
License: MIT
Requires(post,pre): /bin/sh
Requires: (foo or bar)
Recommends: weak >= 2
%global __find_requires %{nil}
%description
tiny
%package data
Summary: data
BuildArch: noarch
%description data
data
%install
mkdir -p %{buildroot}/usr/share/tiny %{buildroot}/usr/share/doc/tiny %{buildroot}/etc
echo 12345 > %{buildroot}/usr/share/tiny/a
ln %{buildroot}/usr/share/tiny/a %{buildroot}/usr/share/tiny/b
ln -s a %{buildroot}/usr/share/tiny/link
echo documentation > %{buildroot}/usr/share/doc/tiny/README
echo x > %{buildroot}/etc/tiny.conf
%files
/usr/share/tiny
%doc /usr/share/doc/tiny/README
%config /etc/tiny.conf
%ghost /var/lib/ghost
%files data
"""


@pytest.fixture(scope="module")
def rpms(tmp_path_factory):
    top = tmp_path_factory.mktemp("rpms")
    (top / "tiny.spec").write_text(SPEC)
    subprocess.run(
        ["rpmbuild", "--define", f"_topdir {top}", "--target", "x86_64", "-bb", top / "tiny.spec"],
        check=True,
        capture_output=True,
    )
    flat = top / "flat"
    flat.mkdir()
    for path in sorted((top / "RPMS").rglob("*.rpm")):
        shutil.move(path, flat / path.name)
    return sorted(flat.iterdir())


def test_packages_have_everything_that_a_header_says(rpms):
    tiny, data = packages_of(rpms, "tiny")
    assert tiny.nevra == Nevra("tiny", 2, "1", "3", "x86_64")
    assert data.nevra == Nevra("tiny-data", 2, "1", "3", "noarch")
    assert (tiny.source, tiny.repository) == ("tiny", "overlay")
    assert Dependency("requires", "/bin/sh", ("post", "pre"), generated=False) in tiny.dependencies
    assert Dependency("requires", "(foo or bar)", (), generated=False) in tiny.dependencies
    assert Dependency("recommends", "weak >= 2", (), generated=False) in tiny.dependencies
    config = Dependency("provides", "config(tiny) = 2:1-3", (), generated=True)
    assert config in tiny.dependencies
    assert Dependency("provides", "tiny(x86-64) = 2:1-3", (), generated=False) in tiny.dependencies
    assert not any("rpmlib(" in d.capability for d in tiny.dependencies)
    assert {"/usr/share/tiny/a", "/etc/tiny.conf"} <= set(tiny.files)


def test_sizes_count_hard_links_once_and_leave_documentation_out(rpms):
    tiny, data = packages_of(rpms, "tiny")
    whole = len("12345\n") + len("a") + len("documentation\n") + len("x\n")
    assert tiny.installed_size == whole
    assert tiny.installed_size_nodocs == whole - len("documentation\n")
    assert data.installed_size == 0


def test_sizes_and_header_ranges_are_those_of_createrepo(rpms):
    for package, path in zip(
        sorted(packages_of(rpms, "tiny"), key=lambda p: p.location.url), rpms, strict=True
    ):
        record = createrepo_c.package_from_rpm(str(path))
        assert package.installed_size == record.size_installed
        assert package.download_size == record.size_package
        assert header_range(path) == (record.rpm_header_start, record.rpm_header_end)
        assert package.location.checksum == record.pkgId


def test_a_file_that_is_no_rpm_is_refused(tmp_path):
    (tmp_path / "evil.rpm").write_bytes(b"not an rpm" * 100)
    with pytest.raises(HeaderError, match="cannot be read"):
        packages_of([tmp_path / "evil.rpm"], "evil")


def test_a_generated_dependency_names_the_files_for_which_it_was_made(tmp_path):
    spec = """
Name: scripts
Version: 1
Release: 1
Summary: scripts
License: MIT
Requires: /usr/bin/perl
Requires: written
%description
scripts
%install
mkdir -p %{buildroot}/usr/bin
printf '#!/usr/bin/perl\\n' > %{buildroot}/usr/bin/second
printf '#!/usr/bin/perl\\n' > %{buildroot}/usr/bin/first
printf '#!/usr/bin/env-like\\n' > %{buildroot}/usr/bin/third
chmod 755 %{buildroot}/usr/bin/*
%files
/usr/bin/*
"""
    (tmp_path / "scripts.spec").write_text(spec)
    subprocess.run(
        ["rpmbuild", "--define", f"_topdir {tmp_path}", "-bb", tmp_path / "scripts.spec"],
        check=True,
        capture_output=True,
    )
    (package,) = packages_of((tmp_path / "RPMS").rglob("*.rpm"), "scripts")
    files = {d.capability: d.files for d in package.of_kind("requires") if d.generated}
    assert files["/usr/bin/perl"] == ("/usr/bin/first", "/usr/bin/second")
    assert files["/usr/bin/env-like"] == ("/usr/bin/third",)
    assert {d.files for d in package.dependencies if not d.generated} == {()}
