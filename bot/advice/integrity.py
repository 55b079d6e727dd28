"""The integrity of a smaller image: what its files refer to is there, as in today's image.

References are what rpm's generators found in each file (the libraries that an ELF file needs, the
interpreter of a script, modules), absolute links, and where the package's file is cached or local
the first line of scripts and the programs that units start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from bot.advice.contents import PackageContents, is_unit, merged
from bot.advice.headers import HeaderFacts
from bot.model.capability import is_rich, split_capability
from bot.model.nevra import Nevra
from bot.model.package import Package

Reference = tuple[str, str]
"""A file and what it refers to: a capability or a path."""


def keeps_integrity(
    before: Sequence[Package],
    after: Sequence[Package],
    headers: HeaderFacts,
    contents: Mapping[Nevra, PackageContents],
    moved: Collection[str] = (),
) -> bool | None:
    """Return whether every reference in `after` that was met `before` is still met.

    `moved` are the files that splits take out of packages in `after`. None where a header of
    `after` could not be read, or where a package with units could not be read whole.
    """
    headers.read([*before, *after])
    for package in after:
        facts, known = headers.of(package.nevra), contents.get(package.nevra)
        if facts is None:
            return None
        looked_into = known is not None and known.depth == "files"
        if not looked_into and any(is_unit(file.path) for file in facts.files):
            return None
    was = _Image(before, headers)
    now = _Image(after, headers, moved)
    return all(
        now.has(target) or not was.has(target)
        for package in after
        for path, target in references(package, headers, contents.get(package.nevra))
        if path not in moved
    )


def references(
    package: Package, headers: HeaderFacts, contents: PackageContents | None
) -> Iterable[Reference]:
    """Yield the capabilities and paths that the files of a package refer to."""
    facts = headers.of(package.nevra)
    for file in facts.files if facts is not None else ():
        for need in file.needs:
            yield file.path, need
        if file.link.startswith("/"):
            yield file.path, file.link
    yield from contents.runs if contents is not None else ()


class _Image:
    """The contents of an image: the names of its capabilities, and its paths."""

    def __init__(
        self, packages: Iterable[Package], headers: HeaderFacts, moved: Collection[str] = ()
    ) -> None:
        self._names: set[str] = set()
        self._paths: set[str] = set()
        for package in packages:
            self._names |= {
                split_capability(d.capability).name for d in package.of_kind("provides")
            }
            facts = headers.of(package.nevra)
            if facts is not None:
                self._paths |= {merged(file.path) for file in facts.files} - {*moved}
                gone = {p for file in facts.files if file.path in moved for p in file.provides}
                self._names -= {split_capability(capability).name for capability in gone}

    def has(self, target: str) -> bool:
        """Return whether a capability or path is there; rich dependencies count as met."""
        if is_rich(target):
            return True
        name = split_capability(target).name
        return name in self._names or merged(name) in self._paths
