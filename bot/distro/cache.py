"""The cache directory: content-addressed, shared by processes, safe to delete at any time.

Its size is limited: the least recently used content is evicted first, never what a run uses. A
server also sweeps it by age and size: builds, logs, metadata, roots, unfinished files.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.errors import SurroundingsError, UsageError, write_hint
from bot.locks import LIMIT, free_lock, locked

DEFAULT_LIMIT = 20_000_000_000
LIMIT_VARIABLE = "MINIMIZE_CACHE_LIMIT"
# Kinds of content that grow with every package and can be fetched again: downloads, fragments.
KINDS = ("packages", "headers", "fragments", "listings", "partial")
# More of these, as globs: sources of packages, and Debian's packages for the demo.
_MORE_KINDS = ("sources/*", "debian/*/packages")
# Folders whose files are named by checksum, with a dot while they are written. Not those with
# whole trees (buildroots, rpm's roots, macros): their dot files belong to packages.
_ADDRESSED = (*KINDS, "metadata", "macro-files", "accounts", "dist", "nodocs")
# Folders for unfinished work only.
_UNFINISHED = ("partial", "packed", "scratch")
# A process that records no run (another release, a build) may still need what it just used.
_GRACE = 3600.0
_LOCK = "eviction"
_RUNS = "runs"
_OFTEN = 3600.0


class Cache:
    """A cache below `root`, which is created at the first write.

    Files appear whole or not at all: they are written beside their place and renamed.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Cache({str(self.root)!r})"

    def directory(self, name: str) -> Path:
        """The directory `name` below the root, created."""
        path = self.root / name
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(path, error) from error
        return path

    @contextmanager
    def lock(self, name: str, seconds: float = LIMIT) -> Iterator[None]:
        """Hold the lock `name` (a file name). Raises LockedError if it is held elsewhere for
        `seconds`."""
        path = self.lock_file(name)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(path, seconds=seconds))
            except OSError as error:
                raise self._unusable(path, error) from error
            yield

    def lock_file(self, name: str) -> Path:
        """The file of the lock `name`; its directory is created."""
        return self.directory("locks") / f"{name}.lock"

    def write(self, path: Path, content: bytes) -> None:
        """Write `content` to `path` below the root, atomically."""
        with self.replacing(path) as temporary:
            temporary.write_bytes(content)

    @contextmanager
    def replacing(self, path: Path) -> Iterator[Path]:
        """A new file to write; it replaces `path` if the block ends without an error."""
        temporary = self.temporary(path)
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            raise self._unusable(path, error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def temporary(self, path: Path) -> Path:
        """A new empty temporary file in the directory of `path`, which is created."""
        import tempfile

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
            # mkstemp's 0600 would exclude other users of a shared cache.
            os.fchmod(handle, 0o644)
            os.close(handle)
        except OSError as error:
            raise self._unusable(path, error) from error
        return Path(name)

    def addressed(self, kind: str, checksum: str, name: str = "") -> Path:
        """The path of the content `checksum`: `KIND/ab/abcdef...[-NAME]`; nothing is created."""
        suffix = f"-{name}" if name else ""
        return self.root / kind / checksum[:2] / f"{checksum}{suffix}"

    def mark_used(self, path: Path) -> None:
        """Record that the file `path` is used, unless that was recorded in the last half hour."""
        with suppress(OSError):  # owned by another user, or removed: the reader will see that
            if path.stat().st_mtime < time.time() - _GRACE / 2:
                os.utime(path)

    def _unusable(self, path: Path, error: OSError) -> SurroundingsError:
        return SurroundingsError(
            f"The cache cannot be written: {path}: {error.strerror or error}.",
            write_hint(error, "--cache"),
        )


@contextmanager
def in_use(cache: Cache) -> Iterator[None]:
    """Keep everything used within the context in the cache.

    Each use must be recorded (`os.utime`); packages and layer fragments do so.
    """
    with ExitStack() as run:
        with cache.lock(_LOCK):  # not during an eviction
            path = cache.temporary(cache.directory(_RUNS) / "run")
            run.enter_context(locked(path))
        run.callback(path.unlink, missing_ok=True)
        yield


@dataclass(frozen=True, slots=True)
class Evicted:
    """The bytes removed, and the bytes that remain."""

    removed: int
    remaining: int


def evict(
    cache: Cache,
    limit: int,
    *,
    kinds: Sequence[str] = KINDS,
    grace: float = _GRACE,
    now: Callable[[], float] = time.time,
) -> Evicted:
    """Remove the least recently used content until the `kinds` take at most `limit` bytes.

    Content used within `grace` seconds, or since the oldest running run began, stays even above the
    limit.
    """
    with cache.lock(_LOCK):
        before = min(_oldest_run(cache), now() - grace)
        contents = sorted(_contents(cache, kinds))
        total = sum(content.size for content in contents)
        removed = 0
        for content in contents:
            if total - removed <= limit or content.used >= before:
                break
            for path in content.paths:
                path.unlink(missing_ok=True)
            removed += content.size
    return Evicted(removed, total - removed)


def tidy(cache: Cache) -> None:
    """Evict, at most once an hour, until the whole cache is within MINIMIZE_CACHE_LIMIT (`20 GB`).

    Roots are counted but limited where they are made. What can be fetched again is removed; then
    apt's lists for the demo, and last the demo's distribution.
    """
    stamp = cache.directory("locks") / "tidied"
    with suppress(OSError):
        if time.time() - stamp.stat().st_mtime < _OFTEN:
            return
    limit = limit_wanted()
    stamp.touch()
    directories = [
        path for pattern in _MORE_KINDS for path in cache.root.glob(pattern) if path.is_dir()
    ]
    kinds = (*KINDS, *(str(path.relative_to(cache.root)) for path in directories))
    others = size_on_disk(cache.root) - sum(size_on_disk(cache.root / kind) for kind in kinds)
    remaining = others + evict(cache, max(limit - others, 0), kinds=kinds).remaining
    # apt's lists of Debian's packages, for each architecture.
    whole = [path for path in cache.root.glob("debian/*/*") if path.name != "packages"]
    with cache.lock(_LOCK):  # no run begins
        if _oldest_run(cache) == float("inf"):
            # Of older releases too; which of its files a run needs is not known.
            whole += sorted(filter(Path.is_dir, cache.root.glob("reference/*")), key=_newest)
        for path in whole:
            if remaining > limit and _newest(path) < time.time() - _GRACE:
                remaining -= size_on_disk(path)
                shutil.rmtree(path, ignore_errors=True)


def _newest(path: Path) -> float:
    """The time of the newest file below a path, in seconds since 1970."""
    times = [path.stat().st_mtime]
    for folder, _, files in os.walk(path):
        for file in files:
            with suppress(OSError):
                times.append(os.lstat(f"{folder}/{file}").st_mtime)
    return max(times)


def limit_wanted() -> int:
    """The size limit of the cache in bytes. Raises UsageError if the variable is not a size."""
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return DEFAULT_LIMIT
    from bot.distro.fields import parse_size

    try:
        return int(text) if text.isdigit() else parse_size(text)
    except ValueError as error:
        raise UsageError(
            f"{LIMIT_VARIABLE}={text} is not a size: {error}.", "Write it like `20 GB`."
        ) from error


def size_on_disk(path: Path) -> int:
    """The bytes of the files at and below a path."""
    size = 0
    if not path.is_dir():
        with suppress(OSError):
            size = path.lstat().st_size
    for folder, _, files in os.walk(path):
        for file in files:
            with suppress(OSError):
                size += os.lstat(f"{folder}/{file}").st_size
    return size


@dataclass(frozen=True, slots=True, order=True)
class _Content:
    used: float
    paths: tuple[Path, ...]
    size: int


def _oldest_run(cache: Cache) -> float:
    """The start of the oldest run that still runs, in seconds since 1970, or infinity. Forgets runs
    that were killed."""
    oldest = float("inf")
    for path in cache.directory(_RUNS).iterdir():
        with suppress(OSError), free_lock(path) as ended:
            if ended:
                path.unlink(missing_ok=True)
            else:
                oldest = min(oldest, path.stat().st_mtime)
    return oldest


def _contents(cache: Cache, kinds: Sequence[str]) -> Iterator[_Content]:
    """Entries that may be removed; files with one checksum go together."""
    for kind in kinds:
        together: dict[str, list[os.DirEntry[str]]] = {}
        for directory in _directories(cache.root / kind):
            with suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        name = entry.name
                        # A temporary file stands alone: `.CHECKSUM....RANDOM`.
                        key = name if name.startswith(".") else name.partition("-")[0]
                        together.setdefault(key, []).append(entry)
        for group in together.values():
            with suppress(OSError):
                states = [entry.stat(follow_symlinks=False) for entry in group]
                # The record is removed first: the other files are useless without it.
                paths = sorted((Path(entry.path) for entry in group), key=_record_first)
                used = max(state.st_mtime for state in states)
                yield _Content(used, tuple(paths), sum(state.st_size for state in states))


def _record_first(path: Path) -> tuple[bool, str]:
    return not path.name.endswith("json"), path.name


def _directories(root: Path) -> Iterator[Path]:
    with suppress(OSError), os.scandir(root) as entries:
        yield root
        yield from (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


@dataclass(frozen=True, slots=True)
class SweptFiles:
    """The number of removed entries, and the bytes left."""

    removed: int
    bytes: int


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    used: float
    path: Path
    size: int


def sweep_entries(
    folder: Path, before: float, most: int, now: float, in_use: Collection[str] = ()
) -> SweptFiles:
    """Remove what is old in `folder`, then the least recently used until `most` bytes are left.

    Old is not used since `before`, in seconds since 1970. Entries in `in_use` (paths of files,
    there or below) and those used in the last hour stay.
    """
    needed_paths = {path for text in in_use for path in (Path(text), *Path(text).parents)}

    def remove(path: Path) -> bool:
        if path not in needed_paths:
            _remove(path)
        return path not in needed_paths

    return sweep_paths(_entries(folder), before, most, now, remove)


def sweep_metadata(cache: Cache, before: float, most: int, now: float) -> SweptFiles:
    """Remove repositories' metadata, and the files made of it for solving, as `sweep_entries` does,
    by when they were last read."""
    paths = [*(cache.root / "metadata").glob("*/*"), *_entries(cache.root / "solv")]
    return sweep_paths([path for path in paths if path.is_file()], before, most, now, _remove)


def sweep_paths(
    paths: Iterable[Path], before: float, most: int, now: float, remove: Callable[[Path], bool]
) -> SweptFiles:
    """Remove those of `paths` not used since `before`, then the least recently used until `most`
    bytes are left, by `remove`, which returns whether it did. Those used in the last hour stay."""
    entries = sorted(_entry(path) for path in paths)
    size = sum(entry.size for entry in entries)
    removed = 0
    for entry in entries:
        old = entry.used < before
        if entry.used > now - _GRACE or not (old or size > most):
            break
        if remove(entry.path):
            removed += 1
            size -= entry.size
    return SweptFiles(removed, size)


def sweep_remains(cache: Path, before: float, most: int, now: float) -> SweptFiles:
    """Remove what killed runs left in a cache before a time: unfinished files and downloads,
    temporary directories."""
    removed = size = 0
    for name in _UNFINISHED:
        swept = sweep_entries(cache / name, before, most, now)
        removed, size = removed + swept.removed, size + swept.bytes
    for kind in _ADDRESSED:
        for path in (cache / kind).glob("*/.*"):
            if path.is_file() and _entry(path).used < before:
                path.unlink(missing_ok=True)
                removed += 1
    return SweptFiles(removed, size)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # nothing was ever stored there


def _entry(path: Path) -> _Entry:
    used = 0.0
    with suppress(OSError):
        used = path.lstat().st_mtime
    return _Entry(used, path, size_on_disk(path))


def _remove(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True
