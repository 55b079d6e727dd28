"""Layers: measured by adding their parts, composed by concatenating them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import zstandard

from bot.distro.cache import Cache
from bot.distro.packages import fetch_packages
from bot.image.database import make_database
from bot.image.fragment import make_fragment, make_shared
from bot.image.listing import has_listing
from bot.image.plan import LayerPlan, plan_layer
from bot.image.selection import Selection
from bot.image.tarformat import (
    END,
    Part,
    PartSize,
    PartStore,
    SmallPart,
    entry_header,
    padding,
    small_part,
    without_content,
)
from bot.model.package import Package
from bot.model.result import LayerSize

Compression = Literal["gzip", "zstd"]
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Layer:
    """The parts of a layer in order, and the plan by which they were made."""

    plan: LayerPlan
    parts: tuple[Part | SmallPart, ...]

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages in it."""
        return self.plan.packages

    @property
    def time(self) -> int:
        """The newest build time of a package, in seconds since 1970."""
        return self.plan.time

    @property
    def size(self) -> LayerSize:
        """The bytes of the layer: as an archive, and as gzip and zstd blobs."""
        return sum((part.size for part in self.parts), PartSize()).layer


@dataclass(frozen=True, slots=True)
class Blob:
    """A written layer: digests as in OCI, `size` in bytes."""

    digest: str
    diff_id: str
    size: int


def compose_layer(
    packages: Iterable[Package],
    cache: Cache,
    selection: Selection | None = None,
    *,
    database: bool = True,
    jobs: int | None = None,
    progress: Callable[[Package], None] | None = None,
) -> Layer:
    """Return the layer of `packages`; uncached ones are fetched, unpacked and compressed.

    A layer whose packages are all cached reads no payload. Raises ChangeErrors naming the package
    at fault, SurroundingsError where something cannot be fetched.
    """
    store = PartStore(cache)
    packages = tuple(packages)
    fetch_unread(packages, cache)
    plan = plan_layer(packages, cache, selection, database=database)
    _fetch_missing(plan, cache, store)
    parts = _make_parts(plan, cache, store, jobs or os.cpu_count() or 1, progress)
    return Layer(plan, parts)


def fetch_unread(packages: Iterable[Package], cache: Cache) -> None:
    """Fetch, in parallel, the packages whose header was never read.

    They have no fragment either: the whole file will be needed, and the header is in it.
    """
    _fetch((package for package in packages if not has_listing(package, cache)), cache)


def write_blob(
    layer: Layer,
    compression: Compression,
    target: Path,
) -> Blob:
    """Write the layer to `target`; return its digests and size."""
    with ThreadPoolExecutor(1) as executor:
        # The archive's digest is computed from the zstd frames, which decompress fastest.
        difference = executor.submit(_archive_digest, layer.parts)
        digest = hashlib.sha256()
        size = 0
        with target.open("wb") as output:
            for part in layer.parts:
                for chunk in _compressed(part, compression):
                    digest.update(chunk)
                    output.write(chunk)
                    size += len(chunk)
        diff_id = difference.result()
    return Blob(f"sha256:{digest.hexdigest()}", f"sha256:{diff_id}", size)


def archive(layer: Layer) -> Iterator[bytes]:
    """Yield the bytes of the uncompressed layer."""
    for part in layer.parts:
        yield from _unpacked(part)


def _archive_digest(parts: Sequence[Part | SmallPart]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for chunk in _unpacked(part):
            digest.update(chunk)
    return digest.hexdigest()


def _unpacked(part: Part | SmallPart) -> Iterator[bytes]:
    if isinstance(part, SmallPart):
        with zstandard.ZstdDecompressor().stream_reader(part.zstd_bytes) as reader:
            yield reader.read() if part.zstd_bytes else b""
        return
    with (
        part.zstd_file.open("rb") as stream,
        zstandard.ZstdDecompressor().stream_reader(stream) as reader,
    ):
        while chunk := reader.read(1 << 20):
            yield chunk


def _compressed(part: Part | SmallPart, compression: Compression) -> Iterator[bytes]:
    if isinstance(part, SmallPart):
        yield part.gzip_bytes if compression == "gzip" else part.zstd_bytes
        return
    with (part.gzip_file if compression == "gzip" else part.zstd_file).open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _fetch_missing(plan: LayerPlan, cache: Cache, store: PartStore) -> None:
    """Fetch, in parallel, the packages whose fragments are missing."""
    missing = (
        fragment
        for fragment in plan.fragments
        if fragment.indexes and not store.get(fragment.key(plan.owners))
    )
    _fetch((fragment.package for fragment in missing), cache)


def _fetch(packages: Iterable[Package], cache: Cache) -> None:
    remote = [p for p in packages if p.location and not p.location.url.startswith("file://")]
    if remote:
        fetch_packages(remote, cache)


def _make_parts(
    plan: LayerPlan,
    cache: Cache,
    store: PartStore,
    jobs: int,
    progress: Callable[[Package], None] | None,
) -> tuple[Part | SmallPart, ...]:
    def fragment(number: int) -> Part:
        fragment = plan.fragments[number]
        part = make_fragment(fragment, plan.owners, cache, store)
        if progress is not None:
            progress(fragment.package)
        return part

    numbers = [number for number, fragment in enumerate(plan.fragments) if fragment.indexes]
    # The largest first, so that no large one is left at the end.
    largest = sorted(numbers, key=lambda n: -(plan.fragments[n].package.installed_size or 0))
    with ThreadPoolExecutor(max(1, jobs)) as executor:
        database = (
            executor.submit(make_database, plan.database, cache, store) if plan.database else None
        )
        futures = {number: executor.submit(fragment, number) for number in largest}
        try:
            fragments = [futures[number].result() for number in numbers]
            parts: list[Part | SmallPart] = [
                small_part(without_content(plan.directories)),
                *fragments,
            ]
            if plan.shared:
                parts.append(make_shared(plan.shared, plan.owners, cache, store))
            if plan.account_files:
                parts.append(small_part(_grown(plan)))
            if database is not None:
                parts.append(database.result())
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    parts.append(small_part(END))
    return tuple(parts)


def _grown(plan: LayerPlan) -> bytes:
    return b"".join(
        entry_header(account_files.entry)
        + account_files.content
        + padding(len(account_files.content))
        for account_files in plan.account_files
    )
