"""Snapshots as .solv files: parsed once, written atomically, loaded in a fraction of the time.

A repository's .solv is named by the checksum of its primary.xml, this module's FORMAT and the
version of libsolv; it holds only what solving and results need. The index of a whole snapshot
(`index.py`) lies beside. What cannot be read, for whatever reason, is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import solv

from bot.closure import index as indexes
from bot.closure.index import Index
from bot.errors import SurroundingsError

if TYPE_CHECKING:
    from bot.distro import Cache
    from bot.distro.snapshot import Snapshot, SnapshotRepository

FORMAT = 1
HEADER_START = "minimize:headerstart"
# What neither the solver nor a result needs; the text of an element has no `<`, XML forbids it.
_UNUSED = re.compile(
    rb"<(?:summary|description|packager|url|rpm:(?:license|vendor|group|buildhost))"
    rb"(?:/>| [^>]*/>|>[^<]*</[^>]*>)|<time [^>]*/>"
)
_HEADER_RANGE = re.compile(rb'<rpm:header-range start="(\d+)"')
_CHUNK = 4 << 20
MetadataFile = Callable[["SnapshotRepository", str], Path | None]
"""Fetches a file by type, verified and decompressed; null where the repository has none."""
Excluded = Callable[[Any, "Snapshot", MetadataFile], tuple[int, ...]]
"""The packages of a loaded pool that excludes and modular filtering take away."""


@dataclass(slots=True)
class Loaded:
    """A pool with a snapshot's packages; `index_path` is where its index is kept."""

    pool: Any
    repositories: tuple[Any, ...]
    index: Index
    index_path: Path

    def sources(self) -> dict[str, list[int]]:
        """The packages of each source package, by the source's name."""
        try:
            sources: dict[str, list[int]] = json.loads(sources_path(self.index_path).read_bytes())
        except (OSError, ValueError):
            sources = {}
            for repo in self.repositories:
                for solvable in repo.solvables:
                    sources.setdefault(indexes.source_name(solvable), []).append(solvable.id)
        return sources


class SnapshotCache:
    """The .solv files and indexes of a cache directory."""

    def __init__(self, cache: Cache, file_of: MetadataFile, excluded: Excluded) -> None:
        self._cache = cache
        self._file_of = file_of
        self._excluded = excluded

    def load(self, snapshot: Snapshot) -> Loaded:
        """A pool with the packages of the snapshot, not yet with file provides or an order.

        Raises SurroundingsError where a repository's metadata cannot be read.
        """
        path = self._index_path(snapshot)
        index = _read_index(path)
        if index is not None:
            loaded = self._load_all(snapshot, index.counts)
            if loaded is not None:
                return Loaded(*loaded, index, path)
        with self._cache.lock(path.stem):
            for repository in snapshot.repositories:
                if self._load_one(new_pool(snapshot.arch), repository) is None:
                    self._parse(snapshot, repository)
            loaded = self._load_all(snapshot, None)
            if loaded is None:
                raise SurroundingsError(
                    f"The cache below {path.parent} cannot be read back.",
                    "Delete it, or name another directory with --cache.",
                )
            counts = tuple(repo.nsolvables for repo in loaded[1])
            pool = loaded[0]
            index, sources = indexes.derive(
                pool, counts, lambda: self._excluded(pool, snapshot, self._file_of)
            )
            self._cache.write(sources_path(path), json.dumps(sources).encode())
            self._cache.write(path, indexes.to_json(index))
        # Loaded again: the first run's pool is the same as every later one's.
        loaded = self._load_all(snapshot, counts)
        if loaded is None:
            raise SurroundingsError(f"The cache below {path.parent} changed while it was read.")
        return Loaded(*loaded, index, path)

    def store(self, loaded: Loaded) -> None:
        """Keeps the index of a loaded snapshot, after something was added to it."""
        self._cache.write(loaded.index_path, indexes.to_json(loaded.index))

    def write(self, path: Path, content: bytes) -> None:
        """Puts a file into the cache, at once."""
        self._cache.write(path, content)

    def _index_path(self, snapshot: Snapshot) -> Path:
        key = hashlib.sha256()
        document = snapshot.document
        facts: list[object] = [FORMAT, _libsolv(), snapshot.arch]
        facts += [list(document.modules), document.module_platform]
        for repository in snapshot.repositories:
            records = [repository.record(t) for t in ("primary", "filelists", "modules")]
            facts.append(
                [
                    [record.checksum if record else None for record in records],
                    list(repository.exclude),
                    repository.module_hotfixes,
                ]
            )
        key.update(json.dumps(facts).encode())
        return self._cache.root / "solv" / f"{key.hexdigest()[:40]}.json"

    def _solv_path(self, repository: SnapshotRepository) -> Path | None:
        record = repository.record("primary")
        if record is None:
            return None
        name = f"{record.checksum}-{FORMAT}-{_libsolv()}.solv"
        return self._cache.root / "solv" / name

    def _load_all(
        self, snapshot: Snapshot, counts: tuple[int, ...] | None
    ) -> tuple[Any, tuple[Any, ...]] | None:
        pool = new_pool(snapshot.arch)
        repos = []
        for repository in snapshot.repositories:
            repo = self._load_one(pool, repository)
            if repo is None:
                return None
            # libsolv: the higher wins.
            repo.priority = -repository.priority
            repos.append(repo)
        if counts is not None and counts != tuple(repo.nsolvables for repo in repos):
            return None
        return pool, tuple(repos)

    def _load_one(self, pool: Any, repository: SnapshotRepository) -> Any | None:
        """The repository in the pool; null where its .solv is missing or damaged."""
        repo = pool.add_repo(repository.id)
        path = self._solv_path(repository)
        if path is None:
            return repo
        try:
            seal = path.with_suffix(".crc").read_text()
            if seal != _seal(path):
                return None
        except OSError:
            return None
        file = solv.xfopen(str(path))
        if file is None:
            return None
        try:
            return repo if repo.add_solv(file, 0) else None
        finally:
            file.close()

    def _parse(self, snapshot: Snapshot, repository: SnapshotRepository) -> None:
        """Writes the .solv of a repository from its primary.xml."""
        path = self._solv_path(repository)
        primary = self._file_of(repository, "primary")
        if path is None or primary is None:
            return
        pool = new_pool(snapshot.arch)
        repo = pool.add_repo(repository.id)
        with tempfile.TemporaryFile() as stripped:
            starts = _strip(primary, stripped)
            stripped.seek(0)
            file = solv.xfopen_fd("primary.xml", os.dup(stripped.fileno()))
            try:
                parsed = repo.add_rpmmd(file, None, 0)
            finally:
                file.close()
        if not parsed:
            raise SurroundingsError(
                f"The repository {repository.id} has a primary.xml that is not rpm-md: "
                f"{pool.errstr}.",
                "Its mirror may be broken: try another, or later.",
            )
        _note_header_starts(pool, repo, starts)
        with self._cache.replacing(path) as temporary:
            file = solv.xfopen(str(temporary), "w")
            written = file is not None and repo.write(file)
            # Buffered: only a close that succeeds says that all is on the disk.
            if not written or file.close() is False:
                raise SurroundingsError(
                    f"The cache cannot be written: {path}.",
                    "Free some space, or name another directory with --cache.",
                )
            seal = _seal(temporary)
        self._cache.write(path.with_suffix(".crc"), seal.encode())


def sources_path(index_path: Path) -> Path:
    """Where the packages of each source package are kept: only few commands need them."""
    return index_path.with_suffix(".sources.json")


def new_pool(arch: str) -> Any:
    """An empty pool, set up as libdnf does it (dnf_sack_init, dnf_sack_set_arch)."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch(arch)
    # Excluded packages stay in the provides, so that excluding needs no new index of them.
    pool.set_flag(solv.Pool.POOL_FLAG_WHATPROVIDESWITHDISABLED, 1)
    # libsolv's default on Fedora: i686 packages may stand beside their x86_64 ones.
    pool.set_flag(solv.Pool.POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1)
    pool.installed = pool.add_repo("@System")
    # Nothing to add yet: it tells libsolv that whoever owns a path will be said, not searched for.
    pool.addfileprovides()
    return pool


def _strip(primary: Path, stripped: Any) -> list[int]:
    """Copies primary.xml without what is not used; the start of each package's header."""
    starts: list[int] = []
    rest = b""
    with primary.open("rb") as file:
        while chunk := file.read(_CHUNK):
            data = rest + chunk
            end = data.rfind(b"</package>")
            if end < 0:
                rest = data
                continue
            whole, rest = data[:end], data[end:]
            starts.extend(int(start) for start in _HEADER_RANGE.findall(whole))
            stripped.write(_UNUSED.sub(b"", whole))
    stripped.write(rest)
    stripped.flush()
    return starts


def _note_header_starts(pool: Any, repo: Any, starts: list[int]) -> None:
    """libsolv keeps where a header ends; where it starts is noted beside."""
    if len(starts) != repo.nsolvables:
        return  # Some package has none: better not known than another package's.
    key = pool.str2id(HEADER_START)
    data = repo.first_repodata()
    for solvable, start in zip(repo.solvables, starts, strict=True):
        data.set_num(solvable.id, key, start)
    repo.internalize()


def _read_index(path: Path) -> Index | None:
    try:
        return indexes.from_json(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _seal(path: Path) -> str:
    """Size and checksum of a file: libsolv trusts what it loads."""
    content = path.read_bytes()
    return f"{len(content)} {zlib.crc32(content):08x}"


def _libsolv() -> str:
    """The version of the libsolv wheel, read from the name of its metadata directory."""
    site = Path(solv.__file__).parent.parent
    for path in sorted(site.glob("solv-*.dist-info")):
        return path.name.removeprefix("solv-").removesuffix(".dist-info")
    return "unknown"
