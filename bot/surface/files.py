"""The attack surface by the files of an image: of its layer, or by its packages' headers.

The plan has each file at its path in the image, links followed, so `find -perm` in the composed
image finds the same. Nothing is guessed from names of packages.
"""

from __future__ import annotations

import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from bot.distro.cache import Cache
from bot.distro.packages import read_header
from bot.distro.snapshot import Snapshot
from bot.image.fragment import FragmentPlan
from bot.image.layout import landing
from bot.image.listing import FileEntry, Listing, has_listing
from bot.image.measure import StandIn, with_files
from bot.image.plan import LayerPlan, plan_layer
from bot.image.selection import Selection
from bot.model.closure import Closure
from bot.model.package import Package
from bot.model.surface import FileCapabilities, Surface
from bot.surface.advisories import advisories_of
from bot.surface.vex import unfixed_cves

_PATH = frozenset(("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"))
# Programs that run any text that they are given, by their names without version.
_INTERPRETERS = frozenset((
    "ash", "awk", "bash", "busybox", "csh", "dash", "expect", "fish", "gawk", "gjs", "guile",
    "julia", "ksh", "lua", "luajit", "mawk", "mksh", "node", "ocaml", "original-awk", "osh",
    "perl", "php", "pwsh", "pypy", "pypy3", "python", "python2", "python3", "rbash", "Rscript",
    "ruby", "sh", "tclsh", "tcsh", "yash", "zsh",
))  # fmt: skip
# Matches `python3.12`, `perl5.40.0`, `lua-5.4`, `ruby3.3`, `node-20`; python3 is a name of its own.
_VERSIONED = re.compile(r"^(python[23]|[a-zA-Z]+?)[-.]?[0-9]+(\.[0-9]+)*$")
_PACKAGE_MANAGERS = frozenset((
    "apk", "apt", "apt-get", "cargo", "conda", "dnf", "dnf-3", "dnf4", "dnf5", "dpkg", "flatpak",
    "gem", "microdnf", "npm", "pacman", "pip", "pip3", "rpm", "snap", "tdnf", "yum", "zypper",
))  # fmt: skip
_UNITS = ("usr/lib/systemd/system/", "etc/systemd/system/", "lib/systemd/system/")
_KINDS = {
    ".service": "services",
    ".socket": "sockets",
    ".timer": "timers",
}
# Directories in which each file is an entry of a kind.
_FOLDERS = {
    "sudo": ("etc/sudoers.d/", "usr/etc/sudoers.d/"),
    "polkit": (
        "usr/share/polkit-1/actions/",
        "usr/share/polkit-1/rules.d/",
        "etc/polkit-1/rules.d/",
    ),
    "pam": ("etc/pam.d/", "usr/lib/pam.d/"),
    "dbus": ("usr/share/dbus-1/system-services/",),
    "cron": (
        "etc/cron.d/",
        "etc/cron.hourly/",
        "etc/cron.daily/",
        "etc/cron.weekly/",
        "etc/cron.monthly/",
        "var/spool/cron/",
    ),
}
_SINGLE = {"etc/sudoers": "sudo", "usr/etc/sudoers": "sudo", "etc/crontab": "cron"}
_MODULE = re.compile(r"^(usr/)?lib/modules/.*\.ko(\.(xz|zst|gz))?$")
_SYSV = re.compile(r"^etc/(rc\.d/)?init\.d/[^/]+$")
_SYSUSERS = "usr/lib/sysusers.d/"


def surface_of_files(plan: LayerPlan) -> Surface:
    """Return the attack surface of an image whose layer is planned, without its advisories."""
    paths_by_kind: defaultdict[str, set[str]] = defaultdict(set)
    capabilities: set[FileCapabilities] = set()
    for path, entry in _files(plan):
        for kind in _kinds(path, _mode(entry, plan)):
            paths_by_kind[kind].add(f"/{path}")
        if entry.capabilities and stat.S_ISREG(entry.mode):
            capabilities.add(FileCapabilities(f"/{path}", entry.capabilities))
        name = PurePosixPath(path).name
        if _is_program(path, entry.mode):
            paths_by_kind["programs"].add(path)
            interpreter = _interpreter(name)
            if interpreter is not None:
                paths_by_kind["interpreters"].add(interpreter)
            if name in _PACKAGE_MANAGERS:
                paths_by_kind["package_managers"].add(name)
    for directory in plan.directories:
        if directory.mode & stat.S_IWOTH and not directory.mode & stat.S_ISVTX:
            paths_by_kind["world_writable"].add(f"/{directory.path.rstrip('/')}")
    programs = len(paths_by_kind.pop("programs", ()))
    listings = [fragment.listing for fragment in plan.fragments]
    return Surface(
        capabilities=tuple(sorted(capabilities)),
        users=_users(plan, listings),
        partial=tuple(_limitations(listings)),
        programs=programs,
        **{kind: tuple(sorted(paths)) for kind, paths in paths_by_kind.items()},  # type: ignore[arg-type]
    )


def _files(plan: LayerPlan) -> Iterator[tuple[str, FileEntry]]:
    """Yield the files of the layer with their paths there, without a leading slash."""
    fragments: Iterable[FragmentPlan] = (*plan.fragments, *plan.shared)
    for fragment in fragments:
        for index in fragment.indexes:
            entry = fragment.listing.files[index]
            yield landing(entry, fragment.redirects), entry
    for grown in plan.account_files:
        entry = FileEntry(
            path=f"/{grown.entry.path}", mode=grown.entry.mode, size=grown.entry.size,
            mtime=0, digest="", link="", user="root", group="root", flags=0, lang="", links=0,
            capabilities="", color=0,
        )  # fmt: skip
        yield grown.entry.path, entry


def _mode(entry: FileEntry, plan: LayerPlan) -> int:
    """Return the mode of a file in the image: files of unknown owners have no setuid there."""
    _, _, cleared = plan.owners.of(entry.user, entry.group) if plan.accounts else (0, 0, 0)
    return entry.mode & ~cleared if stat.S_ISREG(entry.mode) else entry.mode


def _kinds(path: str, mode: int) -> Iterator[str]:
    """Yield the kinds of surface of a file by its mode and its path."""
    if stat.S_ISREG(mode):
        if mode & stat.S_ISUID:
            yield "setuid"
        if mode & stat.S_ISGID:
            yield "setgid"
    if stat.S_ISLNK(mode):
        return
    if mode & stat.S_IWOTH:
        yield "world_writable"
    yield from _places(path)


def _places(path: str) -> Iterator[str]:
    for folder in _UNITS:
        name = path.removeprefix(folder)
        if name != path and "/" not in name:
            kind = _KINDS.get(PurePosixPath(name).suffix)
            if kind is not None:
                yield kind
    if _SYSV.match(path):
        yield "services"
    for kind, folders in _FOLDERS.items():
        if path.startswith(folders):
            yield kind
    if path in _SINGLE:
        yield _SINGLE[path]
    if _MODULE.match(path):
        yield "kernel_modules"


def _is_program(path: str, mode: int) -> bool:
    """Return whether it is an executable file (no link) in a directory of PATH."""
    directory, _, _ = path.rpartition("/")
    return directory in _PATH and stat.S_ISREG(mode) and bool(mode & 0o111)


def _interpreter(name: str) -> str | None:
    """Return the name of an interpreter without its version; None for another program."""
    if name in _INTERPRETERS:
        return name
    versioned = _VERSIONED.match(name)
    return versioned[1] if versioned and versioned[1] in _INTERPRETERS else None


def _users(plan: LayerPlan, listings: Iterable[Listing]) -> tuple[str, ...] | None:
    """Return the users of the image's passwd, or else those of `user()` provides.

    rpm 4.19 and newer make these; None where there are none.
    """
    if plan.accounts and plan.owners.users:
        return tuple(sorted(plan.owners.users))
    names = {
        sysuser.name.removeprefix("user(").removesuffix(")")
        for listing in listings
        for sysuser in listing.sysusers
        if sysuser.name.startswith("user(")
    }
    return tuple(sorted(names)) or None


def _limitations(listings: Iterable[Listing]) -> Iterator[str]:
    """Yield sentences about effects of an installation that the headers do not have."""
    for listing in sorted(listings, key=lambda listing: listing.name):
        if listing.privileged:
            commands = ", ".join(listing.privileged)
            yield f"{listing.name}: its scriptlets run {commands}."
        if not listing.sysusers and any(
            entry.path.startswith(f"/{_SYSUSERS}") for entry in listing.files
        ):
            yield f"{listing.name}: its users are in sysusers.d files, not in its header."


_TOGETHER = 8
_UNREAD = "Users: the passwd of the image was not read."


def surface_of_plan(plan: LayerPlan, closure: Closure, snapshot: Snapshot, cache: Cache) -> Surface:
    """Return the attack surface of an image whose layer is planned, with its sources' advisories.

    Raises SurroundingsError where the updateinfo of a repository, or a VEX document of its vendor,
    cannot be read.
    """
    surface = surface_of_files(plan)
    known = advisories_of(snapshot, closure.packages)
    vex = snapshot.document.vex
    return replace(
        surface,
        advisories=known.counts,
        unapplied=known.unapplied,
        unfixed=None if vex is None else unfixed_cves(vex, cache).of(closure.packages),
        partial=(*surface.partial, *known.partial),
    )


def surface_of_headers(
    closure: Closure,
    snapshot: Snapshot,
    cache: Cache,
    *,
    selection: Selection | None = None,
    stand_in: StandIn | None = None,
    fetch: bool = False,
) -> Surface | None:
    """Return the attack surface of a closure; None if unsolvable or a header is unavailable.

    Headers are read from the cache and from files; with `fetch` the others are fetched by the byte
    ranges that repositories state. A package without a file of its own counts with the files of its
    `stand_in`, which `partial` says. Raises ChangeError where the packages make no image,
    SurroundingsError where a header or an updateinfo cannot be fetched.
    """
    packages = with_files(closure.packages, stand_in) if closure.status == "ok" else None
    if packages is None:
        return None
    missing = [package for package in packages if not _at_hand(package, cache)]
    if missing and not fetch:
        return None
    _fetch(missing, cache)
    plan = plan_layer(packages, cache, selection, database=False, payload=False)
    surface = surface_of_plan(plan, closure, snapshot, cache)
    limitations = [*surface.partial, *_stood_in(closure.packages)]
    return replace(surface, partial=(*limitations, *(() if plan.accounts else (_UNREAD,))))


def _at_hand(package: Package, cache: Cache) -> bool:
    assert package.location is not None
    parts = urlsplit(package.location.url)
    return has_listing(package, cache) or (
        parts.scheme == "file" and Path(unquote(parts.path)).exists()
    )


def _fetch(packages: Iterable[Package], cache: Cache) -> None:
    """Fetch headers in parallel. Raises SurroundingsError where one cannot be fetched."""
    with ThreadPoolExecutor(_TOGETHER) as pool:
        list(pool.map(partial(read_header, cache=cache), packages))


def _stood_in(packages: Iterable[Package]) -> Iterable[str]:
    names = sorted(package.nevra.name for package in packages if package.location is None)
    if names:
        yield f"{', '.join(names)}: as published, since this change's own files are not built."
