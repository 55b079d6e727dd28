"""Dependencies that rpm's own ELF generator finds in a tree, before anything is packaged."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from bot.demo.distribution.unpack import Unpacked
from bot.errors import SurroundingsError

# Modules of iconv: nobody requires them, and what they provide and require is each other.
NOT_SCANNED = re.compile(r"^/usr/lib/[^/]+/gconv/")


@dataclass(frozen=True, slots=True)
class ElfDependencies:
    """The capabilities that the programs and libraries of one package provide and require."""

    provides: frozenset[str]
    requires: frozenset[str]


def elf_dependencies(unpacked: Unpacked, generator: str) -> ElfDependencies:
    """Asks `generator` (rpm's elfdeps) about every scanned ELF file of a package."""
    paths = [
        f"{unpacked.tree}{entry.path}"
        for entry in unpacked.entries
        if entry.elf and not NOT_SCANNED.match(entry.path)
    ]
    if not paths:
        return ElfDependencies(frozenset(), frozenset())
    return ElfDependencies(
        _ask(generator, "--provides", paths), _ask(generator, "--requires", paths)
    )


def _ask(generator: str, question: str, paths: list[str]) -> frozenset[str]:
    finished = subprocess.run(
        [generator, question],
        input="".join(path + "\n" for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise SurroundingsError(f"{generator} {question} failed: {finished.stderr.strip()}")
    return frozenset(line for line in finished.stdout.splitlines() if line)


def linked_packages(
    name: str, elf: ElfDependencies, providers: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """The other packages whose ELF capabilities this one needs.

    `providers` maps a capability to the packages of the same architecture that provide it.
    """
    found: set[str] = set()
    for capability in elf.requires - elf.provides:
        found |= providers.get(capability, frozenset())
    return frozenset(found - {name})


def elf_providers(packages: Mapping[str, ElfDependencies]) -> dict[str, frozenset[str]]:
    """Capability -> the packages that provide it."""
    found: dict[str, set[str]] = {}
    for name, elf in packages.items():
        for capability in elf.provides:
            found.setdefault(capability, set()).add(name)
    return {capability: frozenset(names) for capability, names in found.items()}
