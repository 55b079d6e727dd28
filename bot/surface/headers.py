"""The attack surface of an image from its packages' headers, without its layer."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.distro.cache import Cache
from bot.distro.packages import read_header
from bot.distro.snapshot import Snapshot
from bot.image.listing import has_listing
from bot.image.measure import StandIn, with_files
from bot.image.plan import LayerPlan, plan_layer
from bot.image.selection import Selection
from bot.model.closure import Closure
from bot.model.package import Package
from bot.model.surface import Surface
from bot.surface.advisories import advisories_of
from bot.surface.files import surface_of_files
from bot.surface.vex import unfixed_cves

_TOGETHER = 8
_UNREAD = "Users: the passwd of the image was not read."


def surface_of_plan(plan: LayerPlan, closure: Closure, snapshot: Snapshot, cache: Cache) -> Surface:
    """The attack surface of an image whose layer is planned, with the advisories of its sources.

    Raises SurroundingsError where the updateinfo of a repository, or a VEX document of its vendor,
    cannot be read.
    """
    found = surface_of_files(plan)
    known = advisories_of(snapshot, closure.packages)
    vex = snapshot.document.vex
    return replace(
        found,
        advisories=known.counts,
        unapplied=known.unapplied,
        unfixed=None if vex is None else unfixed_cves(vex, cache).of(closure.packages),
        partial=(*found.partial, *known.partial),
    )


def surface_of_headers(
    closure: Closure,
    snapshot: Snapshot,
    cache: Cache,
    *,
    selection: Selection | None = None,
    stand_in: StandIn | None = None,
    fetch: bool = False,
) -> Surface | None:
    """The attack surface of a closure; null where it is unsolvable, or a header is not at hand.

    Headers are at hand in the cache and in files; with `fetch` the others are fetched, alone, as
    repositories say where they end. A package without a file of its own counts with the files of
    its `stand_in`, which `partial` says. Raises ChangeError where the packages make no image,
    SurroundingsError where a header or an updateinfo cannot be had.
    """
    packages = with_files(closure.packages, stand_in) if closure.status == "ok" else None
    if packages is None:
        return None
    missing = [package for package in packages if not _at_hand(package, cache)]
    if missing and not fetch:
        return None
    _fetch(missing, cache)
    plan = plan_layer(packages, cache, selection, database=False, payload=False)
    found = surface_of_plan(plan, closure, snapshot, cache)
    untold = [*found.partial, *_stood_in(closure.packages)]
    return replace(found, partial=(*untold, *(() if plan.accounts else (_UNREAD,))))


def _at_hand(package: Package, cache: Cache) -> bool:
    assert package.location is not None
    parts = urlsplit(package.location.url)
    return has_listing(package, cache) or (
        parts.scheme == "file" and Path(unquote(parts.path)).exists()
    )


def _fetch(packages: Iterable[Package], cache: Cache) -> None:
    """Fetch headers, alone and several at once. Raises SurroundingsError where one is not given."""
    with ThreadPoolExecutor(_TOGETHER) as pool:
        list(pool.map(partial(read_header, cache=cache), packages))


def _stood_in(packages: Iterable[Package]) -> Iterable[str]:
    names = sorted(package.nevra.name for package in packages if package.location is None)
    if names:
        yield f"{', '.join(names)}: as published, this change's own files are not built."
