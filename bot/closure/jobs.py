"""The job of an image: what its requests and groups ask of the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from bot.closure.requests import View, dependency_id, latest_by_arch, named, select

if TYPE_CHECKING:
    from bot.closure.comps import Comps


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
    """The solver's job, and the requests that match nothing (groups as `@id`).

    Group members that no package has are passed over, as dnf does; a request `@id` is a group.
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
            found = tuple(
                s.id
                for s in named(view.pool, package.name)
                if view.enabled(s.id)
                and s.arch not in ("src", "nosrc")
                and (not package.base_arch or s.arch == arch)
            )
            if not found:
                continue
            if package.requires:
                text = f"({package.name} if {package.requires})"
                wants.append(Want(found, dependency_id(view.pool, text)))
            else:
                more = view.obsoleters(latest_by_arch(view, found))
                wants.append(Want(tuple(sorted({*found, *more}))))
    return wants, missing
