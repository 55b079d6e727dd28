"""OpenPGP keys of repositories, from where their documents say they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.distro import transfer
from bot.distro.documents import RepositoryDocument
from bot.distro.retry_policy import MANY, RetryPolicy
from bot.distro.transfer import read_small
from bot.distro.variables import expanded
from bot.errors import SurroundingsError
from bot.model.package import NO_ACCESS, RepositoryAccess


def read_keys(
    urls: Sequence[str], access: RepositoryAccess = NO_ACCESS, retry_policy: RetryPolicy = MANY
) -> list[tuple[str, bytes]]:
    """The keys that can be had, each with its URL; SurroundingsError where that is none of them."""
    from bot.distro import gpg

    keys: list[tuple[str, bytes]] = []
    problems: list[SurroundingsError] = []
    for url in urls:
        try:
            answer = read_small(url, gpg.MAX_KEY, access=access, retry_policy=retry_policy)
            keys.append((url, answer.content or b""))
        except SurroundingsError as error:
            problems.append(error)
    if not keys:
        raise transfer.worst(problems)
    return keys


def key_urls(document: RepositoryDocument, arch: str) -> Mapping[str, tuple[str, ...]]:
    """Where the keys of each repository of a document are; repositories without keys left out."""
    return {
        repo.id: expanded(repo, document, arch).gpgkey for repo in document.repos if repo.gpgkey
    }
