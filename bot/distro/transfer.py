"""Gets files from `file://` and HTTP URLs, verified before use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.distro.cache import Cache
from bot.distro.failover import (
    MANY,
    AbsentError,
    FetchError,
    RefusedFileError,
    RetryPolicy,
    first_of,
    rounds,
)
from bot.distro.repomd import CHECKSUMS
from bot.errors import SurroundingsError, write_hint
from bot.model.package import NO_ACCESS, RepositoryAccess

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A small answer; `content` is null if the server says that nothing changed (304)."""

    content: bytes | None
    etag: str | None = None
    last_modified: str | None = None


NOTHING_KNOWN = SmallFile(None)


def local_path(url: str) -> Path | None:
    """The path of a `file://` URL, null for any other."""
    if not url.startswith("file://"):
        return None
    text = url[len("file://") :]
    if "%" in text:
        from urllib.parse import unquote

        text = unquote(text)
    return Path(text)


def read_small(
    url: str,
    limit: int,
    *,
    earlier: SmallFile = NOTHING_KNOWN,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy = MANY,
) -> SmallFile:
    """Read the file at `url`, at most `limit` bytes (see `http.get`).

    Raises AbsentError if there is none, other SurroundingsErrors if it cannot be read.
    """
    path = local_path(url)
    if path is not None:
        return SmallFile(read_local(url, path, limit))
    from bot.distro import http

    try:
        return http.get(url, limit, earlier=earlier, access=access, retry_policy=retry_policy)
    except FetchError as error:
        raise _absent_or(error) from error


def read_local(url: str, path: Path, limit: int) -> bytes:
    """The bytes of a local file, at most `limit`; raises as `read_small`."""
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise AbsentError(f"{url} is not there.") from error
    except OSError as error:
        raise SurroundingsError(f"{url} cannot be read: {error.strerror}.") from error
    if len(content) > limit:
        raise RefusedFileError(url, f"it is larger than the {limit} bytes allowed")
    return content


def first_bytes(path: Path, end: int) -> bytes:
    """The first `end` bytes of a local file. Raises SurroundingsError if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(end)
    except OSError as error:
        raise SurroundingsError(f"{path} cannot be read: {error.strerror}.") from error


def check_file(path: Path, name: str, size: int | None, checksum_type: str, checksum: str) -> None:
    """Raise RefusedFileError, naming `name`, unless `path` has this size and checksum."""
    actual = path.stat().st_size
    if size is not None and actual != size:
        raise RefusedFileError(name, f"it has {actual} bytes instead of {size}")
    digest = new_digest(checksum_type, name)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != checksum:
        raise RefusedFileError(name, f"its {checksum_type} checksum does not match its metadata")


def new_digest(checksum_type: str, name: str) -> hashlib._Hash:
    """A digest of a type that is still secure; RefusedFileError for others."""
    if checksum_type not in CHECKSUMS:
        secure = ", ".join(CHECKSUMS)
        raise RefusedFileError(name, f"its checksum is of type `{checksum_type}`, not {secure}")
    return hashlib.new(checksum_type)


def obtain(
    urls: Sequence[str],
    cache: Cache,
    place: Path,
    *,
    checksum_type: str,
    checksum: str,
    size: int | None,
    limit: int,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy | None = None,
) -> Path:
    """The file that all `urls` should have, verified: a local one in place, else stored at `place`.

    URLs are tried in turn, local ones first; a broken transfer is resumed from the next one, and a
    file that does not match is discarded. Other processes that want the same file wait for it.
    `access` says how their servers are accessed. Raises AbsentError if no URL has it, else
    RefusedFileError or SurroundingsError.
    """

    def get(url: str, policy: RetryPolicy) -> Path:
        path = local_path(url)
        if path is not None:
            _check_local(path, url)
            return path
        part = cache.directory("partial") / f"{checksum_type}-{checksum}"
        try:
            most = limit if size is None else min(size, limit)
            _download(url, part, most, access, policy)
            check_file(part, url, size, checksum_type, checksum)
            place.parent.mkdir(parents=True, exist_ok=True)
            return part.replace(place)
        except RefusedFileError:
            part.unlink(missing_ok=True)
            raise
        except OSError as error:
            raise SurroundingsError(
                f"{part} cannot be written: {error.strerror}.", write_hint(error, "--cache")
            ) from error

    def _check_local(path: Path, url: str) -> None:
        try:
            if not path.is_file():
                raise AbsentError(f"{url} is not there.")
            check_file(path, url, size, checksum_type, checksum)
        except OSError as error:
            raise SurroundingsError(f"{url} cannot be read: {error.strerror}.") from error

    local_first = sorted(urls, key=lambda url: local_path(url) is None)
    policies = rounds(len(urls), retry_policy)
    if local_path(local_first[-1]) is not None:
        return first_of(local_first, get, policies)
    if place.exists():
        return place
    with cache.lock(f"file-{checksum[:3]}"):
        return place if place.exists() else first_of(local_first, get, policies)


def _download(
    url: str, part: Path, limit: int, access: RepositoryAccess, retry_policy: RetryPolicy
) -> None:
    from bot.distro import http

    try:
        http.download(url, part, limit, access=access, retry_policy=retry_policy)
    except FetchError as error:
        raise _absent_or(error) from error


def _absent_or(error: FetchError) -> SurroundingsError:
    return AbsentError(error.what, error.hint) if error.is_absent else error
