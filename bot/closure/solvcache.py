"""Snapshots as .solv files: parsed once, written atomically, loaded quickly.

A repository's .solv is named by the checksum of its primary.xml, this module's FORMAT and the
version of libsolv; it has only what solving and results need. The index of a whole snapshot
(`index.py`) is stored beside it. A file that cannot be read is made again.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import solv

from bot.closure import index as indexes
from bot.closure.index import Index
from bot.closure.packages import HEADER_START
from bot.errors import SurroundingsError

if TYPE_CHECKING:
    from bot.distro.cache import Cache
    from bot.distro.snapshot import Snapshot, SnapshotRepository

FORMAT = 4
MetadataFile = Callable[["SnapshotRepository", str], Path | None]
"""Fetches a file by type, verified and decompressed; None where the repository has none."""


@dataclass(slots=True)
class Loaded:
    """A pool with a snapshot's packages; `index_path` is where its index is cached."""

    pool: Any
    repositories: tuple[Any, ...]
    index: Index
    index_path: Path
    _sources: bytes | None = None

    def of_source(self, source: str) -> tuple[int, ...]:
        """Return the packages of a source package, including source packages."""
        if self._sources is None:
            try:
                self._sources = _sources_path(self.index_path).read_bytes()
            except OSError:
                self._sources = b""
            body = self._sources[:-_SEAL_SIZE]
            if self._sources != _sealed(body):
                survey = (
                    (indexes.source_of(s), s.id) for r in self.repositories for s in r.solvables
                )
                self._sources = _written(survey)
        # Searched, not parsed: a command needs one or two of tens of thousands.
        start = self._sources.find(f"\n{source}\t".encode())
        if start < 0:
            return ()
        line = self._sources[start + 1 : self._sources.index(b"\n", start + 1)]
        return tuple(map(int, line.split(b"\t")[1].split()))


class SnapshotCache:
    """The .solv files and indexes of a cache directory."""

    def __init__(self, cache: Cache, file_of: MetadataFile) -> None:
        self._cache = cache
        self._file_of = file_of

    def load(self, snapshot: Snapshot) -> Loaded:
        """Return a pool with the packages of the snapshot, without file provides or layers.

        Raises SurroundingsError where a repository's metadata cannot be read.
        """
        path = self._index_path(snapshot)
        index = _read_index(path)
        if index is not None:
            for used in (path, _sources_path(path)):
                self._cache.mark_used(used)
            loaded = self._load_all(snapshot, index)
            if loaded is not None:
                return Loaded(*loaded, index, path)
        from bot.closure.excluded import excluded_packages

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
                pool, counts, lambda: excluded_packages(pool, snapshot, self._file_of)
            )
            self._cache.write(_sources_path(path), _written(sources))
            self._cache.write(path, indexes.to_json(index))
        # Loaded again, so that the first run has the same pool as every later one.
        loaded = self._load_all(snapshot, index)
        if loaded is None:
            raise SurroundingsError(f"The cache below {path.parent} changed while it was read.")
        return Loaded(*loaded, index, path)

    def store(self, loaded: Loaded) -> None:
        """Store the index of a loaded snapshot after an addition."""
        self._cache.write(loaded.index_path, indexes.to_json(loaded.index))

    def write(self, path: Path, content: bytes) -> None:
        """Write a file of the cache atomically."""
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
                    list(repository.include),
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
        self, snapshot: Snapshot, index: Index | None
    ) -> tuple[Any, tuple[Any, ...]] | None:
        pool = new_pool(snapshot.arch)
        if index is not None:
            _spread(pool, index)
        repos = []
        for repository in snapshot.repositories:
            repo = self._load_one(pool, repository)
            if repo is None:
                return None
            # In libsolv the higher number wins.
            repo.priority = -repository.priority
            repos.append(repo)
        if index is not None and index.counts != tuple(repo.nsolvables for repo in repos):
            return None
        return pool, tuple(repos)

    def _load_one(self, pool: Any, repository: SnapshotRepository) -> Any | None:
        """Load a repository into the pool; None where its .solv is missing or damaged."""
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
        for used in (path, path.with_suffix(".crc")):
            self._cache.mark_used(used)
        try:
            return repo if repo.add_solv(file, 0) else None
        finally:
            file.close()

    def _parse(self, snapshot: Snapshot, repository: SnapshotRepository) -> None:
        """Write the .solv of a repository from its primary.xml."""
        path = self._solv_path(repository)
        primary = self._file_of(repository, "primary")
        if path is None or primary is None:
            return
        import logging  # a command with a warm cache does without

        logging.getLogger(__name__).debug("Reading the packages of %s", repository.id)
        pool = new_pool(snapshot.arch)
        repo = pool.add_repo(repository.id)
        if not read_primary(primary, pool, repo):
            raise SurroundingsError(
                f"The repository {repository.id} has a primary.xml that is not rpm-md: "
                f"{pool.errstr}.",
                "Its mirror may be broken: try another, or later.",
            )
        with self._cache.replacing(path) as temporary:
            file = solv.xfopen(str(temporary), "w")
            written = file is not None and repo.write(file)
            # Buffered: only a successful close means that all is on disk.
            if not written or file.close() is False:
                raise SurroundingsError(
                    f"The cache cannot be written: {path}.",
                    "Free some space, or name another directory with --cache.",
                )
            seal = _seal(temporary)
        self._cache.write(path.with_suffix(".crc"), seal.encode())


_SEAL_SIZE = 10


def _sealed(body: bytes) -> bytes:
    return body + b"\n%08x\n" % zlib.crc32(body)


def _sources_path(index_path: Path) -> Path:
    """Return the path of the cached packages by source package, which few commands need."""
    return index_path.with_suffix(".sources")


def _written(sources: Iterable[tuple[str, int]]) -> bytes:
    """Return lines of a source package and its packages, with a checksum at the end."""
    packages: dict[str, list[str]] = {}
    for source, number in sources:
        packages.setdefault(source, []).append(str(number))
    lines = "".join(f"\n{source}\t{' '.join(ids)}" for source, ids in sorted(packages.items()))
    return _sealed(lines.encode())


def _spread(pool: Any, index: Index) -> None:
    """Spread the ids of versions that very many provides have.

    libsolv hashes `name = version` by the sum of their ids (RELHASH), and names that come together
    have consecutive ids. The provides of TeX's packages, tens of thousands in each of a few
    versions, would collide, and most of the loading time would go into probing for free slots.
    """
    for version, names in index.crowded.items():
        pool.str2id(version)
        for number in range(names // 4):
            pool.str2id(f"{version}~{number}")


def _read_index(path: Path) -> Index | None:
    try:
        return indexes.from_json(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _seal(path: Path) -> str:
    """Return size and checksum of a file: libsolv trusts what it loads."""
    content = path.read_bytes()
    return f"{len(content)} {zlib.crc32(content):08x}"


def _libsolv() -> str:
    """Return the version of the libsolv wheel, from the name of its metadata directory."""
    site = Path(solv.__file__).parent.parent
    for path in sorted(site.glob("solv-*.dist-info")):
        return path.name.removeprefix("solv-").removesuffix(".dist-info")
    return "unknown"


# The text of an element has no `<`: XML forbids it.
_UNUSED = re.compile(
    rb"<(?:summary|description|packager|url|rpm:(?:license|vendor|group|buildhost))"
    rb"(?:/>| [^>]*/>|>[^<]*</[^>]*>)|<time [^>]*/>"
)
_HEADER_RANGE = re.compile(rb'<rpm:header-range start="(\d+)"')
_CHUNK = 4 << 20


def read_primary(primary: Path, pool: Any, repo: Any) -> bool:
    """Read a decompressed primary.xml into `repo`; return False where it is not rpm-md."""
    with tempfile.TemporaryFile() as stripped:
        starts = _strip(primary, stripped)
        stripped.seek(0)
        file = solv.xfopen_fd("primary.xml", stripped.fileno())  # libsolv duplicates it
        try:
            parsed = repo.add_rpmmd(file, None, 0)
        finally:
            file.close()
    if parsed:
        _note_header_starts(pool, repo, starts)
    return bool(parsed)


def _strip(primary: Path, stripped: Any) -> list[int]:
    """Copy primary.xml without unused elements; return the start of each package's header."""
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
            # Numbers beyond 64 bits would not fit into libsolv's either.
            header_starts = _HEADER_RANGE.findall(whole)
            starts.extend(int(start) if len(start) < 19 else 0 for start in header_starts)
            stripped.write(_UNUSED.sub(b"", whole))
    stripped.write(rest)
    stripped.flush()
    return starts


def _note_header_starts(pool: Any, repo: Any, starts: list[int]) -> None:
    if len(starts) != repo.nsolvables:
        return  # a package has none: unknown is better than another package's
    key = pool.str2id(HEADER_START)
    data = repo.first_repodata()
    for solvable, start in zip(repo.solvables, starts, strict=True):
        data.set_num(solvable.id, key, start)
    repo.internalize()


def new_pool(arch: str) -> Any:
    """Return an empty pool, set up as by libdnf (dnf_sack_init, dnf_sack_set_arch)."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch(arch)
    # Excluded packages stay in the provides, so that excluding does not need a new index.
    pool.set_flag(solv.Pool.POOL_FLAG_WHATPROVIDESWITHDISABLED, 1)
    # libsolv's default on Fedora: i686 packages may stand beside their x86_64 ones.
    pool.set_flag(solv.Pool.POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1)
    pool.installed = pool.add_repo("@System")
    # Called while empty, so that libsolv takes the owners of paths from us, without a search.
    pool.addfileprovides()
    return pool


def new_solver(pool: Any) -> Any:
    """Return a solver, set up as by libdnf for packages and module streams alike."""
    solver = pool.Solver()
    for flag in (
        solver.SOLVER_FLAG_ALLOW_VENDORCHANGE,
        solver.SOLVER_FLAG_KEEP_ORPHANS,
        solver.SOLVER_FLAG_BEST_OBEY_POLICY,
        solver.SOLVER_FLAG_YUM_OBSOLETES,
        solver.SOLVER_FLAG_ALLOW_DOWNGRADE,
    ):
        solver.set_flag(flag, 1)
    return solver
