"""Evaluating images: what did not change is not solved again, the rest by several processes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import as_completed as finished
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field

from bot.closure import Pool, open_pool, totals
from bot.distro import Cache, Configuration, Snapshot, image_request, open_snapshot
from bot.errors import MinimizeError, SurroundingsError
from bot.model import Closure, ImageKey, ImageRequest, SnapshotState
from bot.store.history import WEAK, ClosureFacts, Evaluated, Link, Member

# Rises when the same inputs may come to another answer.
FORMAT = 1
_CHUNK = 64
# Below this many images other processes cost more than they bring.
_ALONE = 24
_METADATA = ("primary", "filelists", "group", "modules")


@dataclass(frozen=True, slots=True)
class Known:
    """What history knows of each image: what its last answer hung on, and that closure's digest."""

    inputs: Mapping[ImageKey, str] = field(default_factory=dict)
    digests: Mapping[ImageKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """An image whose answer is that of the last time; `solved` if that took solving to know."""

    key: ImageKey
    snapshot: SnapshotState
    inputs: str
    solved: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Images that could not be evaluated, since something around us failed."""

    keys: tuple[ImageKey, ...]
    error: MinimizeError


Outcome = Evaluated | Unchanged | Failed
Place = tuple[str, str]
_Work = list[tuple[ImageRequest, str, str | None]]


def evaluate(
    configuration: Configuration,
    keys: Sequence[ImageKey],
    cache: Cache,
    known: Known | None = None,
    *,
    processes: int | None = None,
    offline: bool = False,
    max_age: float = 0.0,
) -> Iterator[Sequence[Outcome]]:
    """The images' closures now, some at a time in no order.

    A repository that cannot be had fails the images on it, and no others.
    """
    known = known or Known()
    waiting: list[tuple[Snapshot, _Work]] = []
    for found in _snapshots(configuration, keys, cache, offline=offline, max_age=max_age):
        of_place, snapshot = found
        if isinstance(snapshot, MinimizeError):
            yield [Failed(of_place, snapshot)]
            continue
        base = _metadata_inputs(snapshot)
        unchanged: list[Outcome] = []
        work: _Work = []
        for key in of_place:
            request = image_request(configuration, key)
            inputs = _inputs(base, request)
            if known.inputs.get(key) == inputs and key in known.digests:
                unchanged.append(Unchanged(key, snapshot.state, inputs))
            else:
                work.append((request, inputs, known.digests.get(key)))
        if unchanged:
            yield unchanged
        waiting += [(snapshot, work[i : i + _CHUNK]) for i in range(0, len(work), _CHUNK)]
    yield from _solved(waiting, cache, processes)


def _snapshots(
    configuration: Configuration,
    keys: Sequence[ImageKey],
    cache: Cache,
    *,
    offline: bool,
    max_age: float,
) -> Iterator[tuple[tuple[ImageKey, ...], Snapshot | MinimizeError]]:
    """The snapshot of each repository document and architecture, opened together."""
    places: dict[Place, list[ImageKey]] = {}
    for key in keys:
        places.setdefault((key.repository, key.arch), []).append(key)

    def opened(place: Place) -> Snapshot | MinimizeError:
        document = configuration.repositories[place[0]]
        try:
            return open_snapshot(document, place[1], cache, offline=offline, max_age=max_age)
        except SurroundingsError as error:
            return error

    with ThreadPoolExecutor(8) as threads:
        for place, snapshot in zip(places, threads.map(opened, places), strict=True):
            yield tuple(places[place]), snapshot


def _metadata_inputs(snapshot: Snapshot) -> str:
    """Everything of a snapshot that solving reads."""
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


def _inputs(metadata: str, request: ImageRequest) -> str:
    facts = [
        metadata,
        request.requests,
        request.groups,
        request.weak,
        [asdict(placeholder) for placeholder in request.placeholders],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _solved(
    waiting: list[tuple[Snapshot, _Work]], cache: Cache, processes: int | None
) -> Iterator[Sequence[Outcome]]:
    processes = processes or len(os.sched_getaffinity(0))
    if processes < 2 or sum(len(work) for _, work in waiting) < _ALONE:
        pools: dict[Place, Pool] = {}
        for snapshot, work in waiting:
            yield _solve_all(snapshot, work, cache, pools)
        return
    # Not forked: threads and warm pools do not survive it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        yield from _spread(executor, waiting, cache)


def _spread(
    executor: Executor, waiting: list[tuple[Snapshot, _Work]], cache: Cache
) -> Iterator[Sequence[Outcome]]:
    # Interleaved, so that the processes do not wait for each other to parse the same metadata.
    places = list(dict.fromkeys((s.document.id, s.arch) for s, _ in waiting))
    ranked: dict[Place, int] = dict.fromkeys(places, 0)
    order = []
    for snapshot, work in waiting:
        place = (snapshot.document.id, snapshot.arch)
        order.append((ranked[place], places.index(place), snapshot, work))
        ranked[place] += 1
    order.sort(key=lambda item: item[:2])
    futures: dict[Future[list[Outcome]], _Work] = {
        executor.submit(_solve_there, snapshot, work, cache): work for _, _, snapshot, work in order
    }
    for future in finished(futures):
        try:
            yield future.result()
        except BrokenProcessPool as error:
            raise SurroundingsError(
                "A process that solves images was killed.",
                "It may have run out of memory: look at the machine's log.",
            ) from error


_POOLS: dict[Place, Pool] = {}


def _solve_there(snapshot: Snapshot, work: _Work, cache: Cache) -> list[Outcome]:
    """In a process of its own, whose pools stay warm until it ends."""
    return _solve_all(snapshot, work, cache, _POOLS)


def _solve_all(
    snapshot: Snapshot, work: _Work, cache: Cache, pools: dict[Place, Pool]
) -> list[Outcome]:
    place = (snapshot.document.id, snapshot.arch)
    try:
        pool = pools.get(place)
        if pool is None or pool.snapshot.id != snapshot.id:
            pool = pools[place] = open_pool(snapshot, cache)
        return [_solve(pool.solve, *one) for one in work]
    except SurroundingsError as error:
        return [Failed(tuple(r.key for r, _, _ in work), SurroundingsError(error.what, error.hint))]


def _solve(
    solve: Callable[[ImageRequest], Closure], request: ImageRequest, inputs: str, digest: str | None
) -> Outcome:
    found = evaluated(solve(request), request, inputs)
    if found.digest == digest:
        return Unchanged(found.key, found.snapshot, inputs, solved=True)
    return found


def evaluated(closure: Closure, request: ImageRequest, inputs: str = "") -> Evaluated:
    """A closure as history keeps it."""
    members = tuple(
        sorted(
            Member(
                p.nevra,
                p.source,
                p.repository,
                p.installed_size,
                p.installed_size_nodocs,
                p.download_size,
                p.nevra in closure.requested,
            )
            for p in closure.packages
        )
    )
    places = {member.nevra: index for index, member in enumerate(members)}
    links = tuple(
        sorted(
            Link(places[e.source], e.capability, places[e.target], e.kind) for e in closure.edges
        )
    )
    requests = (
        *request.requests,
        *(f"@{group}" for group in request.groups),
        *([WEAK] if request.weak else []),
    )
    return Evaluated(
        request.key,
        closure.snapshot,
        inputs,
        _digest((closure.status, closure.problems, closure.missing, requests, members, links)),
        _facts(closure),
        requests,
        request.weak,
        members,
        links,
    )


def _facts(closure: Closure) -> ClosureFacts:
    if closure.status != "ok":
        return ClosureFacts(
            "unsolvable", None, None, None, problems=closure.problems, missing=closure.missing
        )
    sums = totals(closure)
    return ClosureFacts(
        "ok",
        sums.packages,
        sums.installed_size,
        sums.known_size,
        sums.installed_size_nodocs,
        sums.download_size,
    )


def _digest(facts: Iterable[object]) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
