"""The attack surface of an image, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class FileCapabilities:
    """A program with privileges by file capabilities (`cap_net_raw=ep`)."""

    path: str
    capabilities: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisories:
    """Security advisories of the last `days` before a snapshot, by severity, each counted once.

    They are a history of fixes, not a risk. `unrated` are those without a severity.
    """

    days: int
    critical: int = 0
    important: int = 0
    moderate: int = 0
    low: int = 0
    unrated: int = 0

    @property
    def total(self) -> int:
        """Advisories of any severity."""
        return self.critical + self.important + self.moderate + self.low + self.unrated


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """The attack surface of one image; paths are absolute and sorted.

    `setuid` and `setgid` are files, no directories; `world_writable` are neither links nor sticky
    directories. `interpreters` are names without versions (`python3`, `perl`, `bash`); `programs`
    is the number of executables in PATH. `services`, `sockets` and `timers` are shipped units,
    enabled or not. `users` are names, null where the headers have none. `partial` says what the
    headers do not show. `advisories` is null where a repository has no updateinfo; so is
    `unapplied`: the ids of advisories whose fixed packages are in the snapshot but not in the
    image, which is pinned to older ones. `unfixed` are the CVEs without a fix by the vendor, null
    where no vendor's document is configured.
    """

    setuid: tuple[str, ...] = ()
    setgid: tuple[str, ...] = ()
    capabilities: tuple[FileCapabilities, ...] = ()
    world_writable: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    users: tuple[str, ...] | None = None
    partial: tuple[str, ...] = ()
    advisories: Advisories | None = None
    programs: int = 0
    sockets: tuple[str, ...] = ()
    timers: tuple[str, ...] = ()
    sudo: tuple[str, ...] = ()
    polkit: tuple[str, ...] = ()
    pam: tuple[str, ...] = ()
    dbus: tuple[str, ...] = ()
    cron: tuple[str, ...] = ()
    kernel_modules: tuple[str, ...] = ()
    package_managers: tuple[str, ...] = ()
    unapplied: tuple[str, ...] | None = None
    unfixed: tuple[str, ...] | None = None

    def items(self, kind: str) -> tuple[str, ...] | None:
        """Return the paths or names of one of `KINDS`; None where they are not known."""
        if kind == "capabilities":
            return tuple(file.path for file in self.capabilities)
        paths: tuple[str, ...] | None = getattr(self, kind)
        return paths


# The kinds of surface that an objective can limit: their nouns, singular and plural.
KINDS: Mapping[str, tuple[str, str]] = {
    "setuid": ("setuid file", "setuid files"),
    "setgid": ("setgid file", "setgid files"),
    "capabilities": ("file with capabilities", "files with capabilities"),
    "world_writable": ("world-writable path", "world-writable paths"),
    "interpreters": ("interpreter", "interpreters"),
    "package_managers": ("package manager", "package managers"),
    "services": ("service", "services"),
    "sockets": ("socket", "sockets"),
    "timers": ("timer", "timers"),
    "kernel_modules": ("kernel module", "kernel modules"),
    "sudo": ("sudo file", "sudo files"),
    "polkit": ("polkit file", "polkit files"),
    "pam": ("PAM service", "PAM services"),
    "dbus": ("D-Bus service", "D-Bus services"),
    "cron": ("cron job", "cron jobs"),
    "users": ("user", "users"),
}
# Kinds whose items are names; all others have paths.
NAMED = frozenset(("interpreters", "package_managers", "users"))
