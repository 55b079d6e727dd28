"""OpenPGP keys of repositories, and detached signatures of repomd.xml, verified with Sequoia."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from bot import limits
from bot.distro.documents import RepositoryDocument
from bot.distro.failover import FetchError, RefusedFileError, RetryPolicy, first_of, rounds, worst
from bot.distro.transfer import read_small
from bot.distro.variables import expanded
from bot.errors import SurroundingsError
from bot.model.package import NO_ACCESS, RepositoryAccess

if TYPE_CHECKING:
    import pysequoia

# The binding raises anyhow's errors as plain Exception, with a Rust backtrace.
_SEQUOIA_ERRORS = Exception


def read_keys(
    urls: Sequence[str], access: RepositoryAccess = NO_ACCESS, most: RetryPolicy | None = None
) -> list[tuple[str, bytes]]:
    """The keys that could be fetched, each with its URL. Raises SurroundingsError if there is none.

    A server that does not answer is waited for as `most` allows, and not at all once others had
    keys.
    """

    def read(url: str, retry_policy: RetryPolicy) -> bytes:
        return read_small(url, limits.KEY, access=access, retry_policy=retry_policy).content or b""

    first, *later = rounds(len(urls), most)
    keys: dict[str, bytes] = {}
    errors: dict[str, SurroundingsError] = {}
    for url in urls:
        try:
            keys[url] = first_of([url], read, [first])
        except SurroundingsError as error:
            errors[url] = error
    for url, failure in errors.items():
        hangs = isinstance(failure, FetchError) and failure.status is None
        if later and not (hangs and keys):
            with suppress(SurroundingsError):
                keys[url] = first_of([url], read, later)
    if not keys:
        raise worst(list(errors.values()))
    for url in errors.keys() - keys.keys():
        import logging

        logging.getLogger(__name__).warning("A key is missing: %s", errors[url].what)
    return [(url, keys[url]) for url in urls if url in keys]


def key_urls(document: RepositoryDocument, arch: str) -> Mapping[str, tuple[str, ...]]:
    """The URLs of the keys of each repository of a document; repositories without keys are left
    out."""
    return {
        repo.id: expanded(repo, document, arch).gpgkey for repo in document.repos if repo.gpgkey
    }


def verify_detached(
    name: str, content: bytes, signature: bytes, keys: Sequence[tuple[str, bytes]]
) -> None:
    """Raise RefusedFileError, naming `name`, unless one of `keys` signed `content`.

    `keys` are the URL and content of each key file, armored or not, with one or many keys. One good
    signature of several is enough, as for rpm and gpgv.
    """
    import pysequoia
    from pysequoia.packet import PacketPile

    certificates = [certificate for url, key in keys for certificate in _certificates(url, key)]
    why = "it is no signature"
    try:
        packets = list(PacketPile.from_bytes(signature))
    except _SEQUOIA_ERRORS as error:
        packets, why = [], _first_line(error)
    for packet in packets:
        try:
            pysequoia.verify(
                bytes=content,
                store=lambda _ids: certificates,
                signature=pysequoia.Sig.from_bytes(bytes(packet)),
            )
        except _SEQUOIA_ERRORS as error:
            why = _first_line(error)
        else:
            return
    raise RefusedFileError(name, f"it is not signed with one of the configured keys ({why})")


def _certificates(url: str, key: bytes) -> list[pysequoia.Cert]:
    import pysequoia

    try:
        return pysequoia.Cert.split_bytes(key)
    except _SEQUOIA_ERRORS as error:
        raise SurroundingsError(f"{url} is no OpenPGP key: {_first_line(error)}.") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
