"""Swaps: packages of the smallest image that replace others, and what the others offered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.advice.candidates import Candidates
from bot.advice.model import Answer, Model
from bot.advice.requests import request_name
from bot.closure.overlay_pool import OverlayPool
from bot.model.advice import Losses, Swap
from bot.model.capability import split_capability

PROGRAM = re.compile(r"/s?bin/[^/]+$")
_SONAME = re.compile(r"[^/()\s]+\.so(?:\.[^()\s]*)?(?=\(|$)")
_MODULE = re.compile(r"(?:perl|python\d*(?:\.\d+)?dist|rubygem|npm|golang)\([^)]+\)")
_PYTHON = re.compile(
    r"/python\d[\d.]*/(?:(?:site|dist)-packages/|lib-dynload/)?([A-Za-z_]\w*)"
    r"(?:\.py|/__init__\.py|(?:\.[\w-]+)?\.so)$"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """The programs, sonames and modules that a package has for others to use."""

    programs: frozenset[str] = frozenset()
    sonames: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()


def offers(overlays: OverlayPool, paths: Mapping[int, Iterable[str]]) -> Mapping[int, Offer]:
    """Return the offers of packages with these paths, and by what they provide."""
    offered = {}
    for number, files in paths.items():
        provided = (d.capability for d in overlays.package(number).of_kind("provides"))
        offered[number] = offer_of(files, provided)
    return offered


def offer_of(files: Iterable[str], provides: Iterable[str]) -> Offer:
    """Return what files offer, and the capabilities that they or their package provide."""
    files = list(files)
    provided = {split_capability(capability).name for capability in provides}
    sonames = (_SONAME.match(name) for name in provided)
    return Offer(
        frozenset(path for path in files if PROGRAM.search(path)),
        frozenset(match[0] for match in sonames if match),
        frozenset(name for name in provided if _MODULE.fullmatch(name))
        | frozenset(match[1] for path in files if (match := _PYTHON.search(path))),
    )


def files_of(overlays: OverlayPool, numbers: Iterable[int]) -> Mapping[int, tuple[str, ...]]:
    """Return all paths of packages, published ones and those of an overlay."""
    overlaid = {n: package for n in numbers if (package := overlays.overlaid(n)) is not None}
    published = overlays.files([n for n in numbers if n not in overlaid])
    return {**published, **{n: package.files for n, package in overlaid.items()}}


def replacements(candidates: Candidates, target: frozenset[int]) -> Mapping[int, frozenset[int]]:
    """Return the packages that come into `target`, each with those that it replaces.

    What a replaced package requires counts too: `curl-minimal` comes with `libcurl-minimal` instead
    of the library of `curl`.
    """
    now = candidates.now
    kept, leaving, entering = now & target, now - target, target - now
    of_jobs = [clause for job in candidates.jobs for clause in job]
    replaced: dict[int, frozenset[int]] = {}
    holders, known = kept, frozenset[int]()
    while holders != known:
        known = holders
        needed = (c for n in candidates.needs if n.package in holders for c in n.formula)
        for clause in (*of_jobs, *needed):
            if not clause & kept:
                for number in clause & entering:
                    replaced[number] = replaced.get(number, frozenset()) | (clause & leaving)
        holders = kept.union(*replaced.values())
    return {number: others for number, others in sorted(replaced.items()) if others}


def swaps_of(
    candidates: Candidates,
    model: Model,
    answer: Answer,
    has: Mapping[int, Offer],
    *,
    seconds: float,
) -> tuple[Swap, ...]:
    """Return the swaps of the smallest image of one architecture, the largest savings first."""
    target = answer.packages[0]
    entering = target - candidates.now
    packages = candidates.packages
    swaps = []
    for number, others in replacements(candidates, target).items():
        without = model.smallest(seconds=seconds, known=(candidates.now,), without=[(0, number)])
        sources = {packages[n].source for n in others}
        swaps.append(
            Swap(
                tuple(sorted({packages[n].nevra.name for n in others})),
                request_name(packages[number].nevra, candidates.arch, packages[number].second_tier),
                without.size - answer.size if without is not None else 0,
                "same-source" if sources == {packages[number].source} else "other",
                _losses(others, entering, has),
            )
        )
    return tuple(sorted(swaps, key=lambda s: (-s.saves, s.take)))


def _losses(of: Iterable[int], entering: Iterable[int], has: Mapping[int, Offer]) -> Losses:
    def lost(field: str) -> tuple[str, ...]:
        before = {text for n in of if n in has for text in getattr(has[n], field)}
        after = {text for n in entering if n in has for text in getattr(has[n], field)}
        return tuple(sorted(before - after))

    return Losses(lost("programs"), lost("sonames"), lost("modules"))
