"""Which packages the distribution holds: the roots, and what they need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.demo.distribution.index import PackageIndex
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
