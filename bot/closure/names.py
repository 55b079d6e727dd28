"""The names in a repository, and suggestions for misspelled ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.closure.overlay_pool import OverlayPool
from bot.closure.pool import Pool
from bot.distro.documents import Configuration, EnvironmentDocument, WorkloadDocument
from bot.model.capability import names_in

_MOST_NEAR = 3
# difflib's ratio, 0 to 1; below it a resemblance is chance: `bash` and `dash` are 0.75.
_ALIKE = 0.75


def near_names(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return at most three names that are spelt like `text`, or begin or end with it."""
    known = sorted(names)
    alike = difflib.get_close_matches(text, known, n=_MOST_NEAR, cutoff=_ALIKE)
    parts = [n for n in known if len(text) > 2 and (n.startswith(text) or n.endswith(text))]
    return tuple(dict.fromkeys([*alike, *parts]))[:_MOST_NEAR]


def is_known(pool: Pool, text: str) -> bool:
    """Return whether a package has this name, name.arch or NEVRA, or provides it.

    For a capability with a version, or a rich dependency, one known name is enough.
    """
    if pool.selects(text):
        return True
    with pool.opened() as overlays:
        return any(enabled_providers(overlays, name) for name in names_in(text))


def package_names(pool: Pool) -> frozenset[str]:
    """Return the names of all packages of a pool's repositories."""
    with pool.opened() as overlays:
        return frozenset(solvable.name for solvable in overlays.pool.solvables)


def enabled_providers(overlays: OverlayPool, name: str) -> tuple[int, ...]:
    """Return the packages that provide a capability without a version, or own a path."""
    if name.startswith("/"):
        overlays.read_filelists()
        overlays.want([name])
    number = overlays.pool.str2id(name, False)
    return tuple(filter(overlays.enabled, overlays.providers(number))) if number else ()


@dataclass(frozen=True, order=True, slots=True)
class UnknownRequest:
    """A request of a document that selects nothing in a repository document's packages.

    `place` is its place in the YAML; `near` are names that may be meant.
    """

    document: str
    place: tuple[str | int, ...]
    request: str
    repository: str
    near: tuple[str, ...]


def unknown_requests(configuration: Configuration, pool: Pool) -> Iterator[UnknownRequest]:
    """Yield the requests of a pool's environments and workloads that select nothing."""
    repository, names = pool.snapshot.document.id, package_names(pool)
    for document in _documents_on(configuration, repository):
        planned = {
            rpm.rpm_name
            for source in (
                document.package_placeholders if isinstance(document, WorkloadDocument) else ()
            )
            for rpm in source.rpms
        }
        listed: list[tuple[tuple[str | int, ...], str]] = [
            *((("data", "packages", at), name) for at, name in enumerate(document.packages)),
            *(
                (("data", "arch_packages", pool.arch, at), name)
                for at, name in enumerate(document.arch_packages.get(pool.arch, ()))
            ),
        ]
        for place, request in listed:
            if request not in planned and not pool.selects(request):
                near = near_names(request, names)
                yield UnknownRequest(document.id, place, request, repository, near)


def _documents_on(
    configuration: Configuration, repository: str
) -> Iterator[EnvironmentDocument | WorkloadDocument]:
    """Yield the environments that list a repository document, and their workloads."""
    environments = [e for e in configuration.environments.values() if repository in e.repositories]
    labels = {label for environment in environments for label in environment.labels}
    yield from environments
    yield from (w for w in configuration.workloads.values() if not labels.isdisjoint(w.labels))
