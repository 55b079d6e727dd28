"""A repository's metadata files, checked and unpacked in the cache, by their checksums."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bot.distro.cache import Cache
from bot.distro.failover import RetryPolicy
from bot.distro.repomd import Record
from bot.distro.transfer import obtain
from bot.distro.unpack import MAX_PACKED, RefusedFileError, unpack
from bot.model.package import NO_ACCESS, RepositoryAccess

_KIND = "metadata"
# Mirrors that are asked for one file: who has repomd.xml mostly has what it names.
_MIRRORS = 4


def metadata_file(
    record: Record,
    base_urls: Sequence[str],
    cache: Cache,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy | None = None,
) -> Path:
    """The unpacked content of `record`; fetched and checked the first time, found afterwards.

    Raises RefusedFileError naming the file that is not what repomd.xml says, SurroundingsError
    where it cannot be had.
    """
    name = re.sub(r"[^a-z_]", "", record.type.lower()) or "data"
    place = cache.addressed(_KIND, record.checksum, f"{name}.open")
    if place.exists():
        return place
    urls = _urls(record, base_urls)
    with cache.lock(f"unpack-{record.checksum[:3]}"):
        if place.exists():
            return place
        packed = cache.addressed("packed", record.checksum)
        found = obtain(
            urls,
            cache,
            packed,
            checksum_type=record.checksum_type,
            checksum=record.checksum,
            size=record.size,
            limit=MAX_PACKED,
            access=access,
            retry_policy=retry_policy,
        )
        try:
            with cache.replacing(place) as temporary:
                unpack(found, urls[0], record, temporary)
        finally:
            packed.unlink(missing_ok=True)
    return place


def forget(checksum: str, cache: Cache) -> None:
    """Deletes the unpacked content of the file `checksum`, if it is there."""
    place = cache.addressed(_KIND, checksum)
    for path in place.parent.glob(f"{checksum}-*"):
        path.unlink(missing_ok=True)


def _urls(record: Record, base_urls: Sequence[str]) -> list[str]:
    if record.base is None:
        return [base + record.href for base in base_urls[:_MIRRORS]]
    url = f"{record.base.rstrip('/')}/{record.href}"
    if not url.startswith(("https://", "http://")):
        raise RefusedFileError(url, "repomd.xml names another base that is not HTTP")
    return [url]
