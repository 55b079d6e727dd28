"""RPM files and their headers, fetched from where the metadata says, verified and cached."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from bot import limits
from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError, RetryPolicy, first_of, rounds
from bot.distro.transfer import first_bytes, local_path, obtain
from bot.errors import SurroundingsError
from bot.limits import HEADER
from bot.model.package import Location, Package
from bot.telemetry.measures import looked_up

# Characters of a package's name in the name of its cached file.
_NAME = 150
# rpm's lead, and the magic with which a header begins (lib/rpmlead.c, lib/header.c).
_LEAD = b"\xed\xab\xee\xdb"
_HEADER = b"\x8e\xad\xe8"


def fetch_package(package: Package, cache: Cache) -> Path:
    """The RPM file of a published package, with the size and checksum of its metadata.

    A file of a `file://` repository is used in place; others are stored in the cache by checksum.
    Raises RefusedFileError naming a file that does not match, SurroundingsError if it cannot be
    fetched.
    """
    location = _location(package)
    place = _place(package, location, cache)
    looked_up("packages", hit=place.exists())
    path = obtain(
        (location.url, *location.mirrors),
        cache,
        place,
        checksum_type=location.checksum_type,
        checksum=location.checksum.lower(),
        size=location.size or None,
        limit=limits.PACKAGE,
        access=location.access,
    )
    if path.is_relative_to(cache.root):
        with suppress(OSError):  # deleted meanwhile, or another user's: the reader will see that
            os.utime(path)
    return path


def package_at_hand(package: Package, cache: Cache) -> Path | None:
    """The RPM file of a package in a `file://` repository or in the cache, else null."""
    if package.location is None:
        return None
    path = local_path(package.location.url) or _place(package, package.location, cache)
    return path if path.is_file() else None


def fetch_packages(packages: Iterable[Package], cache: Cache, *, jobs: int = 8) -> tuple[Path, ...]:
    """`fetch_package` for many, `jobs` at once; the files in the order of `packages`.

    Raises the error of the first failing package; files that were fetched stay for the next try.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max(1, jobs)) as executor:
        futures = [executor.submit(fetch_package, package, cache) for package in packages]
        try:
            return tuple(future.result() for future in futures)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def fetch_header(
    package: Package, cache: Cache, retry_policy: RetryPolicy | None = None
) -> bytes | None:
    """Lead, signature and header of a package's file, or null if they cannot be fetched;
    `read_header` raises why."""
    try:
        return read_header(package, cache, retry_policy)
    except SurroundingsError:
        return None


def read_header(package: Package, cache: Cache, retry_policy: RetryPolicy | None = None) -> bytes:
    """The first bytes of a package's file: lead, signature and header.

    They end where primary.xml's `header-range` ends and are fetched by an HTTP range. The checksum
    of the file cannot be verified by them; their format is. Raises SurroundingsError if they cannot
    be fetched.
    """
    location = _location(package)
    end = location.header_end
    if not 0 < location.header_start < end <= HEADER:
        raise SurroundingsError(
            f"The metadata of {package.nevra} does not say where its header is."
        )
    place = cache.addressed("headers", location.checksum.lower(), str(end))
    try:
        header = place.read_bytes()
    except OSError:
        looked_up("headers", hit=False)
    else:
        looked_up("headers", hit=True)
        return header
    whole = _place(package, location, cache)
    if whole.exists():
        return _checked(str(whole), first_bytes(whole, end), location)
    content = _from_any((location.url, *location.mirrors), location, retry_policy)
    if local_path(location.url) is None:
        cache.write(place, content)
    return content


def _location(package: Package) -> Location:
    if package.location is None:
        raise SurroundingsError(f"{package.nevra} has no file that could be fetched.")
    return package.location


def _place(package: Package, location: Location, cache: Cache) -> Path:
    n = package.nevra
    # The name is for people; the checksum identifies the file. File systems limit a name's length.
    name = n.nvra[:_NAME].replace("/", "_") + ".rpm"
    return cache.addressed("packages", location.checksum.lower(), name)


def _from_any(urls: Sequence[str], location: Location, retry_policy: RetryPolicy | None) -> bytes:
    def get(url: str, policy: RetryPolicy) -> bytes:
        path = local_path(url)
        if path is not None:
            content = first_bytes(path, location.header_end)
        else:
            from bot.distro import http

            content = http.get_range(
                url, location.header_end, access=location.access, retry_policy=policy
            )
        return _checked(url, content, location)

    return first_of(urls, get, rounds(len(urls), retry_policy))


def _checked(name: str, content: bytes, location: Location) -> bytes:
    start = location.header_start
    if (
        len(content) != location.header_end
        or not content.startswith(_LEAD)
        or content[start : start + len(_HEADER)] != _HEADER
    ):
        raise RefusedFileError(name, "it has no RPM header where the metadata says")
    return content
