"""OpenPGP keys of repositories, from where their documents say they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from bot.distro.documents import RepositoryDocument
from bot.distro.failover import FetchError, RetryPolicy, first_of, rounds, worst
from bot.distro.transfer import read_small
from bot.distro.variables import expanded
from bot.errors import SurroundingsError
from bot.model.package import NO_ACCESS, RepositoryAccess


def read_keys(
    urls: Sequence[str], access: RepositoryAccess = NO_ACCESS, most: RetryPolicy | None = None
) -> list[tuple[str, bytes]]:
    """The keys that can be had, each with its URL; SurroundingsError where that is none of them.

    A server that does not answer is waited for no longer than `most` has it, and not at all where
    others had keys.
    """
    from bot.distro import gpg

    def read(url: str, retry_policy: RetryPolicy) -> bytes:
        return read_small(url, gpg.MAX_KEY, access=access, retry_policy=retry_policy).content or b""

    first, *more = rounds(len(urls), most)
    keys: dict[str, bytes] = {}
    errors: dict[str, SurroundingsError] = {}
    for url in urls:
        try:
            keys[url] = first_of([url], read, [first])
        except SurroundingsError as error:
            errors[url] = error
    for url, found in errors.items():
        hangs = isinstance(found, FetchError) and found.status is None
        if more and not (hangs and keys):
            with suppress(SurroundingsError):
                keys[url] = first_of([url], read, more)
    if not keys:
        raise worst(list(errors.values()))
    for url in errors.keys() - keys.keys():
        import logging

        logging.getLogger(__name__).warning("A key is missing: %s", errors[url].what)
    return [(url, keys[url]) for url in urls if url in keys]


def key_urls(document: RepositoryDocument, arch: str) -> Mapping[str, tuple[str, ...]]:
    """Where the keys of each repository of a document are; repositories without keys left out."""
    return {
        repo.id: expanded(repo, document, arch).gpgkey for repo in document.repos if repo.gpgkey
    }
