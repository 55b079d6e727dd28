"""Causes of images that can no longer be installed, or can be again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.closure.evr import compare_evr
from bot.model.closure import UnsolvableCause
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.objectives.attribution import may_land
from bot.store.history.values import (
    Cause,
    CauseKind,
    Change,
    Contents,
    Evaluated,
    Evaluation,
    Member,
    MergedChange,
)

# The newest published packages of a source.
Published = Callable[[str], tuple[Package, ...]]


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A package that may be the cause: in the image then, and in the repositories now.

    `newly_requested`: a document requests it that did not before.
    """

    name: str
    source: str = ""
    old: Nevra | None = None
    new: Nevra | None = None
    newly_requested: bool = False


def broken_by(
    last: Evaluation,
    before: Contents,
    after: Evaluated,
    changes: Iterable[MergedChange],
    published: Published,
) -> Cause:
    """The cause of an image that can no longer be installed.

    `before` is what it held last. Named is what the solver stumbles over and is not what it was:
    a package in another version, one that no longer provides what another needs, a request that
    nothing meets; of several the first that a merged change explains.
    """
    documents = last.snapshot.id == after.snapshot.id
    suspects = list(_suspects(before, after, published))
    return _cause(suspects, "unsolvable", after, changes, documents=documents)


def mended_by(
    last: Evaluation,
    broke: Cause | None,
    before: Contents,
    after: Evaluated,
    changes: Iterable[MergedChange],
) -> Cause:
    """The cause of an image that can be installed again.

    `broke` is what made it so, null if that is not known; `before` is what it held last.
    """
    documents = last.snapshot.id == after.snapshot.id
    # Packages do not show a document's changed requests.
    suspects = [] if documents else list(_menders(last, broke, before, after))
    return _cause(suspects, "solvable", after, changes, documents=documents)


def _cause(
    suspects: Sequence[_Suspect],
    change: Change,
    after: Evaluated,
    changes: Iterable[MergedChange],
    *,
    documents: bool,
) -> Cause:
    landed = [c for c in changes if may_land(c, after.key)]
    blamed = None if documents else _blamed(suspects, landed)
    suspect, merged = blamed or ((suspects or [_Suspect(after.key.workload)])[0], None)
    kind: CauseKind = "distribution"
    if documents or suspect.newly_requested:
        kind = "configuration"
    elif merged is not None:
        kind = "commit" if merged.number is None else "pull request"
    return Cause(
        suspect.name,
        change,
        suspect.old,
        None,
        None if change == "unsolvable" else 0,
        0,
        kind,
        mover=suspect.new,
        merged_change=merged.id if merged is not None else None,
    )


def _suspects(before: Contents, after: Evaluated, published: Published) -> Iterator[_Suspect]:
    """Those that moved first, then those that let another go, then those that are new."""
    new_requests = set(after.requests) != set(before.requests)
    held = {member.nevra.name: member for member in before.members}
    late: list[_Suspect] = []
    for request in after.facts.missing:
        old = held.get(request)
        if old is not None:
            yield _Suspect(request, old.source, old.nevra, _newest(published, old.source))
        else:
            yield _Suspect(request, newly_requested=request not in before.requests)
    for nevra, capability in dict.fromkeys(_obstacles(after.facts.causes)):
        old, source = held.get(nevra.name), after.sources.get(nevra, "")
        if old is None:
            late.append(_Suspect(nevra.name, source, None, nevra, newly_requested=new_requests))
        elif old.nevra != nevra:
            yield _Suspect(nevra.name, source, old.nevra, nevra)
        else:
            late = [*_gone(before, old, capability, published), *late]
    yield from late


def _obstacles(causes: Iterable[UnsolvableCause]) -> Iterator[tuple[Nevra, str]]:
    """The packages of causes, each with the requirement that fails: from the ends of the chains to
    what is requested."""
    for cause in causes:
        if cause.needed_by is not None:
            yield cause.needed_by, cause.capability if cause.kind == "missing" else ""
        if cause.conflicts_with is not None:
            yield cause.conflicts_with, ""
        for edge in (*reversed(cause.chain), *reversed(cause.conflicts_with_chain)):
            yield edge.source, edge.capability


def _gone(
    before: Contents, holder: Member, capability: str, published: Published
) -> Iterator[_Suspect]:
    """The former providers of a package's requirement that have changed."""
    for link in before.links:
        if before.members[link.source] is holder and link.capability == capability:
            provider = before.members[link.target]
            new = _newest(published, provider.source)
            if new is None or new.version_release != provider.nevra.version_release:
                yield _Suspect(provider.nevra.name, provider.source, provider.nevra, new)


def _menders(
    last: Evaluation, broke: Cause | None, before: Contents, after: Evaluated
) -> Iterator[_Suspect]:
    named = broke.package if broke is not None else next(iter(last.facts.missing), None)
    places = {member.nevra.name: number for number, member in enumerate(after.members)}
    held = {member.nevra.name: member.nevra for member in before.members}
    if named is None or named not in places:
        return
    number = places[named]
    member = after.members[number]
    then = broke.mover if broke is not None and broke.mover else held.get(named)
    if then != member.nevra:
        yield _Suspect(named, member.source, then, member.nevra)
        return
    failed = {
        capability for nevra, capability in _obstacles(last.facts.causes) if nevra.name == named
    }
    for link in after.links:
        if link.source == number and link.capability in failed:
            target = after.members[link.target]
            yield _Suspect(
                target.nevra.name, target.source, held.get(target.nevra.name), target.nevra
            )


def _newest(published: Published, source: str) -> Nevra | None:
    newest: Nevra | None = None
    for package in published(source):
        if newest is None or _compare(package.nevra, newest) > 0:
            newest = package.nevra
    return newest


def _blamed(
    suspects: Iterable[_Suspect], changes: Sequence[MergedChange]
) -> tuple[_Suspect, MergedChange] | None:
    for suspect in suspects:
        for change in reversed(changes):
            if suspect.source in change.sources and _came(suspect, change.sources[suspect.source]):
                return suspect, change
    return None


def _came(suspect: _Suspect, head: str | None) -> bool:
    """Return whether the package came to the version that a change's head has, or moved at all
    where the
    head says none."""
    if suspect.new is None or suspect.new == suspect.old:
        return False
    if head is None:
        return True
    old = suspect.old
    was = old is not None and compare_evr(old.version_release, head) >= 0
    return not was and compare_evr(suspect.new.version_release, head) >= 0


def _compare(first: Nevra, second: Nevra) -> int:
    return compare_evr(first.evr, second.evr)
