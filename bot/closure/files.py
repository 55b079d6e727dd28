"""Owners of paths in a snapshot, and paths of packages, from primary.xml or filelists.xml."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import solv

from bot.closure import filelists
from bot.closure.index import Index
from bot.closure.packages import files_in_primary
from bot.closure.solvcache import Loaded, MetadataFile, SnapshotCache

if TYPE_CHECKING:
    from bot.distro.snapshot import SnapshotRepository

_GLOB = re.compile(r"[*?\[]")


class FileOwners:
    """Answers who owns a path; answers from filelists.xml are cached beside the index."""

    def __init__(
        self,
        loaded: Loaded,
        repositories: Sequence[SnapshotRepository],
        file_of: MetadataFile,
        cache: SnapshotCache,
    ) -> None:
        self._loaded = loaded
        self._repositories = tuple(zip(loaded.repositories, repositories, strict=True))
        self._file_of = file_of
        self._cache = cache
        self._answers: dict[str, list[int]] | None = None

    def matcher(self, path: str) -> Callable[[str], bool]:
        """Return a test for one path, or for a glob of paths (`*` matches `/` too, as in dnf)."""
        if _GLOB.search(path):
            return lambda candidate: fnmatchcase(candidate, path)
        return lambda candidate: candidate == path

    def of(self, path: str) -> Sequence[int]:
        """Return the owners of a path, or of the paths that match a glob."""
        if _GLOB.search(path):
            flags = solv.Dataiterator.SEARCH_GLOB | solv.Dataiterator.SEARCH_FILES
            numbers = set(self._search(path, flags))
            matches = self.matcher(path)
            for _, ids in self._scan(lambda file: filelists.matching(file, matches)):
                numbers.update(ids)
            return sorted(numbers)
        return self.of_all([path]).get(path, ())

    def of_all(self, paths: Iterable[str]) -> Mapping[str, Sequence[int]]:
        """Return the owners of each path."""
        flags = solv.Dataiterator.SEARCH_STRING | solv.Dataiterator.SEARCH_FILES
        owners: dict[str, Sequence[int]] = {}
        unknown = []
        for path in paths:
            if filelists.in_primary(path):
                owners[path] = sorted(set(self._search(path, flags)))
            else:
                unknown.append(path)
        if unknown:
            owners.update(self._remembered(unknown))
        return owners

    def below(self, directories: Sequence[str]) -> Sequence[int]:
        """Return the packages that own a file below one of `directories`; cached on disk."""
        place = self._loaded.index_path.with_suffix(".below.json")
        key = " ".join(directories)
        try:
            cached = {
                str(k): [int(n) for n in v] for k, v in json.loads(place.read_bytes()).items()
            }
        except (OSError, ValueError, AttributeError, TypeError):
            cached = {}
        if key not in cached:
            owners: set[int] = set()
            for repo, repository in self._repositories:
                file = self._file_of(repository, "filelists")
                checksums = filelists.owners_below(file, directories) if file is not None else []
                numbers = _by_checksum(repo) if checksums else {}
                owners.update(numbers[c] for c in checksums if c in numbers)
            cached[key] = sorted(owners)
            self._cache.write(place, json.dumps(cached, sort_keys=True).encode())
        return cached[key]

    def contents(self, numbers: Iterable[int]) -> Mapping[int, tuple[str, ...]]:
        """Return all paths of published packages, sorted, from filelists.xml.

        For a repository without filelists.xml they are those in its primary.xml.
        """
        paths_of: dict[int, set[str]] = {}
        by_repo: dict[int, list[tuple[int, str]]] = {}
        for number in numbers:
            solvable = self._loaded.pool.id2solvable(number)
            paths_of[number] = set(files_in_primary(solvable))
            checksum = solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM)
            if checksum is not None:
                by_repo.setdefault(solvable.repo.id, []).append((number, checksum.hex()))
        for repo, repository in self._repositories:
            packages = by_repo.get(repo.id, ())
            file = self._file_of(repository, "filelists") if packages else None
            if file is None:
                continue
            listed = filelists.files_of(file, {checksum for _, checksum in packages})
            for number, checksum in packages:
                paths_of[number].update(listed.get(checksum, ()))
        return {number: tuple(sorted(paths)) for number, paths in paths_of.items()}

    def complete(self, index: Index) -> Index:
        """Return the index with the owners of its unread paths; cached on disk."""
        owners = dict(self._scan(lambda file: filelists.owners(file, index.unread)))
        self._loaded.index = index.with_files(owners)
        self._cache.store(self._loaded)
        return self._loaded.index

    def _search(self, path: str, flags: int) -> Iterable[int]:
        for match in self._loaded.pool.Dataiterator(solv.SOLVABLE_FILELIST, path, flags):
            yield match.solvid

    def _remembered(self, paths: Sequence[str]) -> dict[str, list[int]]:
        place = self._loaded.index_path.with_suffix(".paths.json")
        if self._answers is None:
            try:
                self._answers = {str(k): list(v) for k, v in json.loads(place.read_bytes()).items()}
            except (OSError, ValueError, AttributeError, TypeError):
                self._answers = {}
        unknown = [path for path in paths if path not in self._answers]
        if unknown:
            owners = dict(self._scan(lambda file: filelists.owners(file, unknown)))
            self._answers.update({path: owners.get(path, []) for path in unknown})
            self._cache.write(place, json.dumps(self._answers, sort_keys=True).encode())
        return {path: self._answers[path] for path in paths}

    def _scan(
        self, ask: Callable[[Any], Mapping[str, Sequence[str]]]
    ) -> Iterable[tuple[str, list[int]]]:
        """Search every repository's filelists.xml; return paths with their owners' numbers."""
        owners: dict[str, list[int]] = {}
        for repo, repository in self._repositories:
            file = self._file_of(repository, "filelists")
            answers = ask(file) if file is not None else {}
            if answers:
                numbers = _by_checksum(repo)
                for path, checksums in answers.items():
                    ids = [numbers[c] for c in checksums if c in numbers]
                    owners.setdefault(path, []).extend(ids)
        return [(path, sorted(set(ids))) for path, ids in sorted(owners.items())]


def _by_checksum(repo: Any) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for solvable in repo.solvables:
        checksum = solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM)
        if checksum is not None:
            numbers[checksum.hex()] = solvable.id
    return numbers
