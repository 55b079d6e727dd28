"""The step of a changed image: its causes, also where it becomes uninstallable or installable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.closure.evr import compare_evr
from bot.model.closure import Link, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.objectives.attribution import Attribution, attribute, may_land
from bot.store.history.image_queries import ImageQueries
from bot.store.history.values import (
    Cause,
    CauseKind,
    Change,
    ClosureFacts,
    Contents,
    EvaluatedImage,
    Evaluation,
    Member,
    MergedChange,
)

_Row = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ImageStep:
    """A changed image: its evaluation, the causes, and the ids of the changes that landed in it.

    `evaluated.links` has only links that were not returned before.
    """

    evaluated: EvaluatedImage
    causes: tuple[Cause, ...]
    landed: tuple[int, ...]


class StepMaker:
    """Maker of steps, from history in a store's file and the merged changes that may explain them.

    It can be pickled: it opens history in the process that uses it.
    """

    def __init__(self, path: Path, changes: Sequence[MergedChange]) -> None:
        self._path = path
        self._changes = tuple(changes)
        self._open()

    def _open(self) -> None:
        self._reader: ImageQueries | None = None
        self._recorded: set[tuple[Member, _Row]] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_changes": self._changes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def close(self) -> None:
        """Close history, if it was opened here."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __call__(self, after: EvaluatedImage, published: Published) -> ImageStep:
        """Return the step to an image's evaluation."""
        if self._reader is None:
            self._reader = ImageQueries(self._path)
        step = self._step(self._reader, after, published)
        reduced = replace(after, links=tuple(self._new_links(after)), sources={})
        return ImageStep(reduced, step.causes, tuple(sorted(step.landed)))

    def _step(
        self, reader: ImageQueries, after: EvaluatedImage, published: Published
    ) -> Attribution:
        last = reader.evaluation(after.key)
        if last is None:
            return Attribution(())
        open_changes = [change for change in self._changes if not _is_there(change, after.key)]
        if after.facts.status != "ok":
            if last.facts.status != "ok":
                return Attribution(())
            before = reader.contents(after.key)
            return Attribution((broken_by(last, before, after, open_changes, published),))
        solvable = last if last.facts.status == "ok" else reader.last_solvable(after.key)
        # The first solvable evaluation has no predecessor.
        before, step = Contents(), Attribution(())
        if solvable is not None:
            before = _contents(reader, after)
            same_metadata = solvable.snapshot.id == after.snapshot.id
            step = attribute(before, after, open_changes, same_metadata=same_metadata)
            if not before.links and any(map(_is_unexplained, step.causes)):
                before = reader.contents(after.key)
                step = attribute(before, after, open_changes, same_metadata=same_metadata)
            if not step.causes:
                step = _reweighed(solvable.facts, after, same_metadata=same_metadata)
        if last.facts.status == "ok":
            return step
        cause = mended_by(last, reader.broken_by(after.key), before, after, open_changes)
        return Attribution((*step.causes, cause), step.landed)

    def _new_links(self, after: EvaluatedImage) -> Iterator[Link]:
        """Yield the links of the members that have other links than in any image before."""
        names = [f"{m.nevra.name}.{m.nevra.arch}" for m in after.members]
        links_of: dict[int, list[Link]] = {}
        for link in after.links:
            links_of.setdefault(link.source, []).append(link)
        for source, links in links_of.items():
            row = tuple((x.capability, names[x.target], x.kind) for x in links)
            mark = (after.members[source], row)
            if mark not in self._recorded:
                self._recorded.add(mark)
                yield from links


def _contents(reader: ImageQueries, after: EvaluatedImage) -> Contents:
    """Return the image before, with links only if a package was removed: few others need them."""
    before = reader.contents(after.key, links=False)
    if Counter(_names(before.members)) - Counter(_names(after.members)):
        return reader.contents(after.key)
    return before


def _is_unexplained(cause: Cause) -> bool:
    """Return whether a package came in by requirements of unchanged packages.

    Then a change of another package may be the reason.
    """
    return cause.change == "came" and cause.mover is None and cause.kind == "distribution"


def _reweighed(before: ClosureFacts, after: EvaluatedImage, *, same_metadata: bool) -> Attribution:
    """Return the step of a layer whose packages are all unchanged."""
    size_before, size_now = before.layer_size, after.facts.layer_size
    if None in (size_before, size_now) or size_before == size_now:
        return Attribution(())
    # The documents choose the files. Otherwise a package was rebuilt under its name, with a file of
    # the same size: metadata does not say which.
    kind: CauseKind = "configuration" if same_metadata else "unknown"
    return Attribution((Cause(after.key.workload, "changed", None, None, 0, 0, kind),))


def _names(members: Iterable[Member]) -> Iterator[str]:
    return (member.nevra.name for member in members)


def _is_there(change: MergedChange, key: ImageKey) -> bool:
    return any(e.key == key and e.landed_run is not None for e in change.effects)


# A function that returns the newest published packages of a source.
Published = Callable[[str], tuple[Package, ...]]


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A possible cause: a package in the image then, and in the repositories now.

    `newly_requested`: a document newly requests it.
    """

    name: str
    source: str = ""
    old: Nevra | None = None
    new: Nevra | None = None
    newly_requested: bool = False


def broken_by(
    last: Evaluation,
    before: Contents,
    after: EvaluatedImage,
    changes: Iterable[MergedChange],
    published: Published,
) -> Cause:
    """Return the cause of an image that can no longer be installed.

    `before` are its last packages. The cause is one that the solver names and that has changed: a
    package in another version, one that no longer provides what another needs, a request that
    nothing meets; of several the first that a merged change explains.
    """
    documents = last.snapshot.id == after.snapshot.id
    suspects = list(_suspects(before, after, published))
    return _cause(suspects, "unsolvable", after, changes, documents=documents)


def mended_by(
    last: Evaluation,
    broke: Cause | None,
    before: Contents,
    after: EvaluatedImage,
    changes: Iterable[MergedChange],
) -> Cause:
    """Return the cause of an image that can be installed again.

    `broke` is the cause that made it uninstallable, None if unknown; `before` are its last
    packages.
    """
    documents = last.snapshot.id == after.snapshot.id
    # A document's changed requests do not show in packages.
    suspects = [] if documents else list(_menders(last, broke, before, after))
    return _cause(suspects, "solvable", after, changes, documents=documents)


def _cause(
    suspects: Sequence[_Suspect],
    change: Change,
    after: EvaluatedImage,
    changes: Iterable[MergedChange],
    *,
    documents: bool,
) -> Cause:
    arriving = [c for c in changes if may_land(c, after.key)]
    explained = None if documents else _blamed(suspects, arriving)
    suspect, merged = explained or ((suspects or [_Suspect(after.key.workload)])[0], None)
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


def _suspects(before: Contents, after: EvaluatedImage, published: Published) -> Iterator[_Suspect]:
    """Yield changed packages first, then those that let another leave, then new ones."""
    new_requests = set(after.requests) != set(before.requests)
    members = {member.nevra.name: member for member in before.members}
    late: list[_Suspect] = []
    for request in after.facts.missing:
        old = members.get(request)
        if old is not None:
            yield _Suspect(request, old.source, old.nevra, _newest(published, old.source))
        else:
            yield _Suspect(request, newly_requested=request not in before.requests)
    for nevra, capability in dict.fromkeys(_obstacles(after.facts.causes)):
        old, source = members.get(nevra.name), after.sources.get(nevra, "")
        if old is None:
            late.append(_Suspect(nevra.name, source, None, nevra, newly_requested=new_requests))
        elif old.nevra != nevra:
            yield _Suspect(nevra.name, source, old.nevra, nevra)
        else:
            late = [*_gone(before, old, capability, published), *late]
    yield from late


def _obstacles(causes: Iterable[UnsolvableCause]) -> Iterator[tuple[Nevra, str]]:
    """Yield the packages of causes, each with the failing requirement, from the chains' ends up."""
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
    """Yield the former providers of a package's requirement that have changed."""
    for link in before.links:
        if before.members[link.source] is holder and link.capability == capability:
            provider = before.members[link.target]
            new = _newest(published, provider.source)
            if new is None or new.version_release != provider.nevra.version_release:
                yield _Suspect(provider.nevra.name, provider.source, provider.nevra, new)


def _menders(
    last: Evaluation, broke: Cause | None, before: Contents, after: EvaluatedImage
) -> Iterator[_Suspect]:
    name = broke.package if broke is not None else next(iter(last.facts.missing), None)
    places = {member.nevra.name: number for number, member in enumerate(after.members)}
    nevras = {member.nevra.name: member.nevra for member in before.members}
    if name is None or name not in places:
        return
    number = places[name]
    member = after.members[number]
    old = broke.mover if broke is not None and broke.mover else nevras.get(name)
    if old != member.nevra:
        yield _Suspect(name, member.source, old, member.nevra)
        return
    capabilities = {
        capability for nevra, capability in _obstacles(last.facts.causes) if nevra.name == name
    }
    for link in after.links:
        if link.source == number and link.capability in capabilities:
            target = after.members[link.target]
            yield _Suspect(
                target.nevra.name, target.source, nevras.get(target.nevra.name), target.nevra
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
    """Return whether the package reached the version of a change's head, or changed without one."""
    if suspect.new is None or suspect.new == suspect.old:
        return False
    if head is None:
        return True
    old = suspect.old
    reached_before = old is not None and compare_evr(old.version_release, head) >= 0
    return not reached_before and compare_evr(suspect.new.version_release, head) >= 0


def _compare(first: Nevra, second: Nevra) -> int:
    return compare_evr(first.evr, second.evr)
