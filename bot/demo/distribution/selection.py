"""A suite's package index, and the packages of it that the distribution holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bot.demo.distribution.relations import Group, needed_groups

# Essential packages are nobody's dependency in Debian: named here.
ESSENTIAL = ("base-files", "bash", "coreutils", "dash", "grep", "libc-bin", "mawk", "sed")
WORKLOADS = ("ca-certificates", "curl", "nginx", "nginx-common", "python3")
# What pull requests of the demo and the tests may reach for: the large alternative of mawk, an
# interpreter of many megabytes, and the libraries of nginx's module for XSLT.
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
# Which package stands for a virtual one when several could, and the small one shall.
PREFERRED = {"awk": "mawk"}


@dataclass(frozen=True, slots=True)
class Selection:
    """The Debian packages of one architecture, sorted; `unmet` names groups nobody satisfies."""

    names: tuple[str, ...]
    unmet: tuple[str, ...] = ()


def roots(arch: str) -> tuple[str, ...]:
    """The packages of the distribution itself; only x86_64 has a buildroot."""
    names = {*ESSENTIAL, *WORKLOADS, *EXTRAS}
    if arch == "x86_64":
        names |= {*BUILD_PACKAGES, *DEVELOPMENT, *EVALUATION}
    return tuple(sorted(names))


def select(index: PackageIndex, names: Iterable[str]) -> Selection:
    """The closure of `names` in the index: the first alternative, the preferred provider."""
    wanted = list(names)
    chosen: dict[str, None] = {}
    unmet: list[str] = []
    while wanted:
        name = wanted.pop()
        if name in chosen:
            continue
        if name not in index:
            unmet.append(name)
            continue
        chosen[name] = None
        for group in needed_groups(name, index.fields(name)):
            choice = _choice(index, group, chosen)
            if choice is None:
                unmet.append(f"{name}: {' | '.join(a.name for a in group)}")
            else:
                wanted.append(choice)
    return Selection(tuple(sorted(chosen)), tuple(sorted(unmet)))


def _choice(index: PackageIndex, group: Group, chosen: dict[str, None]) -> str | None:
    for alternative in group:
        if alternative.name in chosen:
            return alternative.name
    for alternative in group:
        name = alternative.name
        if name in PREFERRED:
            return PREFERRED[name]
        if name in index:
            return name
        providers = index.providers(name)
        if providers:
            return next((p for p in providers if p in chosen), providers[0])
    return None


_PACKAGE = re.compile(r"^Package: (\S+)$", re.MULTILINE)
_PROVIDES = re.compile(r"^Provides: (.+)$", re.MULTILINE)


class PackageIndex:
    """The `Packages` file of one architecture. Stanzas are parsed when asked for: there are 60,000.

    Where a name comes twice, the last wins, as apt's files have one version of each.
    """

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
        found: dict[str, list[str]] = {}
        for name, stanza in self._stanzas.items():
            match = _PROVIDES.search(stanza)
            if match is not None:
                for provided in match[1].split(","):
                    found.setdefault(provided.split("(")[0].strip(), []).append(name)
        return {virtual: tuple(sorted(names)) for virtual, names in found.items()}

    def providers(self, virtual: str) -> tuple[str, ...]:
        """The packages that provide a virtual one, sorted."""
        return self._providers.get(virtual, ())
