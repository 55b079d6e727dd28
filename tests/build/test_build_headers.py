"""Reading RPM files that a build made, in the sandbox."""

import json
import os
import shutil
import struct
import subprocess
import tempfile
import tracemalloc
from pathlib import Path

import createrepo_c
import pytest

from bot import limits
from bot.build.headers import HeaderError, checked_headers, header_range, packages_of
from bot.limited.forker import UnreadableError
from bot.model.nevra import Nevra
from bot.model.package import Dependency
from bot.sandbox.run import result_file
from tests.fuzz.seeds import BUILT

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


def header_of(path: Path, size: int) -> None:
    """Give an RPM file a main header of `size` bytes of data, without any tag."""
    content = path.read_bytes()
    start, _ = header_range(path)
    intro = b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", 0, size)
    path.write_bytes(content[:start] + intro + bytes(size))


def test_a_header_of_64_mb_is_refused_before_it_is_read(rpms, tmp_path):
    large = tmp_path / "large.rpm"
    shutil.copyfile(rpms[0], large)
    header_of(large, 64_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(HeaderError, match=f"more than the {limits.HEADER} allowed"):
            packages_of([large], "tiny")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def answered(lines: list[object], count: int) -> bytes:
    text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    with result_file(len(text)) as descriptor:
        os.pwrite(descriptor, text, 0)
        return checked_headers(count, descriptor)


HEADER = json.loads(BUILT)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "a b"}, "name"),
        ({"epoch": -1}, "epoch"),
        ({"arch": "a/b"}, "arch"),
        ({"installed_size": -1}, "installed_size"),
        ({"installed_size": None}, "installed_size"),
        ({"files": ["/" + "a" * 5000]}, "files"),
        ({"dependencies": [["requires", "a\nb", [], False, []]]}, "dependencies"),
        ({"more": 1}, "more"),
    ],
)
def test_a_header_that_rpm_does_not_write_is_refused_with_its_place(change, place):
    assert json.loads(answered([HEADER], 1)) == [HEADER]
    with pytest.raises(UnreadableError, match=place):
        answered([{**HEADER, **change}], 1)


def test_a_header_that_is_missing_is_missed():
    with pytest.raises(UnreadableError, match="1 answers for 2 files"):
        answered([HEADER], 2)


def test_an_answer_that_was_never_written_is_missed():
    with tempfile.TemporaryFile() as empty, pytest.raises(UnreadableError, match="0 answers"):
        checked_headers(1, empty.fileno())


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
