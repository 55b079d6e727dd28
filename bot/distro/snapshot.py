"""Snapshots: the frozen metadata of a document's repositories on one architecture."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.failover import BRIEF
from bot.distro.metadata import metadata_file
from bot.distro.refresh import State, access_of, refresh, rfc3339
from bot.distro.repomd import Record, Repomd, parse_repomd
from bot.distro.variables import expanded
from bot.errors import SurroundingsError, UsageError
from bot.model.closure import RepositoryState, SnapshotState
from bot.model.package import NO_ACCESS, RepositoryAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRepository:
    """One repository of a snapshot.

    `base_urls` end with `/`, best first; `repomd_checksum` is the sha256 of repomd.xml; `timestamp`
    is its newest (RFC 3339), empty if it has none; `stale` says since when and why an older state
    is used; `signed` is true if a configured key signed it.
    """

    id: str
    name: str
    priority: int
    module_hotfixes: bool
    cache: Cache = field(repr=False, compare=False)
    base_urls: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    revision: str = ""
    timestamp: str = ""
    repomd_checksum: str = ""
    records: tuple[Record, ...] = ()
    stale: str | None = None
    signed: bool = False
    access: RepositoryAccess = field(default=NO_ACCESS, repr=False, compare=False)

    def record(self, type_: str) -> Record | None:
        """The record of `primary`, `filelists`, `group` or `modules` in repomd.xml, if it has
        one."""
        return Repomd(self.revision, 0, self.records).record(type_)

    def urls(self, href: str) -> tuple[str, ...]:
        """The absolute URLs of a file of this repository, best first."""
        return tuple(base + href for base in self.base_urls)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The repositories of `document` on `arch`, in the document's order.

    `id` is made of the architecture and the ids and repomd.xml checksums of the repositories: the
    same metadata has the same id everywhere.
    """

    id: str
    document: RepositoryDocument
    arch: str
    repositories: tuple[SnapshotRepository, ...]

    @property
    def state(self) -> SnapshotState:
        """The state that identifies this snapshot in results."""
        return SnapshotState(
            self.id,
            tuple(
                RepositoryState(r.id, r.revision, r.timestamp or None, r.stale)
                for r in self.repositories
            ),
        )


def open_snapshot(
    document: RepositoryDocument,
    arch: str,
    cache: Cache,
    *,
    offline: bool = False,
    max_age: float | None = None,
    now: Callable[[], float] = time.time,
) -> Snapshot:
    """Open the newest good metadata of `document` on `arch`, all of it verified.

    Remote repositories are asked for changes, unless `offline`, or if their last good state is
    younger than `max_age` seconds; local ones are always read. If a newer state cannot be fetched
    or is not valid, the last good one is used and `stale` says so. Raises SurroundingsError, naming
    the file, if there is none, and UsageError for an architecture that the document does not have.
    """
    if arch not in document.architectures:
        raise UsageError(
            f"The repository document `{document.id}` has no architecture `{arch}`.",
            f"It has {', '.join(document.architectures)}.",
        )
    sources = [
        expanded(repo, document, arch)
        for repo in document.repos
        if not repo.limit_arches or arch in repo.limit_arches
    ]

    def opened(source: RepoSource) -> SnapshotRepository:
        try:
            state, stale = refresh(source, cache, offline=offline, max_age=max_age, now=now)
        except SurroundingsError as error:
            if not source.skip_if_unavailable:
                raise
            return _skipped(source, error, cache)
        return _repository(source, state, stale, cache)

    if len(sources) > 1 and not all(_is_local(source) for source in sources):
        # Imported here: a snapshot of local repositories needs no threads.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(sources), 8)) as executor:
            repositories = tuple(executor.map(opened, sources))
    else:
        repositories = tuple(opened(source) for source in sources)
    return Snapshot(_id(repositories, arch), document, arch, repositories)


def repository_file(repository: SnapshotRepository, type_: str) -> Path | None:
    """The verified, unpacked file of `primary`, `filelists`, `group` or `modules` in the cache.

    Null if the repository has none. A missing file is fetched: file lists on first use, other
    metadata only if the cache was cleaned. Raises SurroundingsError naming the file.
    """
    record = repository.record(type_)
    if record is None:
        return None
    # Servers that just failed get only a short wait here too.
    waiting = None if repository.stale is None else BRIEF
    return metadata_file(record, repository.base_urls, repository.cache, repository.access, waiting)


def _is_local(source: RepoSource) -> bool:
    return bool(source.baseurl) and all(url.startswith("file://") for url in source.baseurl)


def _repository(
    source: RepoSource, state: State, stale: str | None, cache: Cache
) -> SnapshotRepository:
    repomd = parse_repomd(state.content)
    return SnapshotRepository(
        id=source.id,
        name=source.name,
        base_urls=state.base_urls,
        priority=source.priority,
        exclude=source.exclude,
        module_hotfixes=source.module_hotfixes,
        revision=repomd.revision,
        timestamp=rfc3339(repomd.timestamp) if repomd.timestamp else "",
        repomd_checksum=state.checksum,
        records=repomd.records,
        cache=cache,
        stale=stale,
        signed=state.signed,
        include=source.include,
        access=access_of(source, state.base_urls),
    )


def _skipped(source: RepoSource, error: SurroundingsError, cache: Cache) -> SnapshotRepository:
    """An empty repository instead of one that is unavailable and may be skipped."""
    return SnapshotRepository(
        id=source.id,
        name=source.name,
        priority=source.priority,
        module_hotfixes=source.module_hotfixes,
        cache=cache,
        stale=f"skipped, as `skip_if_unavailable` allows: {error.what}",
    )


def _id(repositories: tuple[SnapshotRepository, ...], arch: str) -> str:
    lines = [arch, *(f"{r.id} {r.repomd_checksum}" for r in repositories)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
