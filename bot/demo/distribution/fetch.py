"""The packages of the distribution, and fetching them by apt-get, which verifies them.

apt-get has its own state for each architecture. The host's package state (`/var/lib/apt`,
`/var/lib/dpkg`, `/etc/apt/sources.list*`) is neither read nor written. Of its configuration only
`Acquire` is used (proxies, timeouts); its hooks are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bot.demo.distribution.debian import DEBIAN_ARCH, Group, Suite, needed_groups
from bot.errors import SurroundingsError

MIRROR = "http://deb.debian.org/debian"
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyring/debian-archive-keyring.gpg"),
)


class MirrorError(SurroundingsError):
    """The mirror could not be reached, or its files do not match its Release file."""


@dataclass(frozen=True, slots=True)
class Apt:
    """apt-get with its own state for one architecture of a suite, in a directory."""

    directory: Path
    arch: str
    suite: Suite
    mirror: str

    @property
    def debian_arch(self) -> str:
        return DEBIAN_ARCH[self.arch]


def mirror() -> str:
    """The mirror to use: MINIMIZE_DEBIAN_MIRROR, or Debian's own."""
    return os.environ.get("MINIMIZE_DEBIAN_MIRROR", MIRROR).rstrip("/")


def keyring() -> Path:
    """The file of Debian's archive keys on this machine; SurroundingsError if there is none."""
    for path in KEYRINGS:
        if path.exists():
            return path
    raise SurroundingsError(
        "Debian's archive keys are not on this machine, so its packages cannot be verified.",
        "Install debian-archive-keyring (Debian, Ubuntu) or debian-keyring (Fedora).",
    )


def open_apt(directory: Path, arch: str, suite: Suite) -> Apt:
    """Set up apt-get in `directory`; files that an earlier call downloaded stay."""
    apt = Apt(directory, arch, suite, mirror())
    for name in ("lists/partial", "cache/archives/partial", "preferences.d"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "status").write_text("")
    source = f"[signed-by={keyring()}] {apt.mirror} {suite.codename} main\n"
    lines = f"deb {source}" + (f"deb-src {source}" if arch == "x86_64" else "")
    (directory / "sources.list").write_text(lines)
    (directory / "parts").mkdir(exist_ok=True)
    (directory / "apt.conf").write_text(
        f'Dir::Etc::parts "{directory}/parts";\nDir::Etc::main "/dev/null";\n{_acquire()}'
    )
    return apt


def _acquire() -> str:
    """The host's `Acquire` options, in apt's syntax."""
    finished = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False
    )
    return finished.stdout


def update(apt: Apt) -> Path:
    """Fetch and verify the suite's index; return the decompressed `Packages` file. MirrorError if
    the mirror does not answer, or its files do not match its signed Release file."""
    for stale in (apt.directory / "lists").glob("*_Packages*"):
        stale.unlink()
    _apt_get(apt, "update")
    indexes = sorted((apt.directory / "lists").glob(f"*_binary-{apt.debian_arch}_Packages"))
    if len(indexes) != 1:
        raise MirrorError(
            f"{apt.mirror} has no package index of {apt.suite.codename} for {apt.debian_arch}."
        )
    return indexes[0]


def download(apt: Apt, packages: Sequence[tuple[str, str]], directory: Path) -> None:
    """Fetch the `.deb` of each (name, Debian version) into `directory`, verified by apt."""
    directory.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(packages), 200):
        names = [f"{name}={version}" for name, version in packages[start : start + 200]]
        _apt_get(apt, "download", *names, directory=directory)


def download_source(apt: Apt, package: str, directory: Path) -> None:
    """Fetch the upstream tarball of a source package into `directory`, verified by apt."""
    directory.mkdir(parents=True, exist_ok=True)
    _apt_get(apt, "source", "--download-only", "--tar-only", package, directory=directory)


def _apt_get(apt: Apt, command: str, *arguments: str, directory: Path | None = None) -> None:
    state = {
        "Dir::State": apt.directory,
        "Dir::State::Lists": apt.directory / "lists",
        "Dir::State::status": apt.directory / "status",
        "Dir::Cache": apt.directory / "cache",
        "Dir::Etc::sourcelist": apt.directory / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": apt.directory / "preferences.d",
        "APT::Architecture": apt.debian_arch,
        "APT::Architectures::": apt.debian_arch,
        "APT::Sandbox::User": "",  # the user _apt cannot write to the cache
        "APT::Update::Error-Mode": "any",
        # Always verified, whatever the host's configuration allows.
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "Acquire::GzipIndexes": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        # A frozen suite's Release file may be old; its signature is still checked.
        "Acquire::Check-Valid-Until": "false",
    }
    options = [part for key, value in state.items() for part in ("-o", f"{key}={value}")]
    finished = subprocess.run(
        ["apt-get", "-q", *options, command, *arguments],
        cwd=directory,
        env={**os.environ, "LC_ALL": "C.UTF-8", "APT_CONFIG": str(apt.directory / "apt.conf")},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        lines = [line for line in finished.stderr.splitlines() if line.startswith(("E:", "W:"))]
        reason = " ".join(line.removeprefix("E: ").removeprefix("W: ") for line in lines[:3])
        raise MirrorError(
            f"apt-get {command} of {apt.suite.codename} for {apt.debian_arch} failed:"
            f" {reason or finished.stderr.strip()[-300:]}",
            f"Is {apt.mirror} reachable, and whole? Try again later, or name another mirror in"
            " MINIMIZE_DEBIAN_MIRROR.",
        )


# Essential packages are no dependencies in Debian, so they are listed here.
ESSENTIAL = ("base-files", "bash", "coreutils", "dash", "grep", "libc-bin", "mawk", "sed")
WORKLOADS = ("ca-certificates", "curl", "nginx", "nginx-common", "python3")
# Packages for pull requests of the demo and the tests: the large alternative to mawk, a large
# interpreter, and the libraries of nginx's module for XSLT.
EXTRAS = ("gawk", "libxslt1.1", "perl")
BUILD_PACKAGES = (
    "base-files",
    "bash",
    "binutils",
    "bzip2",
    "coreutils",
    "cpio",
    "dash",
    "diffutils",
    "file",
    "findutils",
    "gcc",
    "grep",
    "gzip",
    "libc-bin",
    "libc6-dev",
    "make",
    "mawk",
    "patch",
    "rpm",
    "sed",
    "tar",
    "xz-utils",
    "zstd",
)
DEVELOPMENT = ("libpcre2-dev", "libssl-dev", "libxml2-dev", "libxslt1-dev", "pkgconf", "zlib1g-dev")
# With it the distribution's own rpm evaluates spec files (`bot.build.rpm_root`).
EVALUATION = ("python3-rpm",)
# The architecture with a buildroot; others get one when something is built for them.
BUILT_ARCH = "x86_64"
# The providers to use for virtual packages that have several: the small ones.
PREFERRED = {"awk": "mawk"}


@dataclass(frozen=True, slots=True)
class Selection:
    """The Debian packages of one architecture, sorted; `unmet` are unsatisfied groups."""

    names: tuple[str, ...]
    unmet: tuple[str, ...] = ()


def roots(*, buildroot: bool) -> tuple[str, ...]:
    """The names of the distribution's packages, and of a buildroot's if wanted."""
    names = {*ESSENTIAL, *WORKLOADS, *EXTRAS}
    if buildroot:
        names |= {*BUILD_PACKAGES, *DEVELOPMENT, *EVALUATION}
    return tuple(sorted(names))


def select(index: PackageIndex, names: Iterable[str]) -> Selection:
    """The closure of `names` in the index, by first alternatives and preferred providers."""
    pending = list(names)
    selected: dict[str, None] = {}
    unmet: list[str] = []
    while pending:
        name = pending.pop()
        if name in selected:
            continue
        if name not in index:
            unmet.append(name)
            continue
        selected[name] = None
        for group in needed_groups(name, index.fields(name)):
            choice = _choice(index, group, selected)
            if choice is None:
                unmet.append(f"{name}: {' | '.join(a.name for a in group)}")
            else:
                pending.append(choice)
    return Selection(tuple(sorted(selected)), tuple(sorted(unmet)))


def _choice(index: PackageIndex, group: Group, selected: dict[str, None]) -> str | None:
    for alternative in group:
        if alternative.name in selected:
            return alternative.name
    for alternative in group:
        name = alternative.name
        if name in PREFERRED:
            return PREFERRED[name]
        if name in index:
            return name
        providers = index.providers(name)
        if providers:
            return next((p for p in providers if p in selected), providers[0])
    return None


_PACKAGE = re.compile(r"^Package: (\S+)$", re.MULTILINE)
_PROVIDES = re.compile(r"^Provides: (.+)$", re.MULTILINE)


class PackageIndex:
    """The `Packages` file of one architecture. Stanzas are parsed when used: there are 60,000. Of
    repeated names the last counts; apt's files have one version of each."""

    def __init__(self, text: str) -> None:
        self._stanzas: dict[str, str] = {}
        for stanza in text.split("\n\n"):
            match = _PACKAGE.search(stanza)
            if match is not None:
                self._stanzas[match[1]] = stanza

    @classmethod
    def read(cls, path: Path) -> PackageIndex:
        """The index in a file that apt has verified and decompressed."""
        return cls(path.read_text(encoding="utf-8"))

    def __contains__(self, name: object) -> bool:
        return name in self._stanzas

    def __len__(self) -> int:
        return len(self._stanzas)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stanzas)

    def fields(self, name: str) -> Mapping[str, str]:
        """The stanza of a package; KeyError if there is none."""
        fields: dict[str, str] = {}
        last = ""
        for line in self._stanzas[name].splitlines():
            if line[:1].isspace():
                fields[last] += "\n" + line.strip()
            else:
                last, _, value = line.partition(":")
                fields[last] = value.strip()
        return fields

    @cached_property
    def _providers(self) -> dict[str, tuple[str, ...]]:
        names_by_virtual: dict[str, list[str]] = {}
        for name, stanza in self._stanzas.items():
            match = _PROVIDES.search(stanza)
            if match is not None:
                for text in match[1].split(","):
                    names_by_virtual.setdefault(text.split("(")[0].strip(), []).append(name)
        return {virtual: tuple(sorted(names)) for virtual, names in names_by_virtual.items()}

    def providers(self, virtual: str) -> tuple[str, ...]:
        """The names of the packages that provide a virtual one, sorted."""
        return self._providers.get(virtual, ())
