"""The surface of an image is that of the files in its composed layer."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.build.headers import packages_of
from bot.distro.cache import Cache
from bot.image.plan import plan_layer
from bot.model.closure import Closure
from bot.model.surface import FileCapabilities, Surface
from bot.surface.files import surface_of_files
from tests.image.layers import archive_bytes, compose, seen_in_layer

SPEC = """
Name: tool
Version: 1
Release: 1
Summary: t
License: MIT
BuildArch: noarch
Provides: user(webd) = dSB3ZWJkIDk5IC0gLSAt
%description
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/lib/systemd/system/x.service.d
mkdir -p %{buildroot}/etc/cron.d %{buildroot}/etc/sudoers.d %{buildroot}/srv/open
mkdir -p %{buildroot}/srv/sticky %{buildroot}/srv/group
mkdir -p %{buildroot}/usr/lib/modules/6.1/kernel %{buildroot}/usr/share/dbus-1/system-services
mkdir -p %{buildroot}/etc/pam.d %{buildroot}/usr/share/polkit-1/actions
cd %{buildroot}
for f in su wall ping python3.12 perl bash dnf plain notexec; do echo > usr/bin/$f; done
ln -s bash usr/bin/sh
for f in a.service b.socket c.timer x.service.d/d.conf; do echo > usr/lib/systemd/system/$f; done
echo > etc/cron.d/job; echo > etc/sudoers.d/web; echo > etc/pam.d/login; echo > srv/file
echo > usr/lib/modules/6.1/kernel/nf.ko.xz; echo > usr/share/dbus-1/system-services/a.service
echo > usr/share/polkit-1/actions/a.policy; echo > srv/ghost
%files
%attr(4755,root,root) /usr/bin/su
%attr(2755,root,root) /usr/bin/wall
%attr(0755,root,root) %caps(cap_net_raw=ep) /usr/bin/ping
%attr(0755,root,root) /usr/bin/python3.12
%attr(0755,root,root) /usr/bin/perl
%attr(0755,root,root) /usr/bin/bash
%attr(0755,root,root) /usr/bin/dnf
%attr(0755,root,root) /usr/bin/plain
%attr(0644,root,root) /usr/bin/notexec
/usr/bin/sh
/usr/lib/systemd/system/*
/etc/cron.d/job
/etc/sudoers.d/web
/etc/pam.d/login
/usr/lib/modules/6.1/kernel/nf.ko.xz
/usr/share/dbus-1/system-services/a.service
/usr/share/polkit-1/actions/a.policy
%attr(0666,root,root) /srv/file
%attr(4777,root,root) %ghost /srv/ghost
%dir %attr(0777,root,root) /srv/open
%dir %attr(1777,root,root) /srv/sticky
%dir %attr(2755,root,root) /srv/group
%post
chmod u+s /usr/bin/plain
useradd nobody2
"""


def surface(files: list[Path], cache: Cache) -> Surface:
    return surface_of_files(plan_layer(packages_of(files, "tool"), cache, database=False))


def test_each_kind_is_found_and_its_look_alikes_are_not(
    build_rpms: Callable[[str], list[Path]], cache: Cache
) -> None:
    image_surface = surface(build_rpms(SPEC), cache)
    assert image_surface == Surface(
        setuid=("/usr/bin/su",),
        setgid=("/usr/bin/wall",),
        capabilities=(FileCapabilities("/usr/bin/ping", "cap_net_raw=ep"),),
        world_writable=("/srv/file", "/srv/open"),
        interpreters=("bash", "perl", "python3"),
        services=("/usr/lib/systemd/system/a.service",),
        sockets=("/usr/lib/systemd/system/b.socket",),
        timers=("/usr/lib/systemd/system/c.timer",),
        users=("webd",),
        partial=("tool: its scriptlets run chmod, useradd.",),
        programs=8,
        sudo=("/etc/sudoers.d/web",),
        polkit=("/usr/share/polkit-1/actions/a.policy",),
        pam=("/etc/pam.d/login",),
        dbus=("/usr/share/dbus-1/system-services/a.service",),
        cron=("/etc/cron.d/job",),
        kernel_modules=("/usr/lib/modules/6.1/kernel/nf.ko.xz",),
        package_managers=("dnf",),
    )


def test_of_headers_without_users_nothing_is_known(
    build_rpms: Callable[[str], list[Path]], cache: Cache
) -> None:
    spec = SPEC.replace("Provides: user(webd) = dSB3ZWJkIDk5IC0gLSAt\n", "")
    assert surface(build_rpms(spec), cache).users is None


@pytest.mark.parametrize("workload", ["nginx", "python"])
def test_it_is_that_of_the_composed_image_of_the_reference_distribution(
    solve: Callable[[str, str], Closure], reference_cache: Cache, workload: str
) -> None:
    closure = solve(workload, "x86_64")
    surface = surface_of_files(plan_layer(closure.packages, reference_cache, database=False))
    layer_files = seen_in_layer(compose(closure.packages, reference_cache))
    files = {path: entry for path, entry in layer_files.items() if entry.kind == "f"}
    assert surface.setuid == tuple(
        sorted(f"/{p}" for p, entry in files.items() if entry.mode & stat.S_ISUID)
    )
    assert surface.setgid == tuple(
        sorted(f"/{p}" for p, entry in files.items() if entry.mode & stat.S_ISGID)
    )
    assert surface.world_writable == tuple(
        sorted(
            f"/{path}"
            for path, entry in layer_files.items()
            if entry.kind in "fd" and entry.mode & stat.S_IWOTH and not entry.mode & stat.S_ISVTX
        )
    )
    programs = ("usr/bin/", "usr/sbin/", "bin/", "sbin/")
    assert surface.programs == len(
        [p for p, entry in files.items() if p.startswith(programs) and entry.mode & 0o111]
    )
    assert surface.interpreters


def test_rpm_and_find_see_the_same_in_the_image_on_a_disk(
    solve: Callable[[str, str], Closure], reference_cache: Cache, tmp_path: Path
) -> None:
    closure = solve("nginx", "x86_64")
    surface = surface_of_files(plan_layer(closure.packages, reference_cache, database=False))
    layer = tmp_path / "layer.tar"
    layer.write_bytes(archive_bytes(compose(closure.packages, reference_cache, database=True)))
    root = tmp_path / "root"
    root.mkdir()
    unpack = ["tar", "--no-same-owner", "-xpf", str(layer), "-C", str(root)]
    subprocess.run(unpack, check=True, capture_output=True)
    names = sorted(package.nevra.name for package in closure.packages)
    # The image's place of its database; Debian 12's rpm has another one for itself.
    query = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "-qa", "--qf", "%{NAME}\\n"]
    assert sorted(_output(*query)) == names
    for bit, paths in (("4000", surface.setuid), ("2000", surface.setgid)):
        there = _output("find", str(root), "-type", "f", "-perm", f"-{bit}", "-printf", "/%P\\n")
        assert sorted(there) == list(paths)
    # As the packages' own headers have them, in the image's database.
    modes = _output(
        "rpm", "--root", str(root), "-qa", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\\n]"
    )
    files = [line.split(" ", 1) for line in modes if line.startswith("-")]
    assert sorted(path for mode, path in files if mode[3] in "sS") == list(surface.setuid)
    assert sorted(path for mode, path in files if mode[6] in "sS") == list(surface.setgid)


def _output(*command: str) -> list[str]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()
