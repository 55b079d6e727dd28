"""Signatures of packages, checked where their repository has keys.

A signature of an RPM file covers its header, and the header has the digest of every file, against
which the payload is checked when it is read. So a header is enough, and no payload is fetched.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError
from bot.distro.keys import read_keys, verify_detached
from bot.image.listing import forget_listing, listing, package_header
from bot.image.rpmheader import Header, read_headers, start_of_header
from bot.model.package import Package, RepositoryAccess

# rpm's include/rpm/rpmtag.h: signatures over the header alone.
_OPENPGP, _RSA, _DSA = 278, 268, 267
_KIND = "signatures"

# The URLs of the keys of each repository, by its id.
KeyUrls = Mapping[str, Sequence[str]]


def check_signatures(packages: Iterable[Package], cache: Cache, keys: KeyUrls) -> None:
    """Raise RefusedFileError, naming it, for a package that none of its repository's keys signed.

    Packages of repositories without keys are not checked. Good results are cached by the package's
    checksum and its keys' URLs.
    """
    for package in packages:
        urls = tuple(keys.get(package.repository, ()))
        if urls and package.location is not None:
            _check(package, cache, urls)


def _check(package: Package, cache: Cache, urls: tuple[str, ...]) -> None:
    assert package.location is not None
    files = listing(package, cache)
    key = hashlib.sha256("\n".join((files.header, *urls)).encode()).hexdigest()
    place = cache.addressed(_KIND, package.location.checksum.lower(), key[:32])
    if place.exists():
        return
    name, content = str(package.nevra), package_header(package, cache)
    if hashlib.sha256(content).hexdigest() != files.header:
        forget_listing(package, cache)
        raise RefusedFileError(package.location.url, "its header differs from the one read before")
    verify_header(package.location.url, name, content, _keys(urls, package.location.access))
    cache.write(place, b"")


@lru_cache(maxsize=64)
def _keys(urls: tuple[str, ...], access: RepositoryAccess) -> tuple[tuple[str, bytes], ...]:
    return tuple(read_keys(urls, access))


def verify_header(url: str, name: str, content: bytes, keys: Sequence[tuple[str, bytes]]) -> None:
    """Raise RefusedFileError unless one of `keys` signed the header at the end of `content`.

    `content` is the beginning of an RPM file, up to the end of its header; `url` and `name` are for
    errors.
    """
    signature, _, end = read_headers(name, content)
    signed = content[start_of_header(name, content) : end]
    signatures = list(_signatures(signature))
    if not signatures:
        raise RefusedFileError(url, "it is not signed, and its repository has keys")
    for detached in signatures[:-1]:
        try:
            verify_detached(url, signed, detached, keys)
        except RefusedFileError:
            continue
        return
    verify_detached(url, signed, signatures[-1], keys)


def _signatures(signature: Header) -> Iterable[bytes]:
    for text in signature.texts(_OPENPGP):
        try:
            yield base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
    for tag in (_RSA, _DSA):
        content = signature.binary(tag)
        if content:
            yield content
