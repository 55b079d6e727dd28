"""Architectures by rpm's names: their names in repositories, their packages, their tags.

The names are those of rpm's rpmrc (`arch_canon`), base architectures those of dnf
(dnf/rpm/__init__.py, `_BASEARCH_MAP`), with rpm's `buildarchtranslate` for names that dnf does not
have. AlmaLinux names the directories of its x86_64_v2 repositories `x86_64_v2`, and so does its
dnf.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache

# The default of a repository document; also the order in lists.
DEFAULT_ARCHITECTURES = ("x86_64", "aarch64", "ppc64le", "s390x")

# The least number of architectures for which "all four" replaces their names.
_LISTED = 4
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

_NAMES_BY_BASEARCH: Mapping[str, tuple[str, ...]] = {
    "aarch64": ("aarch64",),
    "alpha": ("alpha", "alphaev5", "alphaev56", "alphapca56", "alphaev6", "alphaev67"),
    "arm": (
        *("armv3l", "armv4b", "armv4l", "armv4tl", "armv5tl", "armv5tel", "armv5tejl"),
        *("armv6l", "armv7l", "armv8l"),
    ),
    "armhfp": ("armv6hl", "armv7hl", "armv7hnl", "armv8hl"),
    "e2k": ("e2k", "e2kv4", "e2kv5", "e2kv6"),
    "i386": ("i386", "i486", "i586", "i686", "pentium3", "pentium4", "athlon", "geode"),
    "ia64": ("ia64",),
    "loongarch64": ("loongarch64",),
    "m68k": ("m68k",),
    "mips": ("mips",),
    "mips64": ("mips64",),
    "mips64el": ("mips64el",),
    "mips64r6": ("mips64r6",),
    "mips64r6el": ("mips64r6el",),
    "mipsel": ("mipsel",),
    "mipsr6": ("mipsr6",),
    "mipsr6el": ("mipsr6el",),
    "ppc": ("ppc", "ppc8260", "ppc8560", "ppc32dy4", "ppciseries", "ppcpseries"),
    "ppc64": ("ppc64", "ppc64iseries", "ppc64p7", "ppc64pseries"),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390": ("s390",),
    "s390x": ("s390x",),
    "sh3": ("sh3",),
    "sh4": ("sh4", "sh4a"),
    "sparc": ("sparc", "sparcv8", "sparcv9", "sparcv9v", "sparc64", "sparc64v"),
    "x86_64": ("x86_64", "amd64", "ia32e", "em64t"),
    "x86_64_v2": ("x86_64_v2",),
    "x86_64_v3": ("x86_64_v3",),
    "x86_64_v4": ("x86_64_v4",),
}
_BASEARCH = {name: base for base, names in _NAMES_BY_BASEARCH.items() for name in names}
RPM_ARCHITECTURES = (
    *DEFAULT_ARCHITECTURES,
    *(name for name in _BASEARCH if name not in DEFAULT_ARCHITECTURES),
)
# Names of other systems (Debian, Go, containers, GNU) for architectures of rpm repositories. rpm
# knows `amd64` too, but no repository has that name.
_FOREIGN: Mapping[str, str] = {
    **{"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "intel64": "x86_64"},
    **{"arm64": "aarch64", "armv8": "aarch64", "ppc64el": "ppc64le", "powerpc64le": "ppc64le"},
    **{"arm": "armv7hl", "armhf": "armv7hl", "x86": "i686", "i386-linux": "i686"},
}
# The other architectures whose packages an architecture can install, best first (rpmrc's
# `arch_compat`).
_NEXT: Mapping[str, str] = {
    **{"alphaev67": "alphaev6", "alphaev6": "alphapca56", "alphapca56": "alphaev56"},
    **{"alphaev56": "alphaev5", "alphaev5": "alpha"},
    **{"athlon": "i686", "geode": "i586", "pentium4": "pentium3", "pentium3": "i686"},
    **{"i686": "i586", "i586": "i486", "i486": "i386"},
    **{"ppc8260": "ppc", "ppc8560": "ppc", "ppc32dy4": "ppc", "ppciseries": "ppc"},
    **{"ppcpseries": "ppc", "ppc64": "ppc", "ppc64pseries": "ppc64", "ppc64iseries": "ppc64"},
    "ppc64p7": "ppc64",
    **{"sparc64v": "sparc64", "sparc64": "sparcv9", "sparcv9v": "sparcv9", "sparcv9": "sparcv8"},
    "sparcv8": "sparc",
    **{"mips64": "mips", "mips64el": "mipsel", "mips64r6": "mipsr6", "mips64r6el": "mipsr6el"},
    **{"armv8l": "armv7l", "armv7l": "armv6l", "armv6l": "armv5tejl", "armv5tejl": "armv5tel"},
    **{"armv5tel": "armv5tl", "armv5tl": "armv4tl", "armv4tl": "armv4l", "armv4l": "armv3l"},
    **{"armv8hl": "armv7hl", "armv7hnl": "armv7hl", "armv7hl": "armv6hl"},
    **{"x86_64_v4": "x86_64_v3", "x86_64_v3": "x86_64_v2", "x86_64_v2": "x86_64"},
    **{"amd64": "x86_64", "ia32e": "x86_64", "em64t": "x86_64", "x86_64": "athlon"},
    **{"s390x": "s390", "sh4a": "sh4", "e2kv6": "e2kv5", "e2kv5": "e2kv4", "e2kv4": "e2k"},
}
# `%{_isa}` without brackets, by the first pattern that fits (rpm's installplatform).
_ISAS: tuple[tuple[str, str], ...] = (
    *(("sparc64*", "sparc-64"), ("sparc*", "sparc-32"), ("s390", "s390-32"), ("s390x", "s390-64")),
    *(("ppc64", "ppc-64"), ("ppc64p7", "ppc-64"), ("ppc64le", "ppc-64"), ("ppc*", "ppc-32")),
    *(("i?86", "x86-32"), ("pentium?", "x86-32"), ("athlon", "x86-32"), ("geode", "x86-32")),
    *(("x86_64*", "x86-64"), ("amd64", "x86-64"), ("ia32e", "x86-64"), ("em64t", "x86-64")),
    *(("ia64", "ia-64"), ("sh*", "sh-32"), ("armv7h*", "armv7hl-32"), ("arm*", "{arch}-32")),
    *(("alpha*", "alpha-64"), ("aarch64", "aarch-64"), ("mips64r6*", "mipsr6-64")),
    *(("mipsr6*", "mipsr6-32"), ("mips64*", "mips-64"), ("mips*", "mips-32"), ("m68k", "m68k-32")),
    *(("riscv64", "riscv-64"), ("loongarch64", "loongarch-64"), ("e2k*", "e2k-64")),
)


def meant_architecture(name: str) -> str | None:
    """Return rpm's name for another system's or a misspelled name, or None."""
    if name in _FOREIGN:
        return _FOREIGN[name]
    return next(iter(get_close_matches(name, RPM_ARCHITECTURES, n=1)), None)


def basearch(arch: str) -> str:
    """Return dnf's `$basearch`, the name of an architecture's directory, else `arch`."""
    return _BASEARCH.get(arch, arch)


@cache
def isa(arch: str) -> str:
    """Return `x86-64` for `x86_64`, as in `%{name}%{?_isa}`, without brackets; empty for noarch."""
    for pattern, tag in _ISAS:
        if fnmatchcase(arch, pattern):
            return tag.format(arch=arch)
    return ""


@cache
def native_arches(arch: str) -> tuple[str, ...]:
    """Return the architectures of packages that are an image's own, best first, `noarch` last.

    These are `arch` and those that replace it: i586 on i686, but not i686 on x86_64, where such a
    package is installed beside the image's own.
    """
    arches = [arch]
    while arches[-1] in _NEXT and _width(_NEXT[arches[-1]]) == _width(arch):
        arches.append(_NEXT[arches[-1]])
    return (*arches, "noarch")


def architecture_order(arch: str) -> tuple[int, str]:
    """Return a sort key: the default architectures in the usual order, then by name."""
    rank = DEFAULT_ARCHITECTURES.index(arch) if arch in DEFAULT_ARCHITECTURES else None
    return len(DEFAULT_ARCHITECTURES) if rank is None else rank, arch


def all_architectures(arches: Collection[str], of: Collection[str]) -> str:
    """Return `all four`, if `these` are all architectures and too many to be listed, else ""."""
    number = len(set(arches))
    if number < _LISTED or set(arches) != set(of):
        return ""
    return f"all {_NUMBERS[number]}" if number < len(_NUMBERS) else "all"


def _width(arch: str) -> str:
    return isa(arch).rpartition("-")[2]
