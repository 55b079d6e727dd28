"""Images that cannot be installed although the change is not at fault.

An overlay replaces every published package of its sources, of any version and architecture
(CONTRACT, "Overlay"): an image that needs an older or an i686 package is unsolvable on both sides.
If only head is unsolvable, the cause may be: a requirement that the base's own spec file states
too, while the published package is older than it; packages of another spec file of the change that
could not be evaluated; packages of the change for another architecture, which no overlay has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bot.check.evidence import Sides
from bot.check.stated_lines import overlay_with, with_version_of
from bot.closure.pool import Pool
from bot.model.architecture import native_arches
from bot.model.capability import names_in
from bot.model.closure import Closure, ClosurePair, Requirement, UnsolvableCause
from bot.model.image import ImageRequest
from bot.model.package import Overlay, Package

# Ignoring requirements can reveal others.
_MOST_ROUNDS = 5


def with_base_of_spec(
    pool: Pool, request: ImageRequest, pair: ClosurePair, sides: Sides
) -> ClosurePair:
    """The pair with the base as its spec file predicts it, if that fails like head.

    `request` is the base's. Applies if the published base can be installed, head cannot, and the
    base's spec file requires every missing capability too, of whatever version.
    """
    if pair.base.status != "ok" or pair.head.status != "unsolvable" or sides.base_spec is None:
        return pair
    lacking = _lacking(pair.head)
    if lacking is None or not lacking:
        return pair
    own = pool.solve(request, sides.base_spec, settled=lambda _: True)
    if own.status != "unsolvable" or not lacking <= (_lacking(own) or set()):
        return pair
    named = " and ".join(sorted(lacking))
    reason = (
        f"The base's spec file requires {named} too, which nothing provides; the published"
        " packages were made without it."
    )
    return replace(pair, base=own, reason=reason)


def _lacking(closure: Closure) -> set[str] | None:
    """The names of the missing capabilities; null if there are other causes too."""
    causes = _native(closure)
    if any(c.kind != "missing" or c.needed_by is None for c in causes):
        return None
    return {name for c in causes for name in names_in(c.capability)}


def _native(closure: Closure) -> list[UnsolvableCause]:
    return [cause for cause in closure.causes if not cause.arch_only]


@dataclass(frozen=True, slots=True)
class UnevaluatedPackages:
    """Known facts about the packages of a spec file that could not be evaluated.

    `published` are the names of its source's published packages, `offered` their names, provides
    and files; `patterns` match the names and paths in the spec file's text on either side, any text
    standing for a macro.
    """

    path: str
    published: frozenset[str]
    offered: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]

    def may_make(self, capability: str) -> bool:
        """Return whether a package of the spec file may provide the capability."""
        return any(
            name in self.offered or any(p.fullmatch(name) for p in self.patterns)
            for written in names_in(capability)
            for name in {written, _ISA.sub("", written)}
        )

    def concerns(self, cause: UnsolvableCause) -> bool:
        """Return whether the packages, if evaluated, might remove the cause."""
        holders = {n.name for n in (cause.needed_by, cause.conflicts_with) if n is not None}
        return not holders.isdisjoint(self.published) or (
            cause.needed_by is not None and self.may_make(cause.capability)
        )


_ISA = re.compile(r"\([\w-]+\)$")
_MACRO = re.compile(r"%\{[^{}]*\}|%\w+")
_NAME_MACRO = re.compile(r"%\{\??name\}|%name\b")
_MAIN = re.compile(r"^\s*Name\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_SUBPACKAGE = re.compile(r"^\s*%package\s+(-n\s+)?(\S+)", re.MULTILINE)
_PROVIDES = re.compile(r"^\s*Provides\s*:(.*)$", re.IGNORECASE | re.MULTILINE)
_FILE = re.compile(r"(?:^|\s)((?:/|%\{?_)\S*/\S+)", re.MULTILINE)
# Fewer letters beside macros would match almost anything.
_FEWEST_LETTERS = 3


def unevaluated_packages(
    pool: Pool, path: str, sources: Iterable[str], texts: Iterable[str]
) -> UnevaluatedPackages:
    """Collect what is known about the packages of the spec file at `path`.

    `sources` are its source packages, if known, `texts` the file's on both sides.
    """
    texts = tuple(texts)
    stem = path.rpartition("/")[2].removesuffix(".spec")
    named = {m[1] for text in texts for m in _MAIN.finditer(text) if "%" not in m[1]}
    names = {*sources, *named} or {stem}
    published = [p for name in sorted(names) for p in pool.published(name)]
    provided = (n for p in published for d in p.of_kind("provides") for n in names_in(d.capability))
    return UnevaluatedPackages(
        path,
        frozenset(p.nevra.name for p in published),
        frozenset({*provided, *(f for p in published for f in p.files)}),
        tuple(dict.fromkeys(p for name in sorted(names) for p in _patterns(name, texts))),
    )


def _patterns(source: str, texts: Iterable[str]) -> Iterator[re.Pattern[str]]:
    for text in texts:
        yield re.compile(re.escape(source))
        for own, name in _SUBPACKAGE.findall(text):
            yield from _pattern(source, name if own else f"{source}-{name}")
        for match in _PROVIDES.finditer(text):
            for name in re.split(r"[\s,]+", match[1].strip()):
                yield from _pattern(source, name)
        for path in _FILE.findall(text):
            yield from _pattern(source, path)


def _pattern(source: str, written: str) -> Iterator[re.Pattern[str]]:
    parts = _MACRO.split(_NAME_MACRO.sub(lambda _: source, written))
    if sum(map(len, parts)) >= _FEWEST_LETTERS:
        yield re.compile(".*".join(map(re.escape, parts)))


def undecided(
    pool: Pool,
    request: ImageRequest,
    pair: ClosurePair,
    sides: Sides,
    unevaluated: Iterable[UnevaluatedPackages],
) -> str:
    """A sentence on why an unsolvable head cannot be judged; else empty.

    So it is if head can be installed without the requirements that an unevaluated spec file may
    provide and those of its published packages; or with the change's packages of another
    architecture (i686), which the build farm makes from the same specs and no overlay has; or
    without the packages that a command of the image's file removes.
    """
    if pair.head.status != "unsolvable":
        return ""
    if removed := _wants_removed(pool, request, sides):
        return removed
    if pair.base.status == "unsolvable":
        return ""
    return _wants_unevaluated(pool, request, pair, sides, tuple(unevaluated)) or _wants_foreign(
        pool, request, sides
    )


def _wants_removed(pool: Pool, request: ImageRequest, sides: Sides) -> str:
    """As `undecided`, for packages that a command of the image's file removes: depending on the
    order of commands, dnf removes what requires them or fails."""
    names = (*request.removes, *request.swaps)
    whole = replace(request, removes=(), swaps=())
    if not names or pool.solve(whole, sides.head, settled=lambda _: True).status != "ok":
        return ""
    listed = " and ".join(f"`{name}`" for name in names)
    return f"Its packages are not known: a command removes {listed}, which others need."


def _wants_foreign(pool: Pool, request: ImageRequest, sides: Sides) -> str:
    """As `undecided`, for packages of another architecture: the published ones with head's version
    and the lines that the change adds."""
    head = sides.head
    by_name = {p.nevra.name: p.nevra for p in head.packages}
    native = native_arches(pool.arch)
    # If there are several versions, the newest, which comes last.
    foreign = {
        package.nevra.name_arch: with_version_of(package, by_name[package.nevra.name])
        for source in sorted(head.sources)
        for package in pool.published(source)
        if package.nevra.arch not in native and package.nevra.name in by_name
    }
    if not foreign:
        return ""
    foreign_overlay = replace(head, packages=tuple(foreign.values()))
    for line in dict.fromkeys(addition.origin for addition in sides.lines):
        foreign_overlay = overlay_with(foreign_overlay, sides.lines, line)
    overlay = replace(head, packages=(*head.packages, *foreign_overlay.packages))
    with_them = pool.solve(request, overlay, settled=lambda _: True)
    if with_them.status != "ok":
        return ""
    nevras = {p.nevra for p in foreign.values()} & {p.nevra for p in with_them.packages}
    names = " and ".join(f"{n.name}.{n.arch}" for n in sorted(nevras))
    return (
        f"It is not known whether it can be installed: it needs {names} of this change, which a"
        f" check on {pool.arch} does not make. With the published ones and the change's added"
        " lines, it can be."
    )


def _wants_unevaluated(
    pool: Pool,
    request: ImageRequest,
    pair: ClosurePair,
    sides: Sides,
    unevaluated: tuple[UnevaluatedPackages, ...],
) -> str:
    head, ignored = pair.head, frozenset[Requirement]()
    first: tuple[UnevaluatedPackages, UnsolvableCause] | None = None
    for _ in range(_MOST_ROUNDS):
        causes = _native(head)
        concerned = [
            (packages, c) for c in causes for packages in unevaluated if packages.concerns(c)
        ]
        first = first or next(iter(concerned), None)
        requirements = {
            Requirement(c.needed_by, c.capability)
            for _, c in concerned
            if c.kind == "missing" and c.needed_by is not None
        }
        if requirements <= ignored:
            # A conflict cannot be ignored: only if there are no other causes.
            decided = any(not any(packages.concerns(c) for packages in unevaluated) for c in causes)
            return "" if first is None or decided or not concerned else _sentence(*first)
        ignored |= requirements
        head = pool.solve(request, sides.head, drop=ignored, settled=lambda _: True)
        if head.status == "ok":
            break
    return "" if first is None or head.status != "ok" else _sentence(*first)


def _sentence(packages: UnevaluatedPackages, cause: UnsolvableCause) -> str:
    holder = cause.needed_by
    if cause.kind == "missing":
        need = f"{holder} requires {cause.capability}"
    else:
        need = f"{holder} cannot be installed beside {cause.conflicts_with}"
    return (
        f"It is not known whether it can be installed: {need}, and {packages.path} could not be"
        " evaluated."
    )


def with_reason(pool: Pool, request: ImageRequest, pair: ClosurePair, base: Overlay) -> ClosurePair:
    """The pair, with a reason if both sides are unsolvable and the published packages are not."""
    if not pair.base.status == pair.head.status == "unsolvable":
        return pair
    published = pool.solve(request, settled=lambda _: True)
    if published.status != "ok":
        return pair
    return replace(pair, reason=_reason(published, base, pool.arch))


def _reason(published: Closure, base: Overlay, arch: str) -> str:
    """Sentences on the published packages that the image needs and the overlay lacks."""
    overlay_nevras = {p.nevra for p in base.packages}
    packages = [
        p for p in published.packages if p.source in base.sources and p.nevra not in overlay_nevras
    ]
    foreign = [p for p in packages if p.nevra.arch not in native_arches(arch)]
    names = {p.nevra.name for p in base.packages}
    older = [p for p in packages if p not in foreign and p.nevra.name in names]
    lost = [p for p in packages if p not in foreign and p.nevra.name not in names]
    sentences = [
        *_sentences(older, "It needs an older version of {source} that this change replaces"),
        *_sentences(
            foreign,
            "It needs packages of {source} for another architecture, which this change replaces and"
            f" a check on {arch} does not know",
        ),
        *_sentences(lost, "It needs packages of {source} that its spec file no longer makes"),
    ]
    return " ".join([*sentences, "With the published packages alone it can be installed."])


def _sentences(packages: Iterable[Package], text: str) -> list[str]:
    of_source: dict[str, list[str]] = {}
    for package in packages:
        of_source.setdefault(package.source, []).append(str(package.nevra))
    return [
        f"{text.format(source=source)}: {', '.join(sorted(nevras))}."
        for source, nevras in sorted(of_source.items())
    ]
