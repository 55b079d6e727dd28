"""Evidence for edits: traces of what would leave in the files of what stays, and precedents.

A trace is a file that names a program, a soname or a module of a package that would leave: in ELF
files a whole string, elsewhere a whole word. Documentation does not count. Files are looked into
where the packages are at hand; where one is not, nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bot.advice.headers import HeaderFacts
from bot.advice.swaps import Offer
from bot.closure.pool import Pool
from bot.distro.cache import Cache
from bot.distro.transfer import local_path
from bot.image.listing import listing
from bot.image.payload import Content, read_payload
from bot.image.rpmheader import RefusedPackageError
from bot.model.advice import Change, ImageAdvice, Plan, Precedent
from bot.model.capability import names_in
from bot.model.package import Package

MOST_TRACES = 20
_DOCUMENTATION = re.compile(r"^/usr/share/(?:doc|man|info|licenses|locale|help|gtk-doc)/")
_SHORT = 3  # letters: a shorter name of a program (`[`, `ps`) is a word of any text


def traces(
    leaving: Iterable[Offer], staying: Sequence[Package], headers: HeaderFacts, cache: Cache
) -> tuple[str, ...] | None:
    """The files of `staying` that name something of what leaves; null where not all are at hand.

    `scriptlets of NAME` stands for a package's scriptlets. At most MOST_TRACES of them.
    """
    paths = [at_hand(package) for package in staying]
    if not all(paths):
        return None
    names = _names(leaving)
    if not names:
        return ()
    strings = re.compile(rb"(?<=\0)(?:" + b"|".join(map(re.escape, names)) + rb")(?=\0)")
    words = re.compile(
        rb"(?<![\w.+-])(?:" + b"|".join(map(re.escape, names)) + rb")(?![\w+-]|\.\w)"
    )
    headers.read(staying)
    found: list[str] = []
    for package, path in zip(staying, paths, strict=True):
        assert path is not None
        facts = headers.of(package.nevra)
        if facts is not None and words.search(facts.scriptlets.encode()):
            found.append(f"scriptlets of {package.nevra.name}")
        try:
            found += _files_with(package, path, cache, strings, words)
        except RefusedPackageError:
            return None
        if len(found) >= MOST_TRACES:
            break
    return tuple(found[:MOST_TRACES])


def at_hand(package: Package) -> Path | None:
    """The file of a package in a local repository; null where it would have to be fetched."""
    path = local_path(package.location.url) if package.location is not None else None
    return path if path is not None and path.is_file() else None


def _names(leaving: Iterable[Offer]) -> list[bytes]:
    """The names to look for, the longest first: paths and names of programs, sonames, modules."""
    found: set[str] = set()
    for offer in leaving:
        found |= {*offer.programs, *offer.sonames}
        found |= {name for p in offer.programs if len(name := p.rpartition("/")[2]) >= _SHORT}
        # Of `perl(A::B)` and `python3dist(a)` what stands in the brackets.
        found |= {name.partition("(")[2].rstrip(")") or name for name in offer.modules}
    return sorted((name.encode() for name in found), key=lambda name: (-len(name), name))


def _files_with(
    package: Package,
    path: Path,
    cache: Cache,
    strings: re.Pattern[bytes],
    words: re.Pattern[bytes],
) -> list[str]:
    entries = listing(package, cache)
    found: list[str] = []

    def take(index: int, _: int, content: Content) -> None:
        data = b"".join(content)
        name = entries.files[index].path
        if not _DOCUMENTATION.match(name):
            pattern = strings if data.startswith(b"\x7fELF") else words
            if pattern.search(data):
                found.append(name)

    read_payload(str(package.nevra), path, entries, take)
    return sorted(found)


def with_precedents(
    advices: Iterable[ImageAdvice], pools: Mapping[tuple[str, str], Pool]
) -> tuple[ImageAdvice, ...]:
    """The advices, each change with the other distributions that do without its requirement.

    `pools` are by repository document and architecture; those of the image's own do not count.
    """
    return tuple(
        replace(
            advice,
            plans=tuple(
                replace(plan, changes=_looked_up(plan, advice, pools)) for plan in advice.plans
            ),
        )
        for advice in advices
    )


def _looked_up(
    plan: Plan, advice: ImageAdvice, pools: Mapping[tuple[str, str], Pool]
) -> tuple[Change, ...]:
    others = [
        (repository, pool)
        for (repository, arch), pool in sorted(pools.items(), key=lambda item: item[0])
        if repository != advice.key.repository and arch == advice.key.arch
    ]
    return tuple(
        replace(c, evidence=replace(c.evidence, precedent=tuple(_precedents(c, others))))
        if c.kind in ("order", "weaken")
        else c
        for c in plan.changes
    )


def _precedents(change: Change, others: Collection[tuple[str, Pool]]) -> Iterable[Precedent]:
    for repository, pool in others:
        for package in pool.candidates(change.package):
            required = {n for d in package.of_kind("requires") for n in names_in(d.capability)}
            known = package.nevra.name == change.package
            if known and not any(_is(name, change.capability) for name in required):
                yield Precedent(repository, package.nevra)


def _is(name: str, capability: str) -> bool:
    return name == capability or name.startswith(f"{capability}(")
