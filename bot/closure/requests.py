"""The packages that a request selects, as in dnf's `install`.

It follows dnf.base.Base.install and libdnf's Subject: a request is tried as a NEVRA in its forms,
from the most specific to the least, then as a glob of a NEVRA, as a capability, and as a path. A
request selects jobs: sets of packages of which one must be installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any, NamedTuple

import solv

from bot.closure.evr import compare_evr
from bot.closure.filelists import normal_path
from bot.model.capability import RELATIONS, is_rich
from bot.model.nevra import parse_evr

if TYPE_CHECKING:
    from bot.closure.comps import Comps

_NAME = r"(?P<n>[^:(/=<> ]+)"
_PART = r"[^-:(/=<> ]+"
_ARCH = r"\.(?P<a>[^-:.(/=<> ]+)"
# libdnf's NEVRA_FORM_REGEX, in the order of HY_FORMS_MOST_SPEC.
_FORMS = tuple(
    re.compile(f"{form}\\Z")
    for form in (
        rf"{_NAME}-(?:(?P<e>\d+):)?(?P<v>{_PART})-(?P<r>{_PART}){_ARCH}",
        rf"{_NAME}{_ARCH}",
        _NAME,
        rf"{_NAME}-(?:(?P<e>\d+):)?(?P<v>{_PART})-(?P<r>{_PART})",
        rf"{_NAME}-(?:(?P<e>\d+):)?(?P<v>{_PART})",
    )
)
_RELDEP = re.compile(r"(\S*)\s*(<=|>=|<|>|==|=)?\s*(\S*)\Z")
RELATION_FLAGS = {
    "<": solv.REL_LT,
    "<=": solv.REL_LT | solv.REL_EQ,
    "=": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ,
    ">": solv.REL_GT,
}
_GLOB = re.compile(r"[*?\[]")
_SOURCE = ("src", "nosrc")


class View(NamedTuple):
    """The packages that a selection can see.

    `enabled` returns whether a package can be seen, `obsoleters` the visible packages that obsolete
    one of these, `owners` those that own a path (or match a glob of paths). `jobs` caches those of
    requests that were selected before.
    """

    pool: Any
    enabled: Callable[[int], bool]
    obsoleters: Callable[[Sequence[int]], Iterable[int]]
    owners: Callable[[str], Iterable[int]]
    jobs: dict[str, list[tuple[int, ...]]]


class _Pattern(NamedTuple):
    name: str
    epoch: int | None = None
    version: str | None = None
    release: str | None = None
    arch: str | None = None

    @property
    def just_name(self) -> bool:
        return self.epoch is None and not (self.version or self.release or self.arch)


def select(view: View, request: str) -> list[tuple[int, ...]]:
    """Return the jobs of a request, one package of each to be installed; none if nothing
    matches."""
    if request not in view.jobs:
        view.jobs[request] = _selected(view, request)
    return view.jobs[request]


def _selected(view: View, request: str) -> list[tuple[int, ...]]:
    numbers, pattern = best_solution(view, request, with_sources=False)
    if not numbers:
        return []
    if pattern is not None and pattern.arch and _is_glob(pattern.arch):
        groups = _grouped(view, numbers, lambda s: (s.name, s.arch))
        return [_with_obsoleters(view, group, latest=True) for group in groups]
    if _is_glob(request) and not request.startswith(("/", "*/")):
        groups = _grouped(view, numbers, lambda s: s.name)
        if pattern is not None and pattern.just_name:
            return [_with_obsoleters(view, group, latest=True) for group in groups]
        return [tuple(group) for group in groups]
    if pattern is not None and pattern.just_name:
        return [_with_obsoleters(view, numbers, latest=True)]
    return [tuple(numbers)]


def best_solution(
    view: View, request: str, *, with_sources: bool, only_nevra: bool = False
) -> tuple[list[int], _Pattern | None]:
    """Return the packages of the first reading of `request` that has any, and its pattern.

    The pattern is None where the reading was not that of a NEVRA.
    """

    def seen(ids: Iterable[int]) -> list[int]:
        visible = sorted({i for i in ids if view.enabled(i)})
        if with_sources:
            return visible
        return [i for i in visible if view.pool.id2solvable(i).arch != "src"]

    for form in _FORMS:
        match = form.match(request)
        if match is None:
            continue
        pattern = _pattern(match)
        numbers = seen(_by_nevra(view.pool, pattern))
        if numbers:
            return numbers, pattern
    if _is_glob(request) and not re.search(r"[(/=<> ]", request):
        numbers = seen(_by_text(view.pool, request))
        if numbers:
            return numbers, None
    if only_nevra:
        return [], None
    numbers = seen(_by_provides(view, request))
    if numbers:
        return numbers, None
    if request.startswith(("/", "*/")):
        path = normal_path(request) if not _is_glob(request) else request.rstrip("/")
        return seen(view.owners(path)), None
    return [], None


def dependency_id(pool: Any, capability: str) -> int:
    """Return libsolv's id of a capability; 0 where the text is not a capability."""
    if is_rich(capability):
        rich = pool.parserpmrichdep(capability)
        return int(rich.id) if rich is not None else 0
    match = _RELDEP.match(capability)
    if match is None or not match[1]:
        return 0
    name, relation, version = match[1], match[2], match[3]
    if not relation:
        # A name with a space is a path such as `/usr/share/hello world`.
        return int(pool.str2id(capability if version else name))
    if not version:
        return 0
    return int(
        pool.rel2id(pool.str2id(name), pool.str2id(version), RELATION_FLAGS[RELATIONS[relation]])
    )


def latest_by_arch(view: View, ids: Iterable[int]) -> list[int]:
    """Return the newest packages of each name and architecture, of the best priority."""
    best: dict[tuple[int, int], list[Any]] = {}
    for number in ids:
        solvable = view.pool.id2solvable(number)
        key = (solvable.nameid, solvable.archid)
        current = best.get(key)
        if current is None:
            best[key] = [solvable]
            continue
        order = solvable.repo.priority - current[0].repo.priority or solvable.evrcmp(current[0])
        if order > 0:
            best[key] = [solvable]
        elif order == 0 and solvable.evrid == current[0].evrid:
            current.append(solvable)
    return sorted(s.id for group in best.values() for s in group)


def _with_obsoleters(view: View, ids: Sequence[int], *, latest: bool) -> tuple[int, ...]:
    targets = latest_by_arch(view, ids) if latest else list(ids)
    return tuple(sorted({*ids, *view.obsoleters(targets)}))


def _grouped(view: View, ids: Iterable[int], key: Callable[[Any], Any]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for number in ids:
        groups.setdefault(key(view.pool.id2solvable(number)), []).append(number)
    return list(groups.values())


def _pattern(match: re.Match[str]) -> _Pattern:
    parts = match.groupdict()
    epoch = parts.get("e")
    return _Pattern(
        name=parts["n"],
        epoch=int(epoch) if epoch is not None else None,
        version=parts.get("v"),
        release=parts.get("r"),
        arch=parts.get("a"),
    )


def _is_glob(text: str) -> bool:
    return _GLOB.search(text) is not None


def _by_nevra(pool: Any, pattern: _Pattern) -> list[int]:
    if _is_glob(pattern.name):
        solvables: Iterable[Any] = pool.solvables
        matches = _glob(pattern.name)
        candidates = [s for s in solvables if matches(s.name)]
    else:
        candidates = named(pool, pattern.name)
    return [s.id for s in candidates if _fits(s, pattern)]


def named(pool: Any, name: str) -> list[Any]:
    """Return the packages of a name, of every architecture, visible or not."""
    number = pool.str2id(name, False)
    if not number:
        return []
    solvables = [s for s in pool.whatprovides(number) if s.nameid == number]
    if solvables:
        return solvables
    # Provides list only packages of installable architectures; dnf also selects the others, and
    # then refuses them.
    flags = solv.Selection.SELECTION_NAME | solv.Selection.SELECTION_WITH_ALL
    return [s for s in pool.select(name, flags).solvables() if s.nameid == number]


def _fits(solvable: Any, pattern: _Pattern) -> bool:
    if pattern.arch and pattern.arch != "*" and not _glob(pattern.arch)(solvable.arch):
        return False
    if pattern.epoch is None and not pattern.version:
        return True
    epoch, version, release = parse_evr(solvable.evr)
    if pattern.epoch is not None and pattern.epoch != epoch:
        return False
    return _fits_part(version, pattern.version) and _fits_part(release, pattern.release)


def _fits_part(actual: str, pattern: str | None) -> bool:
    if not pattern or pattern == "*":
        return True
    if _is_glob(pattern):
        return _glob(pattern)(actual)
    return compare_evr(f"{actual}-0", f"{pattern}-0") == 0


def _by_text(pool: Any, glob: str) -> list[int]:
    matches = _glob(glob)
    with_epoch = ":" in glob
    numbers = []
    for solvable in pool.solvables:
        evr = solvable.evr
        if with_epoch and ":" not in evr:
            evr = f"0:{evr}"
        elif not with_epoch:
            evr = evr.rpartition(":")[2]
        if matches(f"{solvable.name}-{evr}.{solvable.arch}"):
            numbers.append(solvable.id)
    return numbers


def _by_provides(view: View, request: str) -> list[int]:
    pool = view.pool
    if _is_glob(request):
        match = _RELDEP.match(request)
        if match is None or is_rich(request):
            return []
        matches = _glob(match[1])
        rest = "".join(f" {part}" for part in match.groups()[1:] if part)
        numbers: list[int] = []
        for number in pool.matchprovidingids(None, 0):
            name = pool.id2str(number)
            if matches(name):
                numbers.extend(s.id for s in pool.whatprovides(dependency_id(pool, name + rest)))
        return numbers
    number = dependency_id(pool, request)
    return [s.id for s in pool.whatprovides(number)] if number else []


def _glob(pattern: str) -> Callable[[str], bool]:
    # Compiled once: fnmatchcase looks the pattern up for each text.
    matches = re.compile(translate(pattern)).match
    return lambda text: matches(text) is not None


class Want(NamedTuple):
    """One of `ids` must be installed; or, where `dependency` is not 0, that must be satisfied."""

    ids: tuple[int, ...]
    dependency: int = 0


def wants_of(
    view: View,
    requests: Iterable[str],
    groups: Iterable[str],
    comps: Callable[[], Comps],
    arch: str,
) -> tuple[list[Want], list[str]]:
    """Return the solver's job, and the requests that match nothing (groups as `@id`).

    Group members that do not exist as packages are ignored, as in dnf; a request `@id` is a group.
    """
    wants: list[Want] = []
    missing: list[str] = []
    names = [name for name in requests if not name.startswith("@")]
    ids = [*groups, *(name[1:] for name in requests if name.startswith("@"))]
    for name in dict.fromkeys(names):
        jobs = select(view, name)
        if not jobs:
            missing.append(name)
        wants += [Want(job) for job in jobs]
    for group in dict.fromkeys(ids):
        packages = comps().packages(group)
        if packages is None:
            missing.append(f"@{group}")
            continue
        for package in packages:
            members = tuple(
                s.id
                for s in named(view.pool, package.name)
                if view.enabled(s.id)
                and s.arch not in ("src", "nosrc")
                and (not package.base_arch or s.arch == arch)
            )
            if not members:
                continue
            if package.requires:
                text = f"({package.name} if {package.requires})"
                wants.append(Want(members, dependency_id(view.pool, text)))
            else:
                obsoleters = view.obsoleters(latest_by_arch(view, members))
                wants.append(Want(tuple(sorted({*members, *obsoleters}))))
    return wants, missing
