"""Evidence for edits from the packages' files, beside the proof by the solver.

It is: traces of what would leave in what stays, the integrity of the smaller image, and its
workload's own test. An image has its integrity where what its files refer to is there, as in
today's: what rpm's generators found in each file (the libraries that an ELF file needs, the
interpreter of a script, modules), absolute links, and where the package's file is cached or local
the first line of scripts and the programs that units start. Evidence from other distributions is in
`bot.advice.precedents`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.advice.contents import (
    WHICH_DO_WITHOUT,
    Names,
    PackageContents,
    contents_of,
    is_unit,
    merged,
    names_of,
    paths_of,
)
from bot.advice.headers import HeaderFacts
from bot.advice.plans import Proposal
from bot.advice.programs import Opened
from bot.advice.requests import Job
from bot.advice.swaps import offer_of, offers
from bot.advice.trial import native, test_passes
from bot.model.advice import Change, EditKind, Evidence
from bot.model.capability import is_rich, split_capability
from bot.model.nevra import Nevra
from bot.model.package import Package

MOST_TRACES = 20


@dataclass(frozen=True, slots=True)
class Smaller:
    """A smaller image on one architecture, with today's.

    `now` and `packages` are the packages of both, by libsolv's numbers; `files` are those that
    splits take out of packages that stay. If not `tried`, only traces of use are looked for, and
    neither integrity nor the test.
    """

    job: Job
    now: frozenset[int]
    packages: frozenset[int]
    files: frozenset[str] = frozenset()
    tried: bool = True


@dataclass(frozen=True, slots=True)
class _Moved:
    """The packages of today's image and of a smaller one, and the names of what leaves.

    `known` is false where the files of a package that leaves are not known.
    """

    now: tuple[Package, ...]
    staying: tuple[Package, ...]
    names: Names
    files: frozenset[str]
    tried: bool
    known: bool


def with_evidence(
    opened: Sequence[Opened], proposals: Sequence[Proposal], headers: HeaderFacts
) -> list[Proposal]:
    """Return the proposals with their evidence.

    It is taken from the machine's own architecture, on which a test can run, or where nothing
    leaves there from another one. The traces of an edit's use are those of what leaves by it alone.
    """
    examined = list(proposals)
    for place in sorted(range(len(opened)), key=lambda n: not native(opened[n].candidates.arch)):
        image = opened[place]
        todo = [
            (number, smaller, _of_edits(image, proposal, place))
            for number, proposal in enumerate(examined)
            if _lacks(proposal) and _leaves(smaller := _smaller(image, proposal, place))
        ]
        # Several proposals have the same edit; each is examined once.
        wanted = list(dict.fromkeys(s for _, whole, own in todo for s in (whole, *own)))
        known = dict(zip(wanted, evidence_of(wanted, headers), strict=True))
        for number, whole, own in todo:
            evidence = known[whole]
            if evidence is not None:
                examined[number] = _with(examined[number], evidence, [known[each] for each in own])
    return examined


def evidence_of(images: Sequence[Smaller], headers: HeaderFacts) -> list[Evidence | None]:
    """Return the evidence for each of several smaller images; None where a package cannot be read.

    Each package is read once for all of them.
    """
    moved = [_moved(smaller, headers) for smaller in images]
    names = Names()
    for each in moved:
        names |= each.names
    contents: dict[Nevra, PackageContents | None] = {}
    for package in {p.nevra: p for each in moved for p in each.staying}.values():
        contents[package.nevra] = contents_of(package, headers, names)
        if contents[package.nevra] is None:
            break  # without the contents of all there is no evidence
    tests = {smaller.job.request.key: _Test(smaller.job, headers) for smaller in images}
    return [
        _evidence(each, headers, contents, tests[smaller.job.request.key])
        for smaller, each in zip(images, moved, strict=True)
    ]


def with_uses(opened: Sequence[Opened], proposals: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals with the uses that metadata shows and that nothing read disproves."""
    uses = {name: depth for one in opened for name, depth in one.uses.items()}

    def with_use(change: Change) -> Change:
        depth = uses.get((change.package, change.capability))
        read = change.evidence.looked_into == "files" if depth == "files" else change.written
        if depth is None or read or change.kind not in ("order", "weaken"):
            return change
        return replace(change, evidence=replace(change.evidence, metadata_use=True))

    return [replace(one, changes=tuple(map(with_use, one.changes))) for one in proposals]


def _lacks(proposal: Proposal) -> bool:
    return any(c.evidence.integrity is None and c.evidence.use is None for c in proposal.changes)


def _leaves(smaller: Smaller) -> bool:
    """Return whether the smaller image lacks something, so that there are traces to look for."""
    return bool(smaller.files or smaller.now - smaller.packages)


def _smaller(one: Opened, proposal: Proposal, place: int) -> Smaller:
    files = frozenset(path for edit in proposal.answer.edits for path in edit.files)
    return Smaller(one.job, one.candidates.now, proposal.answer.packages[place], files)


def _of_edits(one: Opened, proposal: Proposal, place: int) -> list[Smaller]:
    """Return for each edit of a proposal the image with it alone.

    It is the image with all edits where one saves nothing alone, or nothing on this architecture.
    """
    whole = _smaller(one, proposal, place)
    images = []
    for edit, sets in zip(proposal.answer.edits, proposal.alone, strict=True):
        alone = whole
        if sets is not None and len(proposal.alone) > 1:
            alone = replace(whole, packages=sets[place], files=frozenset(edit.files), tried=False)
        images.append(alone if _leaves(alone) else whole)
    return images


def of_kind(evidence: Evidence, kind: EditKind) -> Evidence:
    """Return the evidence as it applies to a kind of edit."""
    if kind == "request":
        # A replacement is requested for the programs that it has in common.
        return replace(evidence, use=None, looked_into=None)
    if kind == "order" and evidence.use is not None:
        needed = (where for where in evidence.use if not where.endswith(WHICH_DO_WITHOUT))
        return replace(evidence, use=tuple(needed))
    return evidence


def _with(proposal: Proposal, whole: Evidence, of_edits: Sequence[Evidence | None]) -> Proposal:
    changes = []
    for change, own in zip(proposal.changes, of_edits, strict=True):
        use, looked_into = (own.use, own.looked_into) if own is not None else (None, None)
        evidence = replace(whole, use=use, looked_into=looked_into)
        changes.append(replace(change, evidence=of_kind(evidence, change.kind)))
    return replace(proposal, changes=tuple(changes))


def _moved(smaller: Smaller, headers: HeaderFacts) -> _Moved:
    job, now, target, moved = smaller.job, smaller.now, smaller.packages, smaller.files
    with job.pool.solved(job.request, job.overlay) as image:
        staying = tuple(image.overlays.package(number) for number in sorted(target))
        today = tuple(image.overlays.package(number) for number in sorted(now))
        leaving = paths_of(image.overlays, now - target, headers)
        offered = list(offers(image.overlays, leaving or {}).values())
    headers.read(staying)
    facts = (headers.of(package.nevra) for package in staying)
    stays = [file for own in facts if own is not None for file in own.files]
    kept = {file.path for file in stays} - moved
    provided = [text for file in stays if file.path in moved for text in file.provides]
    files = moved.union(*(leaving or {}).values())
    names = names_of([*offered, offer_of(moved, provided)], files, kept)
    return _Moved(today, staying, names, moved, smaller.tried, leaving is not None)


def _evidence(
    moved: _Moved,
    headers: HeaderFacts,
    contents: Mapping[Nevra, PackageContents | None],
    test: _Test,
) -> Evidence | None:
    """Return the evidence for one smaller image; None where a package cannot be read."""
    known: dict[Nevra, PackageContents] = {}
    if not moved.known:
        return None
    for package in moved.staying:
        own = contents.get(package.nevra)
        if own is None:
            return None
        known[package.nevra] = own
    wanted = moved.names.all
    traces = [
        where
        for package in moved.staying
        for where, mentioned in known[package.nevra].mentions
        if mentioned & wanted and where not in moved.files
    ]
    # Traces that do not count against an order come last, so that truncation keeps the others.
    traces.sort(key=lambda where: where.endswith(WHICH_DO_WITHOUT))
    deep = all(own.depth == "files" for own in known.values())
    if not moved.tried:
        return Evidence(tuple(traces[:MOST_TRACES]), looked_into="files" if deep else "headers")
    return Evidence(
        tuple(traces[:MOST_TRACES]),
        keeps_integrity(moved.now, moved.staying, headers, known, moved.files),
        test.outcome(moved.now, moved.staying, moved.files),
        looked_into="files" if deep else "headers",
    )


class _Test:
    """The test of an image's workload; today's image is tested once for all smaller ones."""

    def __init__(self, job: Job, headers: HeaderFacts) -> None:
        self._command = job.test if native(job.pool.arch) else ""
        self._cache = headers.cache
        self._today: bool | None = None

    def outcome(
        self, now: Sequence[Package], staying: Sequence[Package], moved: frozenset[str]
    ) -> bool | None:
        """Return the outcome in a smaller image, or None where it does not succeed in today's."""
        if not self._command:
            return None
        if self._today is None:
            self._today = test_passes(now, self._command, self._cache) is True
        if not self._today:
            return None
        return test_passes(staying, self._command, self._cache, moved)


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
