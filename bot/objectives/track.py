"""One run over all images: evaluated, compared with the last, attributed, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.distro import Cache, Configuration, image_keys
from bot.errors import SurroundingsError
from bot.model import ImageKey
from bot.objectives.attribution import Attributed, attribute
from bot.objectives.evaluate import Failed, Known, Outcome, Unchanged, evaluate
from bot.objectives.standing import Standing, headings, judged, states
from bot.store.history import (
    Cause,
    Contents,
    Evaluated,
    Evaluation,
    History,
    MergedChange,
    Moved,
    Same,
)

# A pull request that was merged longer ago explains no step of today.
REMEMBERED_DAYS = 120


@dataclass(frozen=True, slots=True)
class TrackedImage:
    """An image before and after a run; `before` null if it was never evaluated."""

    key: ImageKey
    before: Evaluation | None
    after: Evaluation
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a run came to. `failed` are sentences about images that could not be evaluated."""

    run: int
    images: tuple[TrackedImage, ...]
    standings: tuple[Standing, ...]
    names: dict[str, str]
    solved: int
    failed: tuple[str, ...] = ()
    changes: dict[int, MergedChange] = field(default_factory=dict)


def track(
    configuration: Configuration,
    history: History,
    cache: Cache,
    *,
    processes: int | None = None,
    offline: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Tracked:
    """Evaluates every image and objective now and keeps the result.

    Raises SurroundingsError if another process tracks at this moment.
    """
    keys = image_keys(configuration)
    with _alone(history):
        tracker = _Tracker(history, len(keys), progress or _silent)
        known = Known(history.inputs(), history.closure_digests())
        for found in evaluate(
            configuration, keys, cache, known, processes=processes, offline=offline
        ):
            tracker.take(found)
        return tracker.finish(configuration, keys)


class _Tracker:
    def __init__(self, history: History, total: int, progress: Callable[[int, int], None]) -> None:
        self._history = history
        self._progress = progress
        self._total = total
        self._done = self._solved = 0
        self._before = history.latest_evaluations()
        since = datetime.now(UTC) - timedelta(days=REMEMBERED_DAYS)
        changes = history.waiting_changes(since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        self._changes = {change.id: change for change in changes}
        self._causes: dict[ImageKey, tuple[Cause, ...]] = {}
        self._moved: set[ImageKey] = set()
        self._names: dict[ImageKey, frozenset[str]] = {}
        self._failed: dict[str, None] = {}
        self._run = history.recorder.begin_run()

    def take(self, found: Sequence[Outcome]) -> None:
        """Keeps some outcomes, in one transaction."""
        kept: list[Same | Moved] = []
        landed: list[tuple[int, ImageKey]] = []
        for one in found:
            if isinstance(one, Failed):
                places = dict.fromkeys(f"{key.repository} {key.arch}" for key in one.keys)
                self._failed[f"{', '.join(places)}: {one.error}"] = None
                self._done += len(one.keys)
                continue
            self._done += 1
            if isinstance(one, Unchanged):
                self._solved += one.solved
                kept.append(Same(one.key, one.snapshot, one.inputs))
                continue
            self._solved += 1
            step = self._step(one)
            self._causes[one.key] = step.causes
            self._moved.add(one.key)
            self._names[one.key] = frozenset(member.nevra.name for member in one.members)
            landed += [(change, one.key) for change in sorted(step.landed)]
            kept.append(Moved(one, step.causes))
        self._history.recorder.record(self._run, kept)
        if landed:
            self._history.recorder.record_landed(self._run, landed)
        self._progress(self._done, self._total)

    def _step(self, after: Evaluated) -> Attributed:
        last = self._before.get(after.key)
        if last is None:
            return Attributed(())
        if after.facts.status != "ok":
            if last.facts.status != "ok":
                return Attributed(())
            package = (after.facts.missing or (after.key.workload,))[0]
            return Attributed((Cause(package, "unsolvable", None, None, None, 0, "distribution"),))
        before = self._history.contents(after.key)
        changes = [c for c in self._changes.values() if not _is_there(c, after.key)]
        # The first evaluation that can be solved has nothing to be compared with.
        step = (
            attribute(before, after, changes, same_metadata=last.snapshot.id == after.snapshot.id)
            if before.members
            else Attributed(())
        )
        if last.facts.status == "ok":
            return step
        mended = Cause(after.key.workload, "solvable", None, None, 0, 0, "distribution")
        return Attributed((*step.causes, mended), step.landed)

    def finish(self, configuration: Configuration, keys: Sequence[ImageKey]) -> Tracked:
        """Keeps the objectives, ends the run, and says what it came to."""
        recorder = self._history.recorder
        recorder.mark_gone(self._run, keys)
        after = self._history.latest_evaluations()
        described = {key: after[key].facts for key in keys if key in after}
        found = states(
            configuration.objectives.values(), described, self._names_of, datetime.now(UTC).date()
        )
        recorder.record_objectives(self._run, headings(configuration.objectives.values()), found)
        recorder.finish_run(
            self._run,
            images=self._total,
            solved=self._solved,
            moved=sum(1 for causes in self._causes.values() if causes),
            failed=tuple(self._failed),
        )
        return Tracked(
            self._run,
            tuple(
                TrackedImage(key, self._before.get(key), after[key], self._causes.get(key, ()))
                for key in keys
                if key in after and after[key].run == self._run
            ),
            judged(self._history, found),
            {o.id: o.name for o in configuration.objectives.values()},
            self._solved,
            tuple(self._failed),
            self._changes,
        )

    def _names_of(self, key: ImageKey) -> frozenset[str]:
        names = self._names.get(key)
        if names is None:
            contents: Contents = self._history.contents(key, links=False)
            names = self._names[key] = frozenset(m.nevra.name for m in contents.members)
        return names


def _silent(done: int, total: int) -> None:
    """The progress that nobody sees."""


def _is_there(change: MergedChange, key: ImageKey) -> bool:
    return any(e.key == key and e.landed_run is not None for e in change.effects)


@contextmanager
def _alone(history: History) -> Iterator[None]:
    """One run at a time; the store's own lock is free between its transactions."""
    import fcntl

    path = history.store.path.with_name("track.lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SurroundingsError(
                f"Another `minimize track` writes to {history.store.path} at this moment.",
                "Wait until it is done.",
            ) from error
        yield
