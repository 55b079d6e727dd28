"""The programs that an image is for: every plan must leave them in it.

They are the programs that the sources of the requested packages have in today's image: those in a
directory of programs, and those below libexec. Where headers and package files can be read, the
targets of links among them and the programs that units of these sources start count too. A package
that one of these requires by name and that has a program of the same name (`conmon`) was required
for that program: it counts too, and so does what it requires itself in this way.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.advice.candidates import Candidates
from bot.advice.contents import known_paths, merged, started_by_units
from bot.advice.edits import capability_name
from bot.advice.formula import Formula, one_of
from bot.advice.headers import HeaderFacts
from bot.advice.requests import Job
from bot.advice.swaps import files_of
from bot.advice.uses import Uses
from bot.closure.overlay_pool import OverlayPool
from bot.closure.packages import files_in_primary
from bot.closure.pool import SolvedImage
from bot.closure.requests import dependency_id
from bot.model.advice import KnownBy
from bot.model.nevra import Nevra
from bot.model.package import Package

_PROGRAM = re.compile(r"/s?bin/[^/]+$|/libexec/")


@dataclass(frozen=True, slots=True)
class Purpose:
    """The programs that an image is for, each with the candidates that have it, and what was read
    to know them.

    `sources` are those of the requested packages and of those required by name for a program.
    """

    programs: Mapping[str, frozenset[int]]
    known_by: KnownBy = "metadata"
    sources: frozenset[str] = frozenset()

    @property
    def formula(self) -> Formula:
        """The clauses that hold while every program is there."""
        return frozenset(clause for owners in self.programs.values() for clause in one_of(owners))

    @property
    def able(self) -> frozenset[int]:
        """The candidates that have a program that the image is for."""
        return frozenset(n for owners in self.programs.values() for n in owners)

    def of(self, number: int) -> frozenset[str]:
        """Return the programs that one package has."""
        return frozenset(path for path, owners in self.programs.items() if number in owners)


@dataclass(frozen=True, slots=True)
class Opened:
    """One architecture of an image: its job, its candidates and its purpose.

    `programs` are those of each package of today's image, and `today` are these packages; `uses`
    are their requirements that metadata shows to be used.
    """

    job: Job
    candidates: Candidates
    purpose: Purpose
    programs: Mapping[int, frozenset[str]]
    today: Mapping[int, Package]
    uses: Uses = field(default_factory=dict)


def purpose_of(
    overlays: OverlayPool,
    candidates: Candidates,
    requested: Collection[Nevra],
    needs: Iterable[str] = (),
    headers: HeaderFacts | None = None,
    *,
    called: bool = True,
) -> Purpose:
    """Return the programs that an image with these requested packages is for, and its `needs`.

    Needs are paths or capabilities; those that today's image does not meet are left out. If not
    `called`, packages that are required by name are left out, for callers that read from the files
    which programs they run.
    """
    packages, now = candidates.packages, candidates.now
    sources = {packages[n].source for n in now if packages[n].nevra in requested}
    own = {n for n in packages if packages[n].source in sources}
    named = _called(overlays, candidates, own & now, headers) if called else set()
    sources |= {packages[n].source for n in named}
    alike = {n for n in packages if packages[n].source in sources}
    paths = {**files_of(overlays, alike), **_paths(overlays, alike & now, headers)}
    files = {n: _programs(own_paths) for n, own_paths in paths.items()}
    wanted = {path for n in own & now for path in files[n]}
    for number in named:
        name = packages[number].nevra.name
        wanted |= {path for path in files[number] if path.rpartition("/")[2] == name}
    programs = {
        path: frozenset(n for n, programs in files.items() if path in programs)
        for path in sorted(wanted)
    }
    needed = {need: _meeting(overlays, need) & packages.keys() for need in needs}
    programs |= {need: n for need, n in needed.items() if n & now}
    if headers is None:
        return Purpose(programs, sources=frozenset(sources))
    today = {number: overlays.package(number) for number in sorted(now)}
    headers.read(today[number] for number in sorted(own & now))
    started = [started_by_units(today[n], headers) for n in sorted(own & now)]
    more = frozenset[str]().union(*(paths for paths in started if paths is not None))
    known_by: KnownBy = "files"
    if any(headers.of(today[n].nevra) is None for n in own & now):
        known_by = "metadata"
    elif None in started:
        known_by = "headers"
    followed = _followed(overlays, candidates, programs, today, more, headers)
    return Purpose(followed, known_by, frozenset(sources))


def _followed(
    overlays: OverlayPool,
    candidates: Candidates,
    programs: Mapping[str, frozenset[int]],
    today: Mapping[int, Package],
    more: Iterable[str],
    headers: HeaderFacts,
) -> Mapping[str, frozenset[int]]:
    """Return programs with `more` of them and with the targets of links in today's image."""
    followed = dict(programs)
    todo = [
        *more,
        *(target for p, own in followed.items() for target in _targets(p, own, today, headers)),
    ]
    while todo:
        path = merged(todo.pop())
        owners = _owners(overlays, path) & candidates.packages.keys()
        if path not in followed and owners & today.keys():
            followed[path] = owners
            todo += _targets(path, owners, today, headers)
    return dict(sorted(followed.items()))


def _owners(overlays: OverlayPool, path: str) -> frozenset[int]:
    """Return the packages that own a path, with or without /usr before it."""
    return frozenset((*overlays.owners(path), *overlays.owners(path.removeprefix("/usr"))))


def _targets(
    path: str, owners: Iterable[int], today: Mapping[int, Package], headers: HeaderFacts
) -> Iterator[str]:
    """Yield the targets of a path that is a link in a package of today's image."""
    packages = [today[number] for number in owners if number in today]
    headers.read(packages)
    for package in packages:
        facts = headers.of(package.nevra)
        for file in facts.files if facts is not None else ():
            if file.link and merged(file.path) == path:
                yield posixpath.normpath(posixpath.join(posixpath.dirname(path), file.link))


def _meeting(overlays: OverlayPool, need: str) -> frozenset[int]:
    """Return the packages that own a path or provide a capability."""
    number = dependency_id(overlays.pool, need)
    owners = overlays.owners(need) if need.startswith("/") else ()
    return frozenset((*owners, *(overlays.providers(number) if number else ())))


def programs_of(overlays: OverlayPool, numbers: Iterable[int]) -> Mapping[int, frozenset[str]]:
    """Return the programs of packages (bin, sbin, libexec), from primary.xml or the overlay."""
    programs = {}
    for number in numbers:
        overlaid = overlays.overlaid(number)
        paths = overlaid.files if overlaid else files_in_primary(overlays.pool.id2solvable(number))
        programs[number] = _programs(paths)
    return programs


def packages_of(image: SolvedImage, candidates: Candidates) -> Mapping[int, Package]:
    """Return today's packages by number; numbers are valid only while the image is open."""
    return {number: image.overlays.package(number) for number in sorted(candidates.now)}


def _paths(
    overlays: OverlayPool, numbers: Collection[int], headers: HeaderFacts | None
) -> Mapping[int, Iterable[str]]:
    """Return the paths of packages, from filelists.xml and from headers where those are read."""
    if headers is None:
        return files_of(overlays, numbers)
    return known_paths(overlays, numbers, headers)


def _called(
    overlays: OverlayPool,
    candidates: Candidates,
    own: Collection[int],
    headers: HeaderFacts | None,
) -> set[int]:
    """Return the packages of today's image that are required by name for their program of this
    name, by packages of `own` or by one another."""
    called: set[int] = set()
    callers = set(own)
    while callers:
        named = _required_by_name(candidates, callers) - called - set(own)
        callers = set()
        for number, paths in _paths(overlays, named, headers).items():
            name = candidates.packages[number].nevra.name
            if any(path.rpartition("/")[2] == name for path in _programs(paths)):
                callers.add(number)
        called |= callers
    return called


def _required_by_name(candidates: Candidates, own: Collection[int]) -> set[int]:
    required: set[int] = set()
    for need in candidates.needs:
        if need.package in own and not need.scriptlets:
            name = capability_name(need.capability)
            met = {n for clause in need.formula for n in clause if n in candidates.now}
            required |= {n for n in met if candidates.packages[n].nevra.name == name}
    return required


def _programs(paths: Iterable[str]) -> frozenset[str]:
    """Return the paths of programs, with /bin and /lib replaced by those below /usr."""
    programs = {merged(path) for path in paths if _PROGRAM.search(path)}
    directories = {path.rpartition("/")[0] for path in programs}
    return frozenset(programs - directories)
