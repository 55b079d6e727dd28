"""Security fixes of images whose packages are pinned: those that they have not got yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument
from bot.distro.snapshot import open_snapshot
from bot.model.image import ImageKey
from bot.model.package import Package
from bot.surface.advisories import advisories_of
from bot.surface.vex import unfixed_cves


@dataclass(frozen=True, slots=True)
class PinnedFixes:
    """The ids of advisories that an image lacks, and the CVEs without a fix; null: not known."""

    key: ImageKey
    unapplied: tuple[str, ...] | None
    unfixed: tuple[str, ...] | None

    @property
    def figures(self) -> dict[str, tuple[str, ...] | None]:
        """The two lists, as JSON has them."""
        return {"unapplied": self.unapplied, "unfixed": self.unfixed}


def pinned_fixes(
    key: ImageKey, packages: Collection[Package], document: RepositoryDocument, cache: Cache
) -> PinnedFixes:
    """The fixes that the newest metadata of a document has and the packages of an image have not.

    Raises SurroundingsError where metadata, an updateinfo or a VEX document cannot be read, and
    UsageError where the document has no such architecture.
    """
    known = advisories_of(open_snapshot(document, key.arch, cache), packages)
    unfixed = None if document.vex is None else unfixed_cves(document.vex, cache).of(packages)
    return PinnedFixes(key, known.unapplied, unfixed)
