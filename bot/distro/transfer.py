"""Getting files from `file://` and HTTP URLs, checked before anybody uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.distro.cache import Cache
from bot.distro.retry_policy import FEW, MANY, RetryPolicy
from bot.distro.unpack import RefusedFileError, check_file
from bot.errors import SurroundingsError
from bot.model.package import NO_ACCESS, RepositoryAccess


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A small answer; `content` null where the server says that nothing changed (304)."""

    content: bytes | None
    etag: str | None = None
    last_modified: str | None = None


class AbsentError(SurroundingsError):
    """There is no such file: nobody failed."""


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
    etag: str | None = None,
    last_modified: str | None = None,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy = MANY,
) -> SmallFile:
    """Read the file at `url`, at most `limit` bytes (see `http.get`).

    Raises AbsentError where there is nothing, other SurroundingsErrors where it cannot be had.
    """
    path = local_path(url)
    if path is not None:
        return SmallFile(read_local(url, path, limit))
    from bot.distro import http

    try:
        return http.get(
            url,
            limit,
            etag=etag,
            last_modified=last_modified,
            access=access,
            retry_policy=retry_policy,
        )
    except http.FetchError as error:
        if error.status in (404, 410):
            raise AbsentError(error.what, error.hint) from error
        raise


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
    """The file that all `urls` should have, checked: a local one where it is, else at `place`.

    Each URL is tried until one has it: what a broken transfer left is used for the next one, what
    does not match is thrown away. Other processes that want the same file wait and find it.
    `access` says how their servers are spoken to. Raises AbsentError where no URL has it,
    RefusedFileError or SurroundingsError otherwise.
    """
    problems: list[SurroundingsError] = []
    remote: list[str] = []
    for url in urls:
        path = local_path(url)
        if path is None:
            remote.append(url)
            continue
        try:
            if not path.is_file():
                raise AbsentError(f"{url} is not there.")
            check_file(path, url, size, checksum_type, checksum)
        except SurroundingsError as error:
            problems.append(error)
        except OSError as error:
            problems.append(SurroundingsError(f"{url} cannot be read: {error.strerror}."))
        else:
            return path
    if remote and place.exists():
        return place
    if remote:
        with cache.lock(f"file-{checksum[:3]}"):
            if place.exists():
                return place
            said = (checksum_type, checksum, size)
            waiting = retry_policy or (MANY if len(remote) == 1 else FEW)
            found = _download(remote, cache, place, said, limit, access, waiting)
            if found is None:
                return place
            problems += found
    raise worst(problems)


def _download(
    urls: Sequence[str],
    cache: Cache,
    place: Path,
    said: tuple[str, str, int | None],
    limit: int,
    access: RepositoryAccess,
    retry_policy: RetryPolicy,
) -> list[SurroundingsError] | None:
    """Null once `place` is there, else what each URL had to say."""
    from bot.distro import http

    checksum_type, checksum, size = said
    part = cache.directory("partial") / f"{checksum_type}-{checksum}"
    problems: list[SurroundingsError] = []
    for url in urls:
        try:
            most = limit if size is None else min(size, limit)
            http.download(url, part, most, access=access, retry_policy=retry_policy)
            check_file(part, url, size, checksum_type, checksum)
            place.parent.mkdir(parents=True, exist_ok=True)
            part.replace(place)
        except http.FetchError as error:
            gone = error.status in (404, 410)
            problems.append(AbsentError(error.what, error.hint) if gone else error)
        except RefusedFileError as error:
            part.unlink(missing_ok=True)
            problems.append(error)
        except OSError as error:
            raise SurroundingsError(
                f"{part} cannot be written: {error.strerror}.",
                "Free some space, or name another directory with --cache.",
            ) from error
        else:
            return None
    return problems


def worst(problems: Sequence[SurroundingsError]) -> SurroundingsError:
    """The error to raise: a refusal before a failure before an absence; how many mirrors, if
    many."""
    ranked = sorted(
        problems,
        key=lambda p: 2 if isinstance(p, AbsentError) else isinstance(p, RefusedFileError) ^ 1,
    )
    first = ranked[0]
    if len(problems) > 1 and not isinstance(first, AbsentError | RefusedFileError):
        return SurroundingsError(f"{first.what} {len(problems)} places were tried.", first.hint)
    return first
