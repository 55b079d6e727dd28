"""The evaluation of images: unchanged ones are not solved again, the rest in several processes."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import as_completed as finished
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.images import image_request
from bot.distro.snapshot import Snapshot, open_snapshot
from bot.errors import MinimizeError, SurroundingsError
from bot.model.image import ImageKey, ImageRequest
from bot.objectives.solving import (
    LayerWish,
    Note,
    Solver,
    Task,
    image_selection,
    layer_wishes,
    surface_is_limited,
)
from bot.objectives.steps import Published
from bot.store.history.recording import UnchangedImage
from bot.store.history.values import EvaluatedImage

# To be raised when the same inputs may give another answer.
FORMAT = 4
_CHUNK = 64
# Of Linux's prctl(2).
_PR_SET_PDEATHSIG = 1
# With fewer images, starting other processes takes longer than it saves.
_ALONE = 24
_METADATA = ("primary", "filelists", "group", "modules", "updateinfo")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LastResults:
    """The inputs of each image's last evaluation, and the digest of its closure."""

    inputs: Mapping[ImageKey, str] = field(default_factory=dict)
    digests: Mapping[ImageKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measures:
    """Measurements beyond metadata and the layers that objectives limit.

    `layers`: every image's layer, which needs the packages themselves; `headers`: sizes without
    documentation also where packages' headers must be fetched.
    """

    layers: bool = False
    headers: bool = False


@dataclass(frozen=True, slots=True)
class FailedImages:
    """Images that could not be evaluated, because a repository or a cache failed."""

    keys: tuple[ImageKey, ...]
    error: MinimizeError


_Place = tuple[str, str]
_Waiting = list[tuple[Snapshot, list[Task]]]


# Function from the evaluation of a changed image, and one that finds the newest packages of a
# source, to the outcome.
Then = Callable[[EvaluatedImage, Published], T]


def itself(image: EvaluatedImage, _published: Published) -> EvaluatedImage:
    """Return the evaluation: the default outcome of a changed image."""
    return image


def evaluate(
    configuration: Configuration,
    keys: Sequence[ImageKey],
    cache: Cache,
    known: LastResults | None = None,
    *,
    then: Then[T],
    measures: Measures | None = None,
    processes: int | None = None,
    offline: bool = False,
    max_age: float = 0.0,
) -> Iterator[Sequence[T | UnchangedImage | FailedImages | Note]]:
    """Yield the outcomes of the images, some at a time, in no particular order.

    `then` makes the outcome of each changed image, in the process that solved it, to which it is
    pickled once. If a repository cannot be read, only the images on it fail.
    """
    known, measures = known or LastResults(), measures or Measures()
    wishes = layer_wishes(configuration, keys, every=measures.layers)
    waiting: _Waiting = []
    for place_keys, snapshot in _snapshots(
        configuration, keys, cache, offline=offline, max_age=max_age
    ):
        if isinstance(snapshot, MinimizeError):
            yield [FailedImages(place_keys, snapshot)]
            continue
        base = f"{_metadata_inputs(snapshot)} {measures.headers}"
        unchanged: list[T | UnchangedImage | FailedImages | Note] = []
        work: list[Task] = []
        for key in place_keys:
            request, wish = image_request(configuration, key), wishes.get(key)
            headers = measures.headers or surface_is_limited(configuration, key)
            inputs = _inputs(f"{base} {headers}", request, wish)
            if known.inputs.get(key) == inputs and key in known.digests:
                unchanged.append(UnchangedImage(key, snapshot.state, inputs))
            else:
                digest, selection = known.digests.get(key), image_selection(configuration, key)
                work.append(Task(request, inputs, digest, wish, selection, headers))
        if unchanged:
            yield unchanged
        waiting += [(snapshot, work[i : i + _CHUNK]) for i in range(0, len(work), _CHUNK)]
    yield from _solve_waiting(waiting, _Worker(cache, measures.headers, then), processes)


def _snapshots(
    configuration: Configuration,
    keys: Sequence[ImageKey],
    cache: Cache,
    *,
    offline: bool,
    max_age: float,
) -> Iterator[tuple[tuple[ImageKey, ...], Snapshot | MinimizeError]]:
    """Yield the snapshot of each repository document and architecture, open_place in parallel."""
    places: dict[_Place, list[ImageKey]] = {}
    for key in keys:
        places.setdefault((key.repository, key.arch), []).append(key)

    def open_place(place: _Place) -> Snapshot | MinimizeError:
        document = configuration.repositories[place[0]]
        try:
            return open_snapshot(document, place[1], cache, offline=offline, max_age=max_age)
        except SurroundingsError as error:
            return error

    with ThreadPoolExecutor(8) as threads:
        for place, snapshot in zip(places, threads.map(open_place, places), strict=True):
            yield tuple(places[place]), snapshot


def _metadata_inputs(snapshot: Snapshot) -> str:
    """Return the digest of a snapshot's inputs to solving."""
    document = snapshot.document
    facts: list[object] = [FORMAT, snapshot.arch, list(document.modules), document.module_platform]
    for repository in snapshot.repositories:
        records = [repository.record(type_) for type_ in _METADATA]
        facts.append(
            [
                repository.id,
                repository.priority,
                list(repository.exclude),
                repository.module_hotfixes,
                [record.checksum if record else None for record in records],
            ]
        )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _inputs(metadata: str, request: ImageRequest, wish: LayerWish | None) -> str:
    facts = [
        metadata,
        request.requests,
        request.groups,
        request.weak,
        [asdict(placeholder) for placeholder in request.placeholders],
        wish.facts() if wish is not None else None,
    ]
    if request.beneath is not None or request.excludes:
        # Only images of files have these.
        beneath = request.beneath
        facts += [request.excludes, request.removes, request.swaps]
        facts += [repr(beneath and (beneath.requests, beneath.groups, beneath.weak))]
        facts += [str(package.nevra) for package in (beneath.installed if beneath else ())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _solve_waiting(
    waiting: _Waiting, worker: _Worker[T], processes: int | None
) -> Iterator[list[T | UnchangedImage | FailedImages | Note]]:
    processes = processes or len(os.sched_getaffinity(0))
    if processes < 2 or sum(len(work) for _, work in waiting) < _ALONE:
        for snapshot, work in waiting:
            yield worker.solve_all(snapshot, work)
        return
    # Spawned, not forked: threads and warm pools do not survive a fork.
    with ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(worker, os.getpid()),
    ) as executor:
        yield from _spread(executor, waiting)


def _spread(executor: Executor, waiting: _Waiting) -> Iterator[list[Any]]:
    # Interleaved, so that the processes do not wait for each other to parse the same metadata.
    places = list(dict.fromkeys((s.document.id, s.arch) for s, _ in waiting))
    ranked: dict[_Place, int] = dict.fromkeys(places, 0)
    order = []
    for snapshot, work in waiting:
        place = (snapshot.document.id, snapshot.arch)
        order.append((ranked[place], places.index(place), snapshot, work))
        ranked[place] += 1
    order.sort(key=lambda item: item[:2])
    futures: list[Future[list[Any]]] = [
        executor.submit(_solve_in_worker, snapshot, work) for _, _, snapshot, work in order
    ]
    for future in finished(futures):
        try:
            yield future.result()
        except BrokenProcessPool as error:
            raise SurroundingsError(
                "A process that solves images was killed.",
                "It may have run out of memory: look at the machine's log.",
            ) from error


class _Worker(Generic[T]):
    """A solver of images in one process, whose pools stay loaded."""

    def __init__(self, cache: Cache, headers: bool, then: Then[T]) -> None:
        self._cache = cache
        self._headers = headers
        self._then = then
        self._solver: Solver | None = None

    def solve_all(
        self, snapshot: Snapshot, work: Sequence[Task]
    ) -> list[T | UnchangedImage | FailedImages | Note]:
        if self._solver is None:
            self._solver = Solver(self._cache, headers=self._headers)
        outcomes: list[T | UnchangedImage | FailedImages | Note] = []
        published = partial(self._solver.published, snapshot)
        try:
            for task in work:
                for result in self._solver.solve(snapshot, task):
                    outcome = (
                        self._then(result, published)
                        if isinstance(result, EvaluatedImage)
                        else result
                    )
                    outcomes.append(outcome)
        except SurroundingsError as error:
            # A plain error: not every kind can be sent between processes.
            plain = SurroundingsError(error.what, error.hint)
            return [FailedImages(tuple(task.request.key for task in work), plain)]
        return outcomes


_WORKERS: list[_Worker[Any]] = []


def _begin(worker: _Worker[Any], parent: int) -> None:
    """Set up a worker process that ends with its parent.

    Otherwise it would wait for work forever and keep its pools. Garbage collection is off: the
    process makes few cycles, and ends soon.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent has ended already
    gc.disable()
    _WORKERS.append(worker)


def _solve_in_worker(snapshot: Snapshot, work: Sequence[Task]) -> list[Any]:
    return _WORKERS[0].solve_all(snapshot, work)
