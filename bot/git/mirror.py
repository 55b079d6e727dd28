"""A cache of remote repositories' objects: only the commits that checks need, without file
contents. Each remote repository has a bare one, shared by all runs, safe to delete at any time.

Commits are fetched shallow and without blobs (partial clone) if the server supports it; the blobs
of files to be written out are fetched in one request. Maintenance joins packs and removes old
objects.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bot import limits
from bot.errors import ChangeError
from bot.git.command import FileSizeError, GitError, git_environment, run_git
from bot.git.repository import FETCH_OPTIONS, SHA, ChangedFile, GitRepository, TreeEntry
from bot.locks import LIMIT, LockedError, locked
from bot.telemetry.measures import timed

_REF = re.compile(r"^refs/[A-Za-z0-9._/-]+$")
_DEPTHS = (50, 400, 4000)
_FILTER = "--filter=blob:none"
_OWN_LOCK = "minimize.lock"
_HALF_PACK_SECONDS = 3600.0
# Numbers of packs and of loose objects from which they are joined: each fetch makes a pack, and git
# searches all. The seconds are the time for it.
_PACKS, _LOOSE, _JOIN_SECONDS = 20, 2000, 1800.0


@dataclass(frozen=True, slots=True)
class GitCredential:
    """A user name and secret for HTTP; never part of a URL, an argument or a log."""

    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class GitMirror(GitRepository):
    """The cached objects of the repository at `url`."""

    url: str = ""
    fetch_timeout: float = 300.0

    @timed("fetch")
    def fetch(self, head: str, base: str, *, refs: Iterable[str] = ()) -> str:
        """Fetch the commits `head` and `base` with the history between; return their merge base.

        Both are full commit ids. `refs` are fetched if the server does not serve commits by id.
        History is deepened until nothing between the two commits is cut off, so that the merge base
        is correct. ChangeError if they share no history.
        """
        for sha in (head, base):
            if not SHA.match(sha):
                raise ChangeError(f"{sha!r} is no commit id.")
        names = [ref for ref in refs if _REF.match(ref) and ".." not in ref]
        with self._lock():
            merge_base = self._merge_base_if_whole(head, base)
            if merge_base is not None:
                for sha in (head, base):
                    with suppress(OSError):  # a packed ref has no file
                        os.utime(self.path / "refs/minimize" / sha)
                return merge_base
            for depth in (*_DEPTHS, None):
                self._fetch_commits((head, base), names, depth)
                merge_base = self._merge_base_if_whole(head, base)
                if merge_base is not None:
                    return merge_base
        raise ChangeError(
            f"The commits {base[:12]} and {head[:12]} have no common ancestor.",
            "Rebase the change onto its base branch.",
        )

    def changed_files(self, base: str, head: str) -> tuple[ChangedFile, ...]:
        """As `GitRepository.changed_files`; fetches blobs for finding renames in one request."""
        with self._lock():
            return super().changed_files(base, head)

    def _fetch_missing_blobs(self, commit: str, entries: Collection[TreeEntry]) -> None:
        """Fetch missing blobs, in one request."""
        oids = {entry.oid for entry in entries}
        if not oids:
            return
        with self._lock():
            out = self.git("rev-list", "--objects", "--missing=print", "--no-walk", commit)
            missing = {line[1:].decode() for line in out.splitlines() if line.startswith(b"?")}
            needed = sorted(oids & missing)
            if needed:
                # Without negotiation, which would offer commits although the objects are not
                # theirs.
                self._fetch_objects(needed)

    def _fetch_objects(self, oids: Collection[str]) -> None:
        self._git_fetch(
            ["-c", "fetch.negotiationAlgorithm=noop", "fetch", *FETCH_OPTIONS, _FILTER, "--stdin"],
            stdin="".join(f"{oid}\n" for oid in oids).encode(),
        )

    def _fetch_commits(
        self, shas: Collection[str], refs: Collection[str], depth: int | None
    ) -> None:
        reach = [f"--depth={depth}"] if depth else []
        if depth is None and (self.path / "shallow").exists():
            reach = ["--unshallow"]
        specs = [f"+{sha}:refs/minimize/{sha}" for sha in shas]
        try:
            self._git_fetch(["fetch", *FETCH_OPTIONS, _FILTER, *reach], specs)
        except GitError:
            if not refs:
                raise
            # The server does not serve commits by id: fetch the refs, and check that they contain
            # them.
            by_name = [f"+{ref}:refs/minimize/by-name/{ref}" for ref in refs]
            self._git_fetch(["fetch", *FETCH_OPTIONS, _FILTER, *reach], by_name)
            stored = [f"refs/minimize/by-name/{ref}" for ref in refs]
            reached = set(self.git("rev-list", *stored).decode().split())
            for sha in shas:
                if sha not in reached and depth is None:
                    raise
                if sha in reached:
                    self.git("update-ref", f"refs/minimize/{sha}", sha)

    def _git_fetch(
        self, before: list[str], after: Collection[str] = (), *, stdin: bytes = b""
    ) -> None:
        packs = self.path / "objects/pack"
        files_before = set(packs.glob("tmp_*"))
        try:
            run_git(
                self.path,
                [*before, "origin", *after],
                environment=self.environment,
                stdin=stdin,
                timeout=self.fetch_timeout,
                file_size=limits.FETCHED_PACK,
            )
        except FileSizeError:
            # It is killed then, and leaves temporary files.
            for file in set(packs.glob("tmp_*")) - files_before:
                file.unlink(missing_ok=True)
            raise

    def _merge_base_if_whole(self, head: str, base: str) -> str | None:
        """The merge base, if both commits and all history between them are cached; else null."""
        # By the refs: looking up a missing object would make git fetch all its history.
        present = self.git("for-each-ref", "--format=%(objectname)", "refs/minimize/")
        if not {head, base} <= set(present.decode().split()):
            return None
        return self.whole_merge_base(base, head)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock: one fetch at a time for each repository, across threads and processes."""
        with locked_mirror(self.path):
            yield


@contextmanager
def locked_mirror(repository: Path, seconds: float = LIMIT) -> Iterator[None]:
    """Hold the lock of an object cache, across threads and processes, after removing leftovers.

    LockedError if it was not free for `seconds`.
    """
    with locked(repository / _OWN_LOCK, seconds=seconds):
        _clear_leftovers(repository)
        yield


def _clear_leftovers(repository: Path) -> None:
    """Remove files of a killed git: its lock files would block every later fetch. The caller holds
    the cache's lock, so no other fetch runs.

    Incomplete packs are removed too, except those of the last hour, which may be of a reader
    fetching a missing object.
    """
    for below, _, files in os.walk(repository / "refs"):
        for name in files:
            if name.endswith(".lock"):
                Path(below, name).unlink(missing_ok=True)
    for folder in (repository, repository / "objects/info", repository / "objects/pack"):
        for file in folder.glob("*.lock"):
            if file.name != _OWN_LOCK:
                file.unlink(missing_ok=True)
    for file in (repository / "objects/pack").glob("tmp_*"):
        if time.time() - file.stat().st_mtime > _HALF_PACK_SECONDS:
            file.unlink(missing_ok=True)


def open_mirror(
    cache: Path, url: str, credential: GitCredential | None = None, *, fetch_timeout: float = 300.0
) -> GitMirror:
    """The object cache of `url` below `cache`, created if missing; nothing is fetched.

    `url` is http(s) (or file) without user or password; the credential is sent to that host alone.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "file") or parts.username or parts.password:
        raise GitError(f"{parts.scheme}://{parts.hostname or ''} is no URL to fetch from.")
    config = {"remote.origin.url": url}
    if credential is not None:
        pair = base64.b64encode(f"{credential.user}:{credential.secret}".encode()).decode()
        config[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = (
            f"Authorization: Basic {pair}"
        )
    # A redirect from https to http would send the credential unencrypted.
    protocols = "https:http" if parts.scheme == "http" else parts.scheme
    environment = git_environment(config, isolated=True, protocols=protocols)
    name = hashlib.sha256(url.encode()).hexdigest()[:24]
    path = cache / f"{name}.git"
    if not (path / "HEAD").exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Idempotent, as two processes may do it at once.
        run_git(cache, ["init", "--quiet", "--bare", str(path)], environment=environment)
    return GitMirror(path, True, environment, url, fetch_timeout)


@dataclass(frozen=True, slots=True)
class SweptMirrors:
    """The numbers of removed caches, removed refs and repacked caches, and the bytes left."""

    removed: int
    refs: int
    packed: int
    bytes: int


def sweep_mirrors(directory: Path, before: float, most: int) -> SweptMirrors:
    """Remove caches and refs unused since `before` (seconds since 1970), join packs, then remove
    the longest unused caches until at most `most` bytes are left.

    Locked caches are skipped.
    """
    removed = refs = packed = 0
    for leftover in directory.glob("*.removed"):
        shutil.rmtree(leftover, ignore_errors=True)
    mirrors = sorted(directory.glob("*.git"), key=last_use)
    for mirror in mirrors:
        time = last_use(mirror)
        with suppress(LockedError):
            if time < before:
                removed += _remove(mirror)
                continue
            with locked_mirror(mirror, seconds=1.0):
                refs += _drop_refs(mirror, before)
                packed += _join_packs(mirror)
            # Sweeping must not count as use.
            os.utime(mirror / _OWN_LOCK, (time, time))
    mirrors_left = [mirror for mirror in mirrors if mirror.exists()]
    size = sum(map(size_of, mirrors_left))
    for mirror in mirrors_left[:-1]:
        if size <= most:
            break
        with suppress(LockedError):
            mirror_size = size_of(mirror)
            removed += _remove(mirror)
            size -= mirror_size
    return SweptMirrors(removed, refs, packed, size)


def last_use(mirror: Path) -> float:
    """The time of the last use of a cache, in seconds since 1970: its lock's modification time."""
    for file in (mirror / _OWN_LOCK, mirror / "HEAD"):
        with suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def size_of(directory: Path) -> int:
    """The size of the files below a directory in bytes."""
    size = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            with suppress(OSError):
                size += (Path(folder) / name).lstat().st_size
    return size


def _remove(mirror: Path) -> int:
    with locked_mirror(mirror, seconds=1.0):
        # A process that waits for the lock creates the cache again under the same name.
        doomed = mirror.with_suffix(".removed")
        mirror.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
    return 1


def _drop_refs(mirror: Path, before: float) -> int:
    """Drop refs fetched before a time; return their number. Repacking removes their objects."""
    dropped = 0
    for ref in (mirror / "refs/minimize").rglob("*"):
        with suppress(OSError):
            if ref.is_file() and ref.stat().st_mtime < before:
                ref.unlink()
                dropped += 1
    return dropped


def _join_packs(mirror: Path) -> int:
    """Repack many packs or loose objects, without unreachable ones; return 1, or 0 if there are
    few."""
    packs = len(list((mirror / "objects/pack").glob("*.pack")))
    loose = sum(
        1 for folder in (mirror / "objects").glob("[0-9a-f][0-9a-f]") for _ in folder.iterdir()
    )
    if packs < _PACKS and loose < _LOOSE:
        return 0
    environment = git_environment({}, isolated=True, protocols="")
    for command in (["repack", "-a", "-d", "-q"], ["prune-packed", "-q"]):
        run_git(mirror, command, environment=environment, timeout=_JOIN_SECONDS)
    return 1
