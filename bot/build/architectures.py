"""How a capability found on one architecture is written on another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Traits:
    """Names of an architecture in rpm and in glibc.

    `isa` is rpm's %{_isa} without brackets (rpmrc/platform files); `loader` glibc's dynamic linker
    (shlib-versions); `glibc` the oldest symbol version there (GLIBC_x.y of the first port:
    sysdeps/*/shlib-versions); `triplet` the CPU part of the GNU triplet in paths.
    """

    isa: str
    loader: str
    glibc: tuple[int, ...]
    triplet: str


_ARCHITECTURES: Mapping[str, _Traits] = {
    "x86_64": _Traits("x86-64", "ld-linux-x86-64.so.2", (2, 2, 5), "x86_64"),
    "aarch64": _Traits("aarch-64", "ld-linux-aarch64.so.1", (2, 17), "aarch64"),
    "ppc64le": _Traits("ppc-64", "ld64.so.2", (2, 17), "powerpc64le"),
    "s390x": _Traits("s390-64", "ld64.so.1", (2, 2), "s390x"),
    "riscv64": _Traits("riscv-64", "ld-linux-riscv64-lp64d.so.1", (2, 27), "riscv64"),
}
_GLIBC = re.compile(r"\(GLIBC_(\d+(?:\.\d+)*)\)")


def can_map(native: str, other: str) -> bool:
    """Return whether capabilities of `native` can be written for `other`: both are known and 64
    bit."""
    return native in _ARCHITECTURES and other in _ARCHITECTURES


def map_capability(capability: str, native: str, other: str) -> str:
    """`capability` of architecture `native` as `other` has it; rich dependencies too.

    Changes the `(x86-64)`-like tag, the loader's name and glibc's symbol versions: those up to the
    first glibc of either architecture are the first one of `other`. Everything else is the same on
    every 64 bit architecture, or does not exist on the other one. KeyError for an unknown one.
    """
    source, target = _ARCHITECTURES[native], _ARCHITECTURES[other]
    if source == target:
        return capability
    text = capability.replace(f"({source.isa})", f"({target.isa})")
    text = re.sub(rf"(?<![\w.-]){re.escape(source.loader)}(?=\()", target.loader, text)
    return _GLIBC.sub(lambda match: _glibc(match[1], source, target), text)


def map_path(path: str, native: str, other: str) -> str:
    """`path` with the GNU triplet's CPU (`x86_64-linux-gnu`, `x86_64-redhat-linux`) changed."""
    source, target = _ARCHITECTURES[native], _ARCHITECTURES[other]
    return re.sub(rf"(?<![\w]){re.escape(source.triplet)}(?=-(?:\w+-)?linux)", target.triplet, path)


def _glibc(version: str, source: _Traits, target: _Traits) -> str:
    number = tuple(int(part) for part in version.split("."))
    mapped = target.glibc if number <= max(source.glibc, target.glibc) else number
    return f"(GLIBC_{'.'.join(str(part) for part in mapped)})"
