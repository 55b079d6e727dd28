"""A suite's package index: which packages there are, what each says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

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
