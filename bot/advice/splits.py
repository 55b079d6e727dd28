"""Splits: files that move to a subpackage, with the requirements that only they have.

rpm's headers say which file has which generated requirement. A split moves exactly the files that
have one, with what they provide; the package then loses the requirements that no other file of it
has. It is possible where no package or file that stays requires what is moved, and where the image
is not for one of the moved programs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.advice.candidates import Candidates
from bot.advice.contents import merged
from bot.advice.edits import Edit
from bot.advice.headers import Facts, HeaderFacts, OwnedFile
from bot.advice.programs import Opened
from bot.image.listing import DOCUMENTATION
from bot.model.capability import is_rich, split_capability
from bot.model.package import Dependency, Overlay, Package
from bot.spec.headers import capability_key

LEAST_SAVED = 100_000  # bytes: less is not worth a subpackage
_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Split:
    """A possible split on one architecture; `capabilities` leave the package with the files."""

    capability: str
    files: tuple[OwnedFile, ...]
    capabilities: frozenset[str]
    saves: int


def edits_of_files(opened: Sequence[Opened], headers: HeaderFacts) -> tuple[Edit, ...]:
    """Return the splits that save at least LEAST_SAVED bytes, the best of each of today's packages.

    On several architectures, only those that are the best on each of them.
    """
    if any(image.job.overlay is not None for image in opened):
        return ()  # the overlay changes its packages already
    splits: list[dict[str, _Split]] = [dict(_splits(image, headers)) for image in opened]
    edits = []
    for name in sorted(splits[0]):
        if all(name in of_arch for of_arch in splits):
            own = [of_arch[name] for of_arch in splits]
            if len({split.capability for split in own}) == 1:
                edits.append(_edit(opened, name, own))
    return tuple(edits)


def _edit(opened: Sequence[Opened], name: str, splits: Sequence[_Split]) -> Edit:
    first = opened[0].candidates
    (source,) = {first.packages[n].source for n in first.now & set(first.named[name])}
    return Edit(
        "split",
        name,
        source,
        splits[0].capability,
        frozenset(text for split in splits for text in split.capabilities),
        written=False,
        files=tuple(sorted({file.path for split in splits for file in split.files})),
        moved=tuple(sum(file.size for file in split.files) for split in splits),
    )


def _splits(one: Opened, headers: HeaderFacts) -> Iterator[tuple[str, _Split]]:
    """Yield the best split of each of today's packages whose header can be read."""
    candidates = one.candidates
    image = _Image(candidates)
    headers.read(one.today.values())
    kept = frozenset(one.purpose.programs)
    for number, package in one.today.items():
        facts = headers.of(package.nevra)
        if facts is None or number in candidates.fixed:
            continue
        best: _Split | None = None
        for capability in sorted({need for file in facts.files for need in file.needs}):
            split = _split(number, capability, facts, kept, image)
            if split is not None and (best is None or split.saves > best.saves):
                best = split
        if best is not None and best.saves >= LEAST_SAVED:
            yield package.nevra.name, best


def _split(
    number: int, capability: str, facts: Facts, kept: Collection[str], image: _Image
) -> _Split | None:
    """Return the split for one requirement; None where something needs a file of it."""
    # rpm's own features (`rpmlib(PayloadIsZstd)`) have no package as a provider.
    if is_rich(capability) or capability.startswith("rpmlib("):
        return None
    if capability_key(capability) in map(capability_key, facts.written):
        return None
    moved = tuple(file for file in facts.files if capability in file.needs)
    rest = [file for file in facts.files if file not in moved and not file.is_directory]
    if not any(not file.flags & DOCUMENTATION for file in rest):
        return None
    if any(merged(file.path) in kept for file in moved):
        return None
    needed = {need for file in rest for need in file.needs}
    provided = {p for file in moved for p in file.provides}
    if provided & needed or image.requires_of_others(number, provided, [f.path for f in moved]):
        return None
    leaving = frozenset(
        need
        for file in moved
        for need in file.needs
        if need not in needed and not is_rich(need) and need not in facts.written
    )
    saves = sum(file.size for file in moved) + image.held_by(number, leaving)
    return _Split(split_capability(capability).name, moved, leaving, saves)


class _Image:
    """Today's packages: who requires what, and which packages are there for which requirements."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._supporters: dict[int, set[tuple[int, str]]] = {}
        self._names: dict[str, set[int]] = {}
        now = candidates.now
        self._roots = {n for job in candidates.jobs for clause in job for n in clause & now}
        for need in candidates.needs:
            if need.package in now:
                name = split_capability(need.capability).name
                self._names.setdefault(name, set()).add(need.package)
                for clause in need.formula:
                    members = [n for n in clause if n in now and n != need.package]
                    if len(members) == 1:
                        key = need.package, need.capability
                        self._supporters.setdefault(members[0], set()).add(key)

    def requires_of_others(
        self, number: int, provided: Iterable[str], paths: Iterable[str]
    ) -> bool:
        """Return whether another package requires one of these by name."""
        names = {split_capability(p).name for p in provided} | set(paths)
        return any(self._names.get(name, set()) - {number} for name in names)

    def held_by(self, number: int, capabilities: Collection[str]) -> int:
        """Return the bytes of packages that only these requirements bring in, transitively."""
        gone: set[int] = set()
        cut = {(number, capability) for capability in capabilities}
        while True:
            more = {
                held
                for held, supporters in self._supporters.items()
                if held not in gone
                and held not in self._roots
                and all(s in cut or s[0] in gone for s in supporters)
            }
            if not more:
                break
            gone |= more
        return sum(self._candidates.packages[n].installed_size or 0 for n in gone)


# -- the synthetic pair -------------------------------------------------------------------------


def split_overlay(one: Opened, place: int, edits: Iterable[Edit]) -> Overlay | None:
    """Return the packages of the sources that are split, as they would be; None without a split."""
    splits = [edit for edit in edits if edit.kind == "split"]
    if not splits:
        return None
    sources = frozenset(edit.source for edit in splits)
    packages: list[Package] = []
    for source in sorted(sources):
        for package in one.job.pool.newest_published(source):
            own = [e for e in splits if e.source == source and e.package == package.nevra.name]
            packages += _pair(package, own[0], place) if own else [package]
    return Overlay(one.job.pool.arch, sources, tuple(packages), "predicted")


def _pair(package: Package, edit: Edit, place: int) -> list[Package]:
    """Return a package without the files that a split moves, and the subpackage that has them."""
    moved = set(edit.files)
    size = edit.moved[place]

    def leaves(dependency: Dependency) -> bool:
        return dependency.kind == "requires" and dependency.capability in edit.capabilities

    total = package.installed_size
    parent = replace(
        package,
        dependencies=tuple(d for d in package.dependencies if not leaves(d)),
        files=tuple(path for path in package.files if path not in moved),
        installed_size=None if total is None else max(total - size, 0),
    )
    nevra = replace(package.nevra, name=subpackage_name(edit))
    own = f"{package.nevra.name} = {package.nevra.evr}"
    needs = tuple(d for d in package.dependencies if leaves(d))
    child = replace(
        package,
        nevra=nevra,
        dependencies=(
            *needs,
            Dependency("requires", own),
            Dependency("provides", f"{nevra.name} = {nevra.evr}"),
        ),
        files=tuple(sorted(moved)),
        installed_size=size,
        location=None,
    )
    return [parent, child]


def subpackage_name(edit: Edit) -> str:
    """Return the name of a split's subpackage: the package's, and what its files need."""
    text = re.sub(r"^lib|\.so.*$", "", edit.capability.rpartition("/")[2].lower())
    inner = text.partition("(")[2].rstrip(")") or text
    return f"{edit.package}-{_SLUG.sub('-', inner).strip('-') or 'extra'}"
