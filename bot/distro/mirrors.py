"""Mirrors of a repository: metalinks, with their checksums of repomd.xml, and mirror lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot import limits
from bot.distro.failover import RetryPolicy
from bot.distro.repomd import CHECKSUMS, RepomdError, local_name, number_of, parse_xml
from bot.distro.transfer import read_small
from bot.errors import SurroundingsError
from bot.model.package import RepositoryAccess

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_MIRRORS = 20
_REPOMD = "repodata/repomd.xml"


@dataclass(frozen=True, slots=True)
class Hashes:
    """The checksums (by type) and size of one repomd.xml that a metalink vouches for; size may be
    null."""

    checksums: tuple[tuple[str, str], ...]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Base URLs, best first, each ending in `/`.

    `current` is the repomd.xml that the metalink names, `alternates` are recent older ones; both
    empty for a mirror list.
    """

    base_urls: tuple[str, ...]
    current: Hashes | None = None
    alternates: tuple[Hashes, ...] = ()


def read_metalink(url: str, access: RepositoryAccess, retry_policy: RetryPolicy) -> Mirrors:
    """The mirrors and checksums of a metalink (version 3, as MirrorManager writes them).

    Raises SurroundingsError if it cannot be fetched or has no usable mirror.
    """
    answer = read_small(url, limits.MIRRORS, access=access, retry_policy=retry_policy)
    return _parse_metalink(url, answer.content or b"")


def read_mirrorlist(url: str, access: RepositoryAccess, retry_policy: RetryPolicy) -> Mirrors:
    """The mirrors of a list with one URL per line; a metalink is accepted too."""
    answer = read_small(url, limits.MIRRORS, access=access, retry_policy=retry_policy)
    content = answer.content or b""
    if content.lstrip().startswith(b"<") and b"metalink" in content[:2000]:
        return _parse_metalink(url, content)
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return Mirrors(_bases(url, [line for line in lines if not line.startswith("#")]))


def _parse_metalink(url: str, content: bytes) -> Mirrors:
    try:
        root = parse_xml(content)
    except RepomdError as error:
        raise SurroundingsError(f"{url} is not a metalink: {error}.") from error
    file = next(
        (f for f in root.iter() if _has_name(f, "file") and f.get("name") == "repomd.xml"), None
    )
    if file is None:
        raise SurroundingsError(f"{url} is not a metalink of a repomd.xml.")
    urls = [
        (-(number_of(e.get("preference", "")) or 0), e.text or "")
        for e in file.iter()
        if _has_name(e, "url")
    ]
    urls.sort(key=lambda pair: pair[0])
    alternates = [e for e in file.iter() if _has_name(e, "alternate")]
    own = [child for child in file if not _has_name(child, "alternates")]
    return Mirrors(
        _bases(url, [text.strip() for _, text in urls]),
        _hashes(own),
        tuple(h for h in (_hashes(e) for e in alternates) if h is not None),
    )


def _has_name(element: Element, name: str) -> bool:
    return local_name(element.tag) == name


def _hashes(children: Iterable[Element]) -> Hashes | None:
    """The checksums below `<verification>` and the `<size>` beside it."""
    checksums: list[tuple[str, str]] = []
    size: int | None = None
    for child in children:
        text = (child.text or "").strip()
        if _has_name(child, "size"):
            size = number_of(text)
        if _has_name(child, "verification"):
            for element in child:
                kind = element.get("type", "")
                if _has_name(element, "hash") and kind in CHECKSUMS:
                    checksums.append((kind, (element.text or "").strip().lower()))
    return Hashes(tuple(checksums), size) if checksums else None


def _bases(url: str, texts: list[str]) -> tuple[str, ...]:
    """The base URLs of the listed mirrors with a supported scheme, in order."""
    bases: dict[str, None] = {}
    # A remote list must not make us read local files.
    schemes = ("https://", "http://", "file:///")[: 3 if url.startswith("file://") else 2]
    for text in texts:
        if text.startswith(schemes):
            bases[text.removesuffix(_REPOMD).rstrip("/") + "/"] = None
    if not bases:
        raise SurroundingsError(f"{url} offers no mirror that can be read over HTTP.")
    return tuple(bases)[:_MAX_MIRRORS]
