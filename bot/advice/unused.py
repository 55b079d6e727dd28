"""Hand-written requirements without a trace of use in the package that has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bot.advice.contents import Depth, contents_of, names_of, paths_of
from bot.advice.edits import capability_name
from bot.advice.headers import HeaderFacts
from bot.advice.maintainers import Maintainers
from bot.advice.requests import Job
from bot.advice.swaps import offers
from bot.closure.overlay_pool import OverlayPool
from bot.closure.requests import dependency_id
from bot.model.advice import UnusedRequirement
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.spec.headers import capability_key

Known = dict[tuple[Nevra, str], Depth | None]


def unused_requirements(
    jobs: Iterable[Job], headers: HeaderFacts, maintainers: Sequence[Maintainers] = ()
) -> tuple[UnusedRequirement, ...]:
    """Return the hand-written requirements of which no file or scriptlet shows a use.

    They are sorted by maintainer, source and package. Traces are names of the packages that meet
    the requirement today: programs, sonames, modules, paths. Requirements that a package of the
    same source meets are left out, those met by packages without such names, and those of packages
    whose header cannot be read.
    """
    known: Known = {}
    images: Counter[tuple[str, str, str]] = Counter()
    depths: dict[tuple[str, str, str], Depth] = {}
    for job in jobs:
        unused = _of_image(job, headers, known)
        images.update(unused.keys())
        depths.update(unused)
    requirements = [
        UnusedRequirement(
            package,
            source,
            capability,
            images[package, source, capability],
            depth,
            next((named for one in maintainers if (named := one.of(source))), ()),
        )
        for (package, source, capability), depth in depths.items()
    ]
    return tuple(
        sorted(requirements, key=lambda u: (u.maintainers, u.source, u.package, u.capability))
    )


def _of_image(job: Job, headers: HeaderFacts, known: Known) -> Mapping[tuple[str, str, str], Depth]:
    depths: dict[tuple[str, str, str], Depth] = {}
    with job.pool.solved(job.request, job.overlay) as image:
        overlays, now = image.overlays, frozenset(image.solution.installed)
        packages = {number: overlays.package(number) for number in sorted(now)}
        headers.read(packages.values())
        for number, package in packages.items():
            facts = headers.of(package.nevra)
            for text in facts.written if facts is not None else ():
                name = capability_name(text)
                if name is None or facts is None or capability_key(text) in facts.generated:
                    continue
                key = package.nevra, text
                if key not in known:
                    met = _met_by(overlays, text, packages) - {number}
                    known[key] = _depth(overlays, package, packages, met, headers)
                depth = known[key]
                if depth is not None:
                    depths[package.nevra.name, package.source, name] = depth
    return depths


def _met_by(overlays: OverlayPool, text: str, packages: Mapping[int, Package]) -> set[int]:
    number = dependency_id(overlays.pool, text)
    return set(overlays.providers(number) if number else ()) & packages.keys()


def _depth(
    overlays: OverlayPool,
    package: Package,
    packages: Mapping[int, Package],
    met: set[int],
    headers: HeaderFacts,
) -> Depth | None:
    """Return the depth of a search without a trace; None if there is one or nothing to find."""
    if not met or any(packages[n].source == package.source for n in met):
        return None
    paths = paths_of(overlays, met, headers)
    if paths is None:
        return None
    files = {path for own in paths.values() for path in own}
    names = names_of(offers(overlays, paths).values(), files, _others(packages, met, headers))
    if not names.all:
        return None
    contents = contents_of(package, headers, names)
    return contents.depth if contents is not None and not contents.mentions else None


def _others(packages: Mapping[int, Package], met: set[int], headers: HeaderFacts) -> frozenset[str]:
    """Return the paths of all packages except those that meet a requirement."""
    facts = (headers.of(p.nevra) for n, p in packages.items() if n not in met)
    return frozenset(file.path for own in facts if own is not None for file in own.files)
