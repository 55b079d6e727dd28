"""Security advisories of an image's sources, from the updateinfo.xml of its repositories.

createrepo_c reads the format
(https://github.com/openSUSE/libsolv/blob/master/ext/repo_updateinfoxml.c is another reader). An
advisory belongs to the sources of the packages that it lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bot.closure.evr import compare_evr
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument
from bot.distro.repomd import createrepo
from bot.distro.snapshot import Snapshot, open_snapshot, repository_file
from bot.errors import SurroundingsError
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.surface import Advisories
from bot.surface.vex import unfixed_cves

if TYPE_CHECKING:
    import createrepo_c

DAYS = 365
Severity = Literal["critical", "important", "moderate", "low", "unrated"]
# Severities of Red Hat and Fedora, and other vendors' names for them.
_SEVERITIES: Mapping[str, Severity] = {
    "critical": "critical",
    "important": "important",
    "high": "important",
    "moderate": "moderate",
    "medium": "moderate",
    "low": "low",
}
_ORDER: tuple[Severity, ...] = ("critical", "important", "moderate", "low", "unrated")


@dataclass(frozen=True, slots=True)
class Advisory:
    """A security advisory: its id, its time of issue (UTC), and its packages.

    `sources` are source packages; `packages` are binary ones whose source it does not name; `fixed`
    are the packages with the fix, without those of modules: an image's package does not say its
    stream.
    """

    id: str
    severity: Severity
    issued: datetime
    sources: frozenset[str]
    packages: frozenset[str] = frozenset()
    fixed: frozenset[Nevra] = frozenset()


@lru_cache(maxsize=8)
def read_advisories(path: Path) -> tuple[Advisory, ...]:
    """Read the security advisories of an updateinfo.xml; cached by its path (with checksum).

    Raises SurroundingsError where it is no updateinfo.xml.
    """
    library = createrepo()
    try:
        records = library.UpdateInfo(str(path)).updates
    except library.CreaterepoCError as error:
        raise SurroundingsError(
            f"{path.name} cannot be read as updateinfo: {error}",
            "The repository's metadata is broken; advisories are not known until it is mended.",
        ) from error
    return tuple(
        _advisory(record, issued)
        for record in records
        if record.type == "security" and (issued := record.issued_date or record.updated_date)
    )


def _advisory(record: createrepo_c.UpdateRecord, issued: datetime) -> Advisory:
    packages = [package for collection in record.collections for package in collection.packages]
    return Advisory(
        id=record.id,
        severity=_SEVERITIES.get((record.severity or "").strip().casefold(), "unrated"),
        issued=issued.replace(tzinfo=UTC),
        sources=frozenset(_source_name(package.src) for package in packages if package.src),
        packages=frozenset(package.name for package in packages if not package.src),
        fixed=frozenset(
            Nevra(p.name, int(p.epoch or 0), p.version, p.release, p.arch)
            for collection in record.collections
            if collection.module is None
            for p in collection.packages
        ),
    )


def _source_name(file_name: str) -> str:
    """Return `openssl` for `openssl-3.0.7-1.el9.src.rpm`."""
    stem = file_name.rpartition("/")[2].removesuffix(".rpm").removesuffix(".src")
    return stem.rsplit("-", 2)[0]


def count_advisories(
    advisories: Iterable[Advisory], packages: Collection[Package], until: datetime
) -> Advisories:
    """Count the advisories of the packages' sources in the `DAYS` before `until`, each id once.

    An id in several repositories counts with its gravest severity.
    """
    since = until - timedelta(days=DAYS)
    sources = {package.source for package in packages}
    names = {package.nevra.name for package in packages}
    gravest: dict[str, Severity] = {}
    for advisory in advisories:
        concerns = not (
            advisory.sources.isdisjoint(sources) and advisory.packages.isdisjoint(names)
        )
        if since < advisory.issued <= until and concerns:
            earlier = gravest.get(advisory.id, "unrated")
            gravest[advisory.id] = min(earlier, advisory.severity, key=_ORDER.index)
    counts = Counter(gravest.values())
    return Advisories(days=DAYS, **{severity: counts[severity] for severity in _ORDER})


def unapplied_advisories(
    advisories: Iterable[Advisory], packages: Iterable[Package]
) -> tuple[str, ...]:
    """Return the sorted ids of advisories that fix a package of which the image has an older one.

    That happens if the image's packages are pinned: by a lock file, or in its base image. If an
    advisory has several fixes of a package (streams of a module, releases of a distribution), it
    counts only if none of them is in the image.
    """
    versions: dict[tuple[str, str], list[str]] = {}
    for package in packages:
        versions.setdefault((package.nevra.name, package.nevra.arch), []).append(
            package.nevra.rpm_evr
        )
    ids = set()
    for advisory in advisories:
        fixes: dict[tuple[str, str], list[str]] = {}
        for nevra in advisory.fixed:
            fixes.setdefault((nevra.name, nevra.arch), []).append(nevra.rpm_evr)
        for place, fixed_versions in fixes.items():
            newest = max(versions.get(place, ()), key=cmp_to_key(compare_evr), default=None)
            if newest is not None and all(
                compare_evr(newest, version) < 0 for version in fixed_versions
            ):
                ids.add(advisory.id)
    return tuple(sorted(ids))


@dataclass(frozen=True, slots=True)
class KnownAdvisories:
    """The advisories of an image's packages by a snapshot; null where no repository has updateinfo.

    `partial` are sentences on repositories without.
    """

    counts: Advisories | None = None
    unapplied: tuple[str, ...] | None = None
    partial: tuple[str, ...] = ()


def advisories_of(snapshot: Snapshot, packages: Collection[Package]) -> KnownAdvisories:
    """Return the advisories of the packages in a snapshot.

    Null where no repository of the snapshot has updateinfo: unknown is not none. The days are those
    before the newest metadata of the snapshot.
    """
    advisories: list[Advisory] = []
    without: list[str] = []
    for repository in snapshot.repositories:
        path = repository_file(repository, "updateinfo")
        if path is None:
            without.append(repository.id)
        else:
            advisories += read_advisories(path)
    stamps = [repository.timestamp for repository in snapshot.repositories if repository.timestamp]
    if len(without) == len(snapshot.repositories) or not stamps:
        return KnownAdvisories()
    partial = (f"Advisories: no updateinfo in {', '.join(without)}.",) if without else ()
    until = datetime.fromisoformat(max(stamps))
    return KnownAdvisories(
        count_advisories(advisories, packages, until),
        unapplied_advisories(advisories, packages),
        partial,
    )


@dataclass(frozen=True, slots=True)
class PinnedFixes:
    """The ids of advisories that an image lacks, and the CVEs without a fix; null: not known."""

    key: ImageKey
    unapplied: tuple[str, ...] | None
    unfixed: tuple[str, ...] | None

    @property
    def figures(self) -> dict[str, tuple[str, ...] | None]:
        """The two lists, as in JSON."""
        return {"unapplied": self.unapplied, "unfixed": self.unfixed}


def pinned_fixes(
    key: ImageKey, packages: Collection[Package], document: RepositoryDocument, cache: Cache
) -> PinnedFixes:
    """Return the fixes that a document's newest metadata has and the packages of an image lack.

    Raises SurroundingsError where metadata, an updateinfo or a VEX document cannot be read, and
    UsageError where the document has no such architecture.
    """
    known = advisories_of(open_snapshot(document, key.arch, cache), packages)
    unfixed = None if document.vex is None else unfixed_cves(document.vex, cache).of(packages)
    return PinnedFixes(key, known.unapplied, unfixed)
