"""The smallest addition to a request with which dnf installs exactly the given packages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from bot.closure.pool import Pool
from bot.model.architecture import native_arches
from bot.model.closure import Closure, Requirement
from bot.model.image import ImageRequest
from bot.model.nevra import Nevra
from bot.model.package import Overlay

MOST_ROUNDS = 6
MOST_ALONE = 12


@dataclass(frozen=True, slots=True)
class Addition:
    """Requests and excludes to add; excludes are package names."""

    requests: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


UNSWAPPED = Addition()
_Known = tuple[Overlay | None, frozenset[Nevra] | None]


@dataclass(frozen=True, slots=True)
class Job:
    """An image to be solved repeatedly: its pool, request, overlay and dropped requirements.

    `needs` are paths and capabilities that no plan may take out of it, `test` is a shell command
    that succeeds in it, or empty.
    """

    pool: Pool
    request: ImageRequest
    overlay: Overlay | None = None
    drop: Collection[Requirement] = ()
    needs: tuple[str, ...] = ()
    test: str = ""
    # Earlier solutions, shared with the copies that `replace` makes of this job.
    known: dict[Hashable, _Known] = field(default_factory=dict, compare=False, repr=False)

    @property
    def image(self) -> tuple[str, str, str]:
        """The image's key without its architecture."""
        key = self.request.key
        return key.workload, key.environment, key.repository

    def closure(self, addition: Addition = UNSWAPPED) -> Closure:
        """Return the packages that the plain solver installs, without edges."""
        requests = dict.fromkeys((*self.request.requests, *addition.requests))
        return self.pool.solve(
            replace(self.request, requests=tuple(requests)),
            self.overlay,
            drop=self.drop,
            exclude=addition.excludes,
            settled=lambda _: True,
        )

    def installed(self, addition: Addition = UNSWAPPED) -> frozenset[Nevra] | None:
        """Return the NEVRAs that the plain solver installs, solved once; None where it cannot."""
        request, drop = self.request, frozenset(self.drop)
        key = (request.requests, addition, drop, id(self.overlay))
        if key not in self.known:
            closure = self.closure(addition)
            installed = frozenset(package.nevra for package in closure.packages)
            # The overlay is kept, so that its id stays unique.
            self.known[key] = self.overlay, installed if closure.status == "ok" else None
        return self.known[key][1]


def addition_for(
    job: Job,
    target: Iterable[Nevra],
    added: Sequence[Nevra],
    older: Collection[Nevra] = (),
    likely: Sequence[Addition] = (),
) -> Addition | None:
    """Return the smallest addition with which the plain solver installs exactly `target`, or None.

    `added` are the packages that it does not install by itself, the likeliest first; `older` those
    that must be named with their version. `likely` are the additions of the image's other
    architectures: if one works, nothing else is tried.
    """
    wanted = frozenset(target)

    names = [request_name(nevra, job.pool.arch, nevra in older) for nevra in added]
    alone = [Addition(), *likely, *(Addition((name,)) for name in names[:MOST_ALONE])]
    for addition in alone:
        if job.installed(addition) == wanted:
            return addition
    addition = Addition(tuple(names))
    for _ in range(MOST_ROUNDS):
        installed = job.installed(addition)
        if installed is None:
            return None
        if installed == wanted:
            return _least(addition, lambda a: job.installed(a) == wanted)
        kept = {nevra.name for nevra in wanted}
        extra = sorted({n.name for n in installed - wanted} - kept)
        lacking = [request_name(n, job.pool.arch, n in older) for n in sorted(wanted - installed)]
        more = Addition(
            tuple(dict.fromkeys((*addition.requests, *lacking))),
            tuple(dict.fromkeys((*addition.excludes, *extra))),
        )
        if more == addition:
            return None
        addition = more
    return None


def _least(addition: Addition, holds: Callable[[Addition], bool]) -> Addition:
    """Return the addition without the names that it does not need."""
    for kind in ("excludes", "requests"):
        for text in reversed(getattr(addition, kind)):
            fewer = replace(
                addition, **{kind: tuple(t for t in getattr(addition, kind) if t != text)}
            )
            if holds(fewer):
                addition = fewer
    return addition


def request_name(nevra: Nevra, arch: str, versioned: bool = False) -> str:
    """Return a package as a request names it: its name alone where that means this package."""
    foreign = nevra.arch not in native_arches(arch)
    name = f"{nevra.name}-{nevra.evr}" if versioned else nevra.name
    return f"{name}.{nevra.arch}" if foreign else name
