"""Recipes of packages as spec files, and the distribution's own packages.

Nothing is built: a tree is moved into place. Its own packages are `filesystem` and the macros for
building packages.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.demo.distribution.debian import Evr, Suite
from bot.demo.distribution.unpack import Entry

_DOCUMENTATION = re.compile(r"^/usr/share/(?:doc|man|info|doc-base)/")
_LANGUAGE = re.compile(r"^/usr/share/(?:locale|man)/(?P<code>[a-z]{2,3}(?:[_@.][A-Za-z@_.-]+)?)/")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The contents of a repackaged package.

    `source` is the source package's name, `source_evr` its version; `tree` is the directory with
    the files, `entries` are those to package.
    """

    name: str
    evr: Evr
    arch: str
    source: str
    source_evr: Evr
    summary: str
    description: str
    url: str
    tree: Path
    entries: tuple[Entry, ...]
    time: int
    config_files: frozenset[str] = frozenset()
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    enhances: tuple[str, ...] = ()
    directories_of_filesystem: frozenset[str] = frozenset()


def spec_text(recipe: Recipe) -> str:
    """The spec file. The binary package is a subpackage if its source has another name."""
    lines = [
        f"Name: {recipe.source}",
        *_version(recipe.evr if recipe.name == recipe.source else recipe.source_evr),
        f"Summary: {_text(recipe.summary)}",
        "License: see /usr/share/doc",
    ]
    if recipe.url:
        lines.append(f"URL: {_text(recipe.url)}")
    alone = recipe.name == recipe.source
    if not alone:
        lines += ["%description", "Source.", f"%package -n {recipe.name}"]
        lines += [*_version(recipe.evr), f"Summary: {_text(recipe.summary)}"]
    if recipe.arch == "noarch":
        lines.append("BuildArch: noarch")
    for tag, capabilities in (
        ("Requires", recipe.requires),
        ("Provides", recipe.provides),
        ("Conflicts", recipe.conflicts),
        ("Obsoletes", recipe.obsoletes),
        ("Recommends", recipe.recommends),
        ("Suggests", recipe.suggests),
        ("Enhances", recipe.enhances),
    ):
        lines += [f"{tag}: {_text(capability)}" for capability in capabilities]
    option = "" if alone else f" -n {recipe.name}"
    lines += [f"%description{option}", _text(recipe.description) or "None."]
    lines += [
        "%install",
        "mkdir -p %{buildroot}",
        "rmdir %{buildroot}",
        f"mv {recipe.tree} %{{buildroot}}",
        f"%files{option}",
        "%defattr(-,root,root,-)",
        *file_lines(recipe.entries, recipe.config_files, recipe.directories_of_filesystem),
    ]
    return "".join(line + "\n" for line in lines)


def file_lines(
    entries: Iterable[Entry],
    config_files: frozenset[str] = frozenset(),
    left_out: frozenset[str] = frozenset(),
) -> list[str]:
    """The lines of `%files`. Directories in `left_out` belong to the `filesystem` package.

    A quoted name is literal, except that rpm expands macros in it: `%` is doubled. ValueError for a
    name with a quote or a line break, which rpm cannot package.
    """
    lines = []
    for entry in entries:
        if entry.kind == "directory" and entry.path in left_out:
            continue
        if '"' in entry.path or "\n" in entry.path:
            raise ValueError(f"rpm cannot package a file of this name: {entry.path!r}")
        words = []
        if entry.kind == "directory":
            words.append("%dir")
        elif _DOCUMENTATION.match(entry.path):
            words.append("%doc")
        if entry.path in config_files and entry.kind == "file":
            words.append("%config(noreplace)")
        language = _LANGUAGE.match(entry.path)
        if language is not None and entry.kind != "directory":
            words.append(f"%lang({language['code']})")
        if entry.kind != "link":
            words.append(f"%attr({entry.mode:04o},{entry.user},{entry.group})")
        lines.append(f'{" ".join(words)} "{entry.path.replace("%", "%%")}"'.lstrip())
    return lines


def _version(evr: Evr) -> list[str]:
    epoch = [f"Epoch: {evr.epoch}"] if evr.epoch else []
    return [*epoch, f"Version: {evr.version}", f"Release: {evr.release}"]


def _text(text: str) -> str:
    """Text escaped for a spec file: it expands no macros and begins no section."""
    return text.replace("%", "%%").strip()


# The time of the distribution's own packages, which do not change with Debian: 2023-06-10.
TIME = 1_686_355_200
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin"}
# The directories of `filesystem`: mode, then paths.
_TREE = """\
755 boot dev etc home media mnt opt run srv
555 proc sys
700 root
1777 tmp
755 etc/profile.d usr usr/bin usr/games usr/include usr/lib usr/lib64 usr/libexec usr/local usr/sbin
755 usr/share usr/share/doc usr/share/info usr/share/locale usr/share/man
755 usr/share/man/man1 usr/share/man/man2 usr/share/man/man3 usr/share/man/man4
755 usr/share/man/man5 usr/share/man/man6 usr/share/man/man7 usr/share/man/man8
755 usr/src var var/cache var/lib var/log var/opt var/spool
1777 var/tmp
"""
_DIRECTORIES = {
    path: int(mode, 8)
    for mode, *paths in (line.split() for line in _TREE.splitlines())
    for path in paths
}
# Debian's fixed users and groups (base-passwd) that may own files of packages.
_USERS = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUPS = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
man:x:12:
shadow:x:42:
utmp:x:43:
www-data:x:33:
staff:x:50:
users:x:100:
nogroup:x:65534:
"""
FILESYSTEM_DIRECTORIES = frozenset(f"/{path}" for path in _DIRECTORIES)

MACROS_PACKAGE = "reference-rpm-config"
_MACROS = """\
# How packages of the reference distribution are built.
%dist {dist}
%vendor minimize reference distribution
%debug_package %{{nil}}
%_build_id_links none
%_buildhost reference
%build_cflags -O2 -g0 -fstack-protector-strong -D_FORTIFY_SOURCE=2
%build_ldflags -Wl,-z,relro -Wl,-z,now
%source_date_epoch_from_changelog 1
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
"""
# Read last, to override rpm's own macros for the architecture.
_PLACES = """\
# Where packages of the reference distribution put their files.
%_dbpath /var/lib/rpm
%_buildshell /bin/bash
%_libdir %{{_prefix}}/lib/{triplet}
%_localstatedir /var
%_sharedstatedir /var/lib
"""
_TRIPLETS = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
}


def filesystem_recipe(tree: Path, suite: Suite) -> Recipe:
    """The `filesystem` package: directories, the merged-/usr links, users and groups. noarch."""
    _empty(tree)
    entries = []
    for path, mode in _DIRECTORIES.items():
        (tree / path).mkdir(parents=True, exist_ok=True)
        entries.append(Entry(f"/{path}", "directory", mode))
    for path, target in LINKS.items():
        (tree / path).symlink_to(target)
        entries.append(Entry(f"/{path}", "link", 0o777))
    for path, text in (
        ("etc/passwd", _USERS),
        ("etc/group", _GROUPS),
        ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ("etc/shells", "/bin/sh\n/bin/bash\n/usr/bin/bash\n/usr/bin/sh\n"),
    ):
        entries.append(_file(tree, path, text))
    return _recipe(
        "filesystem",
        suite,
        tree,
        entries,
        summary="The directories, links, users and groups that everything else stands on",
        config_files=frozenset({"/etc/passwd", "/etc/group", "/etc/hosts", "/etc/shells"}),
        provides=(
            *(f"user({line.partition(':')[0]})" for line in _USERS.splitlines()),
            *(f"group({line.partition(':')[0]})" for line in _GROUPS.splitlines()),
        ),
    )


def macros_recipe(tree: Path, suite: Suite, arch: str) -> Recipe:
    """The package with rpm's macros for building packages of this distribution."""
    _empty(tree)
    macros = _MACROS.format(dist=suite.dist)
    places = _PLACES.format(triplet=_TRIPLETS[arch])
    return _recipe(
        MACROS_PACKAGE,
        suite,
        tree,
        [
            _file(tree, "usr/lib/rpm/macros.d/macros.reference", macros),
            _file(tree, "etc/rpm/macros.reference", places),
        ],
        summary="The macros with which packages of the reference distribution are built",
        arch=arch,
    )


def _recipe(
    name: str,
    suite: Suite,
    tree: Path,
    entries: list[Entry],
    *,
    summary: str,
    arch: str = "noarch",
    config_files: frozenset[str] = frozenset(),
    provides: tuple[str, ...] = (),
) -> Recipe:
    evr = Evr(0, suite.number, "1" + suite.dist)
    return Recipe(
        name=name,
        evr=evr,
        arch=arch,
        source=name,
        source_evr=evr,
        summary=summary,
        description=summary,
        url="",
        tree=tree,
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        time=TIME,
        config_files=config_files,
        provides=provides,
    )


def _empty(tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)


def _file(tree: Path, path: str, text: str) -> Entry:
    place = tree / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    os.utime(place, (TIME, TIME))
    return Entry(f"/{path}", "file", 0o644)
