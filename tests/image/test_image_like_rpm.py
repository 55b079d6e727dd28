"""Layers hold what `rpm --root` installs: lists, types, modes, owners, sizes, contents, times."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bot.build.headers import packages_of
from bot.distro.cache import Cache
from bot.distro.packages import fetch_package
from bot.image.layer import Layer, compose_layer
from bot.image.selection import Selection
from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import Closure
from bot.model.package import Package
from tests.image.layers import compose, seen_in_layer, seen_on_disk

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="rpm --root needs to be root")
# What rpm keeps beside its database, and does not belong into an image.
_HOUSEKEEPING = (
    "var/lib/rpm/.rpm.lock",
    "var/lib/rpm/rpmdb.sqlite-shm",
    "var/lib/rpm/rpmdb.sqlite-wal",
)
# Its content is compared by asking rpm: the time at which each header was written differs, and
# `--justdb` does not note which files are left out.
_DATABASE = "var/lib/rpm/rpmdb.sqlite"


_INSTALL = ["--install", "--nodeps", "--noscripts", "--notriggers", "--ignorearch", "--excludedocs"]
_INSTALL += ["--nosignature", "--define", "_install_langs C.utf8:C.UTF-8"]


def install(root: Path, files: Sequence[Path]) -> None:
    """What rpm makes of the packages, without scriptlets and documentation."""
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    done = subprocess.run(
        ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", *_INSTALL, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def assert_like_rpm(layer: Layer, root: Path) -> None:
    ours, theirs = seen_in_layer(layer), seen_on_disk(root)
    for path in _HOUSEKEEPING:
        theirs.pop(path, None)
    assert (_DATABASE in ours) == (_DATABASE in theirs)
    ours.pop(_DATABASE, None)
    theirs.pop(_DATABASE, None)
    different = {
        path: (ours.get(path), theirs.get(path))
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    }
    assert different == {}


@needs_root
@pytest.mark.reference
@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("workload", ["nginx", "python", "curl"])
def test_every_reference_image_is_what_rpm_installs(
    workload: str,
    arch: str,
    solve: Callable[[str, str], Closure],
    reference_cache: Cache,
    tmp_path: Path,
) -> None:
    closure = solve(workload, arch)
    layer = compose_layer(closure.packages, reference_cache)
    files = [fetch_package(package, reference_cache) for package in closure.packages]
    install(tmp_path / "root", files)
    assert_like_rpm(layer, tmp_path / "root")


@needs_root
@pytest.mark.reference
def test_the_database_answers_like_the_one_that_an_installation_leaves(
    solve: Callable[[str, str], Closure], reference_cache: Cache, tmp_path: Path
) -> None:
    closure = solve("nginx", "aarch64")
    layer = compose_layer(closure.packages, reference_cache)
    files = [fetch_package(package, reference_cache) for package in closure.packages]
    install(tmp_path / "theirs", files)
    ours = tmp_path / "ours"
    ours.mkdir()
    unpack(layer, ours)
    question = ["-qa", "--qf", "[%{=NEVRA} %{FILENAMES} %{FILEDIGESTS} %{=SIZE}\\n]"]
    answers = [rpm_query(root, question) for root in (ours, tmp_path / "theirs")]
    assert answers[0]
    assert sorted(answers[0].splitlines()) == sorted(answers[1].splitlines())
    # It is sound, and finds owners of files.
    owner = ["-qf", "/usr/sbin/nginx", "--qf", "%{NAME}\\n"]
    assert rpm_query(ours, owner) == "nginx\n"


def rpm_query(root: Path, question: Sequence[str]) -> str:
    done = subprocess.run(
        ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", *question],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def unpack(layer: Layer, root: Path) -> None:
    from bot.image.layer import archive

    tar = subprocess.Popen(
        ["tar", "-x", "--numeric-owner", "-p", "-C", str(root)], stdin=subprocess.PIPE
    )
    assert tar.stdin is not None
    for chunk in archive(layer):
        tar.stdin.write(chunk)
    tar.stdin.close()
    assert tar.wait() == 0


ODD = """
Name: odd
Version: 1
Release: 1
Summary: Everything that a package can have
License: MIT
BuildArch: noarch
%description
Odd.
%package base
Summary: The base
%description base
Base.
%package other
Summary: Shares paths with odd
%description other
Other.
%install
mkdir -p %{buildroot}/etc %{buildroot}/usr/lib64 %{buildroot}/usr/bin %{buildroot}/lib64
mkdir -p %{buildroot}/opt/odd/deep/deeper %{buildroot}/opt/odd/empty %{buildroot}/var/odd
cat > %{buildroot}/etc/passwd <<EOF
root:x:0:0:root:/root:/bin/sh
web:x:33:34::/:/bin/false
EOF
cat > %{buildroot}/etc/group <<EOF
root:x:0:
web:x:34:
EOF
rmdir %{buildroot}/lib64
ln -s usr/lib64 %{buildroot}/lib64
echo program > %{buildroot}/usr/bin/program
echo capable > %{buildroot}/usr/bin/capable
echo setuid > %{buildroot}/usr/bin/setuid
echo webs > %{buildroot}/opt/odd/webs
echo stranger > %{buildroot}/opt/odd/stranger
echo one > %{buildroot}/opt/odd/one
ln %{buildroot}/opt/odd/one %{buildroot}/opt/odd/two
ln %{buildroot}/opt/odd/one %{buildroot}/opt/odd/zdoc
echo doc > %{buildroot}/opt/odd/deep/deeper/doc
echo german > %{buildroot}/opt/odd/german
echo plain > %{buildroot}/opt/odd/plain
echo ghost > %{buildroot}/opt/odd/ghost
echo shared > %{buildroot}/var/odd/shared
: > %{buildroot}/opt/odd/nothing
mkfifo %{buildroot}/opt/odd/pipe
ln -s ../nowhere %{buildroot}/opt/odd/dangling
ln -s /opt/odd/one %{buildroot}/opt/odd/absolute
mkdir -p "%{buildroot}/opt/odd/umlaut ä"
echo ü > "%{buildroot}/opt/odd/umlaut ä/ü"
long=%{buildroot}/opt/odd/$(printf 'long%.0s' $(seq 30))
mkdir -p $long/$(printf 'name%.0s' $(seq 40))
echo long > $long/$(printf 'name%.0s' $(seq 40))/$(printf 'x%.0s' $(seq 200))
ln -s $(printf 'target%.0s' $(seq 30)) %{buildroot}/opt/odd/farlink
dd if=/dev/urandom of=%{buildroot}/opt/odd/large bs=1M count=9 status=none
touch -d @1000000007 %{buildroot}/opt/odd/one
%files base
%config /etc/passwd
%config /etc/group
/lib64
%dir /usr/lib64
%files
%attr(0755,root,root) /usr/bin/program
%caps(cap_net_raw,cap_net_bind_service=ep) %attr(0755,root,root) /usr/bin/capable
%attr(4755,root,root) /usr/bin/setuid
%dir %attr(0750,web,web) /opt/odd
%attr(0640,web,web) /opt/odd/webs
%attr(6755,stranger,stranger) /opt/odd/stranger
/opt/odd/one
/opt/odd/two
%doc /opt/odd/zdoc
%dir /opt/odd/deep
%dir /opt/odd/deep/deeper
%doc /opt/odd/deep/deeper/doc
%dir /opt/odd/empty
%lang(de) /opt/odd/german
%lang(C) /opt/odd/plain
%ghost /opt/odd/ghost
/opt/odd/nothing
/opt/odd/pipe
/opt/odd/dangling
/opt/odd/absolute
"/opt/odd/umlaut ä"
/opt/odd/long*
/opt/odd/farlink
/opt/odd/large
%attr(0644,root,root) /var/odd/shared
%files other
%attr(0644,root,root) /var/odd/shared
"""


def odd_spec() -> str:
    """ODD, without its named pipe where rpm is older than 4.19.

    Such an rpm opens the pipe that it installs, and waits for a writer for ever.
    """
    import rpm

    if tuple(map(int, rpm.__version__.split(".")[:2])) >= (4, 19):
        return ODD
    return "".join(line for line in ODD.splitlines(keepends=True) if "/opt/odd/pipe" not in line)


@needs_root
def test_links_documentation_languages_capabilities_and_owners_are_as_rpm_has_them(
    build_rpms: Callable[[str], list[Path]], cache: Cache, tmp_path: Path
) -> None:
    files = build_rpms(odd_spec())
    # The base first: rpm asks its passwd and group for the owners of the others.
    files.sort(key=lambda path: "base" not in path.name)
    packages = packages_of(files, "odd")
    layer = compose(packages, cache)
    root = tmp_path / "root"
    install(root, files[:1])
    install(root, files[1:])
    theirs = {
        path: seen
        for path, seen in seen_on_disk(root).items()
        if not path.startswith("var/lib") and path != "var"
    }
    ours = {path: seen for path, seen in seen_in_layer(layer).items() if path != "var"}
    assert {
        p: (ours.get(p), theirs.get(p)) for p in ours | theirs if ours.get(p) != theirs.get(p)
    } == {}
    assert ours["usr/bin/capable"].capability
    assert ours["opt/odd/webs"].uid == 33
    assert ours["usr/bin/setuid"].mode == 0o4755
    assert "opt/odd/ghost" not in ours
    assert "opt/odd/zdoc" not in ours
    assert "opt/odd/deep" not in ours


@needs_root
def test_files_below_a_link_of_another_package_land_where_rpm_puts_them(
    build_rpms: Callable[[str], list[Path]], cache: Cache, tmp_path: Path
) -> None:
    packages, files = usr_merge(build_rpms)
    install(tmp_path / "root", files)
    theirs = seen_on_disk(tmp_path / "root")
    ours = seen_in_layer(compose(packages, cache))
    assert "usr/lib64/libm.so" in ours
    assert "lib64/libm.so" not in ours
    assert {p: s for p, s in theirs.items() if not p.startswith("var")} == ours


def usr_merge(build_rpms: Callable[[str], list[Path]]) -> tuple[tuple[Package, ...], list[Path]]:
    files = build_rpms(
        """
%define _unpackaged_files_terminate_build 0
Name: merged
Version: 1
Release: 1
Summary: The links
License: MIT
BuildArch: noarch
%description
Links.
%package user
Summary: Files below a link
Requires(pre): merged
%description user
Files.
%install
mkdir -p %{buildroot}/usr/lib64
ln -s usr/lib64 %{buildroot}/lib64
mkdir -p %{buildroot}/usr/lib64/sub
echo m > %{buildroot}/usr/lib64/libm.so
echo s > %{buildroot}/usr/lib64/sub/libs.so
%files
/lib64
%dir /usr/lib64
%files user
/lib64/libm.so
/lib64/sub
"""
    )
    files.sort(key=lambda path: "user" in path.name)
    return packages_of(files, "merged"), files


def test_documentation_and_languages_come_where_they_are_requested(
    build_rpms: Callable[[str], list[Path]], cache: Cache
) -> None:
    packages = packages_of(build_rpms(odd_spec()), "odd")
    found = seen_in_layer(compose(packages, cache, selection=Selection(True, ("de_DE",))))
    assert {"opt/odd/zdoc", "opt/odd/german", "opt/odd/deep/deeper/doc"} <= found.keys()
    assert "opt/odd/plain" not in found
