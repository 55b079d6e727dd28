"""The images that a configuration describes, and the request of each to the solver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from bot.distro.documents import Configuration, Placeholder, RepositoryDocument, WorkloadDocument
from bot.errors import UsageError
from bot.model.architecture import RPM_ARCHITECTURES, architecture_order, meant_architecture
from bot.model.image import ImageKey, ImageRequest, PlaceholderPackage

SELF = "@self"
WEAK = "include-weak-deps"
_D = TypeVar("_D")
# Names at most in a message.
_LISTED = 10


class _Installed(Protocol):
    """The common fields of environments and workloads."""

    @property
    def packages(self) -> tuple[str, ...]: ...
    @property
    def arch_packages(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def options(self) -> tuple[str, ...]: ...


def image_keys(
    configuration: Configuration,
    *,
    workloads: Iterable[str] = (),
    environments: Iterable[str] = (),
    repositories: Iterable[str] = (),
    arches: Iterable[str] = (),
) -> tuple[ImageKey, ...]:
    """The images of a configuration, sorted; an empty filter means all.

    A workload applies to an environment if they share a label, an environment to the repository
    documents that it lists, on each of their architectures (Content Resolver's rule). Raises
    UsageError for an unknown id or architecture; filters that match nothing give nothing.
    """
    chosen_workloads = _chosen("workload", configuration.workloads, workloads)
    chosen_environments = _chosen("environment", configuration.environments, environments)
    chosen_repositories = chosen_documents(configuration, repositories)
    chosen_arches = _arches(configuration, arches)
    keys = {
        ImageKey(workload.id, environment.id, repository.id, arch)
        for environment in chosen_environments
        for workload in chosen_workloads
        if not set(workload.labels).isdisjoint(environment.labels)
        for repository in chosen_repositories
        if repository.id in environment.repositories
        for arch in repository.architectures
        if not chosen_arches or arch in chosen_arches
    }
    ids = [{document.id for document in c} for c in (chosen_workloads, chosen_environments)]
    places = {repository.id for repository in chosen_repositories}
    of_files = {
        key
        for key in configuration.requested
        if key.workload in ids[0] and key.environment in ids[1] and key.repository in places
        if not chosen_arches or key.arch in chosen_arches
    }
    return tuple(sorted(keys | of_files))


def environment_keys(
    configuration: Configuration, *, repositories: Iterable[str] = (), arches: Iterable[str] = ()
) -> tuple[ImageKey, ...]:
    """Each environment with the workload `@self`, in each repository and architecture, sorted."""
    documents = chosen_documents(configuration, repositories)
    arch_set = set(arches)
    return tuple(
        sorted(
            ImageKey(SELF, environment.id, repository.id, arch)
            for environment in configuration.environments.values()
            for repository in documents
            if repository.id in environment.repositories
            for arch in repository.architectures
            if not arch_set or arch in arch_set
        )
    )


def image_request(configuration: Configuration, key: ImageKey) -> ImageRequest:
    """The request of the image `key`: environment and workload in one job.

    Weak dependencies are installed if either document has `include-weak-deps`. Raises UsageError
    for an unknown id.
    """
    if key in configuration.requested:
        return configuration.requested[key]
    environment = _document("environment", configuration.environments, key.environment)
    workload = _document("workload", configuration.workloads, key.workload)
    return _request(key, (environment, workload), _placeholders(workload, key.arch))


def self_request(
    configuration: Configuration,
    environment: str,
    repository: str,
    arch: str,
    package_names: Sequence[str],
    *,
    workload: str = SELF,
) -> ImageRequest:
    """The environment plus some packages: the image of a package that is in no workload."""
    document = _document("environment", configuration.environments, environment)
    key = ImageKey(workload, environment, repository, arch)
    request = _request(key, (document,), ())
    return ImageRequest(
        key=key,
        requests=tuple(dict.fromkeys((*request.requests, *package_names))),
        groups=request.groups,
        weak=request.weak,
    )


def _request(
    key: ImageKey, documents: Sequence[_Installed], placeholders: tuple[PlaceholderPackage, ...]
) -> ImageRequest:
    requests = [
        name for d in documents for name in (*d.packages, *d.arch_packages.get(key.arch, ()))
    ]
    return ImageRequest(
        key=key,
        requests=tuple(dict.fromkeys(requests)),
        groups=tuple(dict.fromkeys(group for d in documents for group in d.groups)),
        weak=any(WEAK in d.options for d in documents),
        placeholders=placeholders,
    )


def _placeholders(workload: WorkloadDocument, arch: str) -> tuple[PlaceholderPackage, ...]:
    """The placeholders on `arch`: limits of source and binary package both apply.

    Of binary packages with one name the last counts. Both are Content Resolver's rules.
    """
    placeholders: dict[str, PlaceholderPackage] = {}
    for srpm in workload.package_placeholders:
        for rpm in srpm.rpms:
            if _allows(srpm, arch) and (not rpm.limit_arches or arch in rpm.limit_arches):
                placeholders[rpm.rpm_name] = PlaceholderPackage(
                    rpm.rpm_name, srpm.srpm_name, rpm.dependencies
                )
    return tuple(placeholders.values())


def _allows(srpm: Placeholder, arch: str) -> bool:
    return not srpm.limit_arches or arch in srpm.limit_arches


def _document(kind: str, documents: Mapping[str, _D], id_: str) -> _D:
    return documents[_existing_ids(kind, documents, [id_])[0]]


def _chosen(kind: str, documents: Mapping[str, _D], ids: Iterable[str]) -> list[_D]:
    named = _existing_ids(kind, documents, ids)
    return [documents[id_] for id_ in named] if named else list(documents.values())


def _existing_ids(kind: str, documents: Mapping[str, object], ids: Iterable[str]) -> list[str]:
    """`ids` without repeats. Raises UsageError with similar names for an unknown one."""
    named = list(dict.fromkeys(ids))
    for id_ in named:
        if id_ not in documents:
            import difflib

            near = difflib.get_close_matches(id_, list(documents), n=3)
            known = sorted(documents)[:_LISTED]
            more = f", and {len(documents) - _LISTED} more" if len(documents) > _LISTED else ""
            hint = f"There is {_either(known)}{more}." if known else ""
            raise UsageError(
                f"No {kind} is called `{id_}`.", f"Did you mean {_either(near)}?" if near else hint
            )
    return named


def chosen_documents(
    configuration: Configuration, repositories: Iterable[str]
) -> list[RepositoryDocument]:
    """The repository documents of these ids; without ids, the `default` ones and those that an
    objective names, by id. Raises UsageError for an unknown id."""
    named = _existing_ids("repository", configuration.repositories, repositories)
    if named:
        return [configuration.repositories[id_] for id_ in named]
    promised = {objective.repository for objective in configuration.objectives.values()}
    return [
        document
        for id_, document in sorted(configuration.repositories.items())
        if document.default or id_ in promised
    ]


def _arches(configuration: Configuration, arches: Iterable[str]) -> frozenset[str]:
    """`arches`, all known to rpm. Raises UsageError with similar names or those of the
    documents."""
    named = frozenset(arches)
    documented = {
        a for document in configuration.repositories.values() for a in document.architectures
    }
    for arch in sorted(named):
        meant = meant_architecture(arch) if arch not in documented else None
        if arch in RPM_ARCHITECTURES and (meant == arch or meant not in documented):
            continue
        known = sorted(documented, key=architecture_order)
        hint = (
            f"Did you mean {_either([meant])}?"
            if meant
            else f"There is {_either(known)}."
            if known
            else ""
        )
        raise UsageError(f"No architecture is called `{arch}`.", hint)
    return named


def _either(words: Sequence[str]) -> str:
    return " or ".join(f"`{word}`" for word in words)
