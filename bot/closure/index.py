"""An index that is derived once from a snapshot's packages and stored beside the .solv files.

Package numbers are libsolv's solvable ids: they are the same whenever the same .solv files are
loaded in the same order into an empty pool.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import solv

from bot.closure.filelists import in_primary
from bot.model.capability import names_in, split_capability
from bot.model.nevra import source_name

DEPENDENCY_KEYS = (
    solv.SOLVABLE_REQUIRES,
    solv.SOLVABLE_CONFLICTS,
    solv.SOLVABLE_OBSOLETES,
    solv.SOLVABLE_RECOMMENDS,
    solv.SOLVABLE_SUGGESTS,
    solv.SOLVABLE_SUPPLEMENTS,
    solv.SOLVABLE_ENHANCES,
)

CROWD = 4_000


@dataclass(frozen=True, slots=True)
class Index:
    """Facts about a loaded snapshot.

    `counts`: packages of each repository, in order. `files`: the owners of every path that a
    dependency names. `unread`: those of these paths that only filelists.xml has, until it is read,
    and `seekers` the packages with a dependency on one. `obsoletes`: a name, and the packages that
    obsolete something of that name. `excluded`: packages hidden by an exclude or by modular
    filtering. `crowded`: versions that more than CROWD provides have, with their number.
    """

    counts: tuple[int, ...]
    files: Mapping[str, Sequence[int]]
    unread: Sequence[str]
    seekers: Sequence[int]
    obsoletes: Mapping[str, Sequence[int]]
    excluded: tuple[int, ...]
    crowded: Mapping[str, int]

    def with_files(self, owners: Mapping[str, Iterable[int]]) -> Index:
        """Return the index with owners of paths from filelists.xml; no path is unread then."""
        files = {p: tuple(sorted({*ids, *owners.get(p, ())})) for p, ids in self.files.items()}
        return replace(self, files=files, unread=(), seekers=())


def to_json(index: Index) -> bytes:
    """Return the index as JSON."""
    return json.dumps(asdict(index), separators=(",", ":"), sort_keys=True).encode()


def from_json(content: bytes) -> Index:
    """Return the index in `content`; ValueError, KeyError or TypeError if it is something else."""
    plain = json.loads(content)
    return Index(
        counts=tuple(plain["counts"]),
        files=plain["files"],
        unread=tuple(plain["unread"]),
        seekers=tuple(plain["seekers"]),
        obsoletes=plain["obsoletes"],
        excluded=tuple(plain["excluded"]),
        crowded={str(version): int(names) for version, names in plain["crowded"].items()},
    )


def derive(
    pool: Any, counts: tuple[int, ...], excluded: Callable[[], tuple[int, ...]]
) -> tuple[Index, list[tuple[str, int]]]:
    """Return the index of a freshly loaded pool, and each package with its source.

    `pool` must not be used afterwards: it has file provides of its own then.
    """
    # Without ADDFILEPROVIDESFILTERED this returns every path in a dependency, and looks for its
    # owners in the file lists that primary.xml has.
    dependency_paths = {pool.id2str(number): number for number in pool.addfileprovides_queue()}
    pool.createwhatprovides()
    files = {
        path: tuple(s.id for s in pool.whatprovides(number) if _owns(s, number))
        for path, number in sorted(dependency_paths.items())
    }
    unread = tuple(path for path in files if not in_primary(path))
    seekers, obsoletes, sources = _survey(pool, frozenset(unread))
    index = Index(counts, files, unread, seekers, obsoletes, excluded(), _crowded(pool))
    return index, sources


def _owns(solvable: Any, path: int) -> bool:
    """Return whether a package owns the path, and does not just provide it by a Provides."""
    return path not in solvable.lookup_idarray(solv.SOLVABLE_PROVIDES, -1)


def _survey(
    pool: Any, unread: frozenset[str]
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]], list[tuple[str, int]]]:
    seekers: list[int] = []
    obsoletes: dict[str, list[int]] = {}
    sources: list[tuple[str, int]] = []
    seeks: dict[int, bool] = {}
    for solvable in pool.solvables:
        number = solvable.id
        sources.append((source_of(solvable), number))
        for dependency in solvable.lookup_idarray(solv.SOLVABLE_OBSOLETES):
            for name in names_in(pool.dep2str(dependency)):
                obsoletes.setdefault(name, []).append(number)
        is_seeker = False
        for key in DEPENDENCY_KEYS if unread else ():
            for dependency in solvable.lookup_idarray(key, 0):
                if dependency not in seeks:
                    seeks[dependency] = not unread.isdisjoint(names_in(pool.dep2str(dependency)))
                is_seeker = is_seeker or seeks[dependency]
        if is_seeker:
            seekers.append(number)
    unique = {name: tuple(dict.fromkeys(ids)) for name, ids in obsoletes.items()}
    return tuple(seekers), unique, sources


def _crowded(pool: Any) -> dict[str, int]:
    """Return the versions that more than CROWD provides have, with their number."""
    provided = {d for s in pool.solvables for d in s.lookup_idarray(solv.SOLVABLE_PROVIDES, -1)}
    texts = (split_capability(pool.dep2str(d)) for d in provided if d < 0)
    versions = Counter(version for _, relation, version in texts if version and relation == "=")
    return {v: n for v, n in sorted(versions.items()) if n > CROWD}


def source_of(solvable: Any) -> str:
    """Return the name of a package's source package; its own name where the metadata has none."""
    return source_name(str(solvable.lookup_sourcepkg() or "")) or str(solvable.name)
