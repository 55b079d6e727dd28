"""The cache directory: content-addressed, shared by processes, safe to delete at any time.

Below a size: what was not used for longest goes first, never what a run is using.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.errors import SurroundingsError, UsageError, write_hint
from bot.locks import LIMIT, free_lock, locked

DEFAULT_LIMIT = 20_000_000_000
LIMIT_VARIABLE = "MINIMIZE_CACHE_LIMIT"
# What grows with every package and can be had again: downloaded files and pieces of layers.
KINDS = ("packages", "headers", "fragments", "listings", "partial")
# The same by their folders: sources of packages, and Debian's, which the demo's distribution is of.
_MORE_KINDS = ("sources/*", "debian/*/packages")
# Who does not say that it runs (another release, a build) may still need what it used just now.
_GRACE = 3600.0
_LOCK = "eviction"
_RUNS = "runs"
_OFTEN = 3600.0


class Cache:
    """A cache below `root`, which is created when something is first written.

    Files appear whole or not at all: they are written beside their place and renamed into it.
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
        """Hold the lock `name` (a file name), once nobody else does.

        Raises LockedError where another holds it for `seconds` and more.
        """
        path = self.lock_file(name)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(path, seconds=seconds))
            except OSError as error:
                raise self._unusable(path, error) from error
            yield

    def lock_file(self, name: str) -> Path:
        """The file of the lock `name`; its directory is made."""
        return self.directory("locks") / f"{name}.lock"

    def write(self, path: Path, content: bytes) -> None:
        """Puts `content` at `path` below the root, at once."""
        with self.replacing(path) as temporary:
            temporary.write_bytes(content)

    @contextmanager
    def replacing(self, path: Path) -> Iterator[Path]:
        """A new file to write; it takes the place of `path` if the block ends without an error."""
        temporary = self.temporary(path)
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            raise self._unusable(path, error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def temporary(self, path: Path) -> Path:
        """An empty file of our own in the directory of `path`, which is created."""
        import tempfile

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
            # mkstemp's 0600 would keep other users of a shared cache out.
            os.fchmod(handle, 0o644)
            os.close(handle)
        except OSError as error:
            raise self._unusable(path, error) from error
        return Path(name)

    def addressed(self, kind: str, checksum: str, name: str = "") -> Path:
        """The place of the content `checksum`: `KIND/ab/abcdef...[-NAME]`; nothing is created."""
        suffix = f"-{name}" if name else ""
        return self.root / kind / checksum[:2] / f"{checksum}{suffix}"

    def mark_used(self, path: Path) -> None:
        """Record that the file `path` is in use, unless that was recorded within half an hour."""
        with suppress(OSError):  # another user's, or gone: who reads it sees that
            if path.stat().st_mtime < time.time() - _GRACE / 2:
                os.utime(path)

    def _unusable(self, path: Path, error: OSError) -> SurroundingsError:
        return SurroundingsError(
            f"The cache cannot be written: {path}: {error.strerror or error}.",
            write_hint(error, "--cache"),
        )


@contextmanager
def in_use(cache: Cache) -> Iterator[None]:
    """While this is entered, nothing that is used from now on leaves the cache.

    What is used must be touched (`os.utime`) when it is; packages and fragments are.
    """
    with ExitStack() as run:
        with cache.lock(_LOCK):  # not while somebody evicts
            path = cache.temporary(cache.directory(_RUNS) / "run")
            run.enter_context(locked(path))
        run.callback(path.unlink, missing_ok=True)
        yield


@dataclass(frozen=True, slots=True)
class Evicted:
    """The bytes removed, and the bytes left."""

    taken: int
    left: int


def evict(
    cache: Cache,
    limit: int,
    *,
    kinds: Sequence[str] = KINDS,
    grace: float = _GRACE,
    now: Callable[[], float] = time.time,
) -> Evicted:
    """Removes the longest unused until the `kinds` of content take at most `limit` bytes together.

    What was used since the oldest run that still goes on began, or within `grace` seconds, stays,
    even if that is more than the limit.
    """
    with cache.lock(_LOCK):
        before = min(_oldest_run(cache), now() - grace)
        contents = sorted(_contents(cache, kinds))
        total = sum(one.size for one in contents)
        taken = 0
        for one in contents:
            if total - taken <= limit or one.used >= before:
                break
            for path in one.paths:
                path.unlink(missing_ok=True)
            taken += one.size
    return Evicted(taken, total - taken)


def tidy(cache: Cache) -> None:
    """`evict` at most once an hour, until all of the cache takes what MINIMIZE_CACHE_LIMIT says
    (`20 GB`).

    Roots and the demo's distribution are counted, and bound where they are made; what goes is what
    can be fetched again, the demo's archive too: its lists last.
    """
    stamp = cache.directory("locks") / "tidied"
    with suppress(OSError):
        if time.time() - stamp.stat().st_mtime < _OFTEN:
            return
    limit = limit_wanted()
    stamp.touch()
    more = [path for pattern in _MORE_KINDS for path in cache.root.glob(pattern) if path.is_dir()]
    kinds = (*KINDS, *(str(path.relative_to(cache.root)) for path in more))
    others = size_on_disk(cache.root) - sum(size_on_disk(cache.root / kind) for kind in kinds)
    left = others + evict(cache, max(limit - others, 0), kinds=kinds).left
    # What apt knows of Debian's packages, for each architecture.
    for lists in cache.root.glob("debian/*/*"):
        if left > limit and lists.name != "packages" and _newest(lists) < time.time() - _GRACE:
            left -= size_on_disk(lists)
            shutil.rmtree(lists, ignore_errors=True)


def _newest(path: Path) -> float:
    """When the newest file below a path was written, in seconds since 1970."""
    times = [path.stat().st_mtime]
    for folder, _, files in os.walk(path):
        for file in files:
            with suppress(OSError):
                times.append(os.lstat(f"{folder}/{file}").st_mtime)
    return max(times)


def limit_wanted() -> int:
    """The size that the cache may have, in bytes; UsageError where the variable is no size."""
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return DEFAULT_LIMIT
    from bot.distro.fields import parse_size

    try:
        return int(text) if text.isdigit() else parse_size(text)
    except ValueError as error:
        raise UsageError(
            f"{LIMIT_VARIABLE}={text} is no size: {error}.", "Say it as `20 GB`."
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
    """When the oldest run that still goes on began; those that were killed are forgotten."""
    oldest = float("inf")
    for path in cache.directory(_RUNS).iterdir():
        with suppress(OSError), free_lock(path) as ended:
            if ended:
                path.unlink(missing_ok=True)
            else:
                oldest = min(oldest, path.stat().st_mtime)
    return oldest


def _contents(cache: Cache, kinds: Sequence[str]) -> Iterator[_Content]:
    """Entries that may be removed; files of one content go together, they share the checksum."""
    for kind in kinds:
        together: dict[str, list[os.DirEntry[str]]] = {}
        for directory in _directories(cache.root / kind):
            with suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        name = entry.name
                        # A temporary file is one by itself: `.CHECKSUM....RANDOM`.
                        key = name if name.startswith(".") else name.partition("-")[0]
                        together.setdefault(key, []).append(entry)
        for group in together.values():
            with suppress(OSError):
                states = [entry.stat(follow_symlinks=False) for entry in group]
                # The record goes first: without it the others are nothing.
                paths = sorted((Path(entry.path) for entry in group), key=_record_first)
                used = max(state.st_mtime for state in states)
                yield _Content(used, tuple(paths), sum(state.st_size for state in states))


def _record_first(path: Path) -> tuple[bool, str]:
    return not path.name.endswith("json"), path.name


def _directories(root: Path) -> Iterator[Path]:
    with suppress(OSError), os.scandir(root) as entries:
        yield root
        yield from (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
