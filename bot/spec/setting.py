"""What a distribution's spec files are evaluated with: its macros, `dist`, and definitions."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bot.spec.macros import BUILT_IN, MacroPool, MacroSource, macros_of
from bot.spec.rpm_version import UNKNOWN_RPM, DistributionRpm, published_rpm

if TYPE_CHECKING:
    from bot.distro import Cache, RepositoryDocument, Snapshot

# `.fc43`, `.el9`, `.el9_4`, `.azl3`; not the `.1` of a plain release.
_DIST = re.compile(r"(\.[a-z]+\d+(?:_\d+)?)(?:\.\d+)?$")


@dataclass(frozen=True, slots=True)
class SpecSetting:
    """`macros` and `definitions` (on top of them), the distribution's `rpm`, and `notes`: sentences
    for the report."""

    macros: MacroSource = BUILT_IN
    definitions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rpm: DistributionRpm = UNKNOWN_RPM


class SettingPool(MacroPool, Protocol):
    """What of a pool a setting needs."""

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that was loaded."""
        ...


def commonest_dist(releases: Iterable[str]) -> str:
    """The commonest suffix of published releases that looks like a `dist`; "" where few have one.

    >>> commonest_dist(["1.el9", "4.el9_4.1", "12.el9"])
    '.el9'
    """
    total = 0
    found: Counter[str] = Counter()
    for release in releases:
        total += 1
        if (match := _DIST.search(release)) is not None:
            found[match[1]] += 1
    if not found:
        return ""
    dist, count = min(found.items(), key=lambda item: (-item[1], item[0]))
    return dist if count * 4 >= total else ""


def setting_of(
    document: RepositoryDocument,
    pools: Mapping[str, SettingPool],
    cache: Cache,
    *,
    dist: str | None = None,
    more: Mapping[str, str] | None = None,
    rpm: DistributionRpm | None = None,
) -> SpecSetting:
    """What spec files of a repository document are evaluated with.

    `pools` are its loaded snapshots by architecture; the first one's macro packages serve all.
    `dist` is what the change's own repository says (`.minimize.yaml`); else the document's, else
    the commonest suffix of the published releases. `more` are further definitions, by name. `rpm`
    is the distribution's, with a root where there is one; without it the host's evaluates.
    """
    pool = next(iter(pools.values()))
    macros = macros_of(pool, cache, buildroot=document.buildroot_packages, name=document.id)
    if dist is None:
        dist = document.dist
    if dist is None:
        dist = _published_dist(pool, cache)
    definitions = {"dist": dist, **(more or {})}
    if rpm is None:
        rpm = DistributionRpm(published_rpm(pool))
    return SpecSetting(macros, definitions, (*macros.notes, *rpm.notes), rpm)


def _published_dist(pool: SettingPool, cache: Cache) -> str:
    """The commonest `dist` of a snapshot, remembered in the cache."""
    name = hashlib.sha256(pool.snapshot.id.encode()).hexdigest()
    place = cache.addressed("dist", name)
    try:
        return place.read_text()
    except OSError:
        dist = commonest_dist(nevra.release for nevra in pool.selects("*"))
        cache.write(place, dist.encode())
        return dist
