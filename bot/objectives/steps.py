"""The step of a changed image: read, attributed, and reduced for its way between processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.model.image import ImageKey
from bot.objectives.attribution import Attributed, attribute
from bot.objectives.solvability import Published, broken_by, mended_by
from bot.store.history.image_queries import ImageQueries
from bot.store.history.values import (
    Cause,
    CauseKind,
    ClosureFacts,
    Contents,
    Evaluated,
    Link,
    Member,
    MergedChange,
)

_Row = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Stepped:
    """A changed image: its evaluation, the causes, and the ids of the changes that arrived in it.

    `evaluated.links` has only those that were not returned before.
    """

    evaluated: Evaluated
    causes: tuple[Cause, ...]
    landed: tuple[int, ...]


class Stepping:
    """Makes steps, from history in a store's file and the merged changes that may explain them.

    It can be pickled: it opens history where it is used.
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

    def __call__(self, after: Evaluated, published: Published) -> Stepped:
        """The step to what an image is now."""
        if self._reader is None:
            self._reader = ImageQueries(self._path)
        step = self._step(self._reader, after, published)
        reduced = replace(after, links=tuple(self._new_links(after)), sources={})
        return Stepped(reduced, step.causes, tuple(sorted(step.landed)))

    def _step(self, reader: ImageQueries, after: Evaluated, published: Published) -> Attributed:
        last = reader.evaluation(after.key)
        if last is None:
            return Attributed(())
        changes = [change for change in self._changes if not _is_there(change, after.key)]
        if after.facts.status != "ok":
            if last.facts.status != "ok":
                return Attributed(())
            before = reader.contents(after.key)
            return Attributed((broken_by(last, before, after, changes, published),))
        sound = last if last.facts.status == "ok" else reader.last_solvable(after.key)
        # The first evaluation that can be solved has nothing to be compared with.
        before, step = Contents(), Attributed(())
        if sound is not None:
            before = _contents(reader, after)
            same = sound.snapshot.id == after.snapshot.id
            step = attribute(before, after, changes, same_metadata=same)
            if not before.links and any(map(_is_unexplained, step.causes)):
                before = reader.contents(after.key)
                step = attribute(before, after, changes, same_metadata=same)
            if not step.causes:
                step = _reweighed(sound.facts, after, same_metadata=same)
        if last.facts.status == "ok":
            return step
        mended = mended_by(last, reader.broken_by(after.key), before, after, changes)
        return Attributed((*step.causes, mended), step.landed)

    def _new_links(self, after: Evaluated) -> Iterator[Link]:
        """The links of the members whose links were not the same in an image before."""
        names = [f"{m.nevra.name}.{m.nevra.arch}" for m in after.members]
        of_member: dict[int, list[Link]] = {}
        for link in after.links:
            of_member.setdefault(link.source, []).append(link)
        for source, links in of_member.items():
            row = tuple((x.capability, names[x.target], x.kind) for x in links)
            mark = (after.members[source], row)
            if mark not in self._recorded:
                self._recorded.add(mark)
                yield from links


def _contents(reader: ImageQueries, after: Evaluated) -> Contents:
    """The image before, with links only where a package was removed: few others need them."""
    before = reader.contents(after.key, links=False)
    if Counter(_names(before.members)) - Counter(_names(after.members)):
        return reader.contents(after.key)
    return before


def _is_unexplained(cause: Cause) -> bool:
    """Return whether a package came through packages that did not change: another may have let it
    in."""
    return cause.change == "came" and cause.mover is None and cause.kind == "distribution"


def _reweighed(before: ClosureFacts, after: Evaluated, *, same_metadata: bool) -> Attributed:
    """The step of a layer whose packages are all what they were."""
    was, now = before.layer_size, after.facts.layer_size
    if None in (was, now) or was == now:
        return Attributed(())
    # Which files are taken is the documents' choice. Else a package was built anew under its name,
    # with a file as large as before: metadata does not say which.
    kind: CauseKind = "configuration" if same_metadata else "unknown"
    return Attributed((Cause(after.key.workload, "changed", None, None, 0, 0, kind),))


def _names(members: Iterable[Member]) -> Iterator[str]:
    return (member.nevra.name for member in members)


def _is_there(change: MergedChange, key: ImageKey) -> bool:
    return any(e.key == key and e.landed_run is not None for e in change.effects)
