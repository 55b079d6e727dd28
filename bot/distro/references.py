"""Checks the references between the documents of a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bot.distro.check import CheckedDocument, Finding
from bot.distro.documents import Configuration, ViewDocument
from bot.distro.objectives import ObjectiveDocument
from bot.distro.validation import Place, near

DocumentFinding = tuple[str, Finding]


def cross_check(
    checked: Mapping[str, CheckedDocument], good: Configuration
) -> tuple[list[DocumentFinding], list[DocumentFinding]]:
    """Errors (unknown ids) and messages on what is unused, each with its document's id.

    A refused document counts as existing: it is reported once, by its own error.
    """
    return list(_unknown(checked, good)), list(_unused(checked, good))


def _ids(checked: Mapping[str, CheckedDocument], *kinds: str) -> list[str]:
    """Ids of documents of these kinds, and of those whose kind could not be read."""
    return [id_ for id_, c in checked.items() if c.kind in kinds or c.kind is None]


def _error(
    checked: Mapping[str, CheckedDocument], id_: str, place: Place, message: str
) -> DocumentFinding:
    return id_, Finding(place, checked[id_].line_of(place), message)


def _unknown(
    checked: Mapping[str, CheckedDocument], good: Configuration
) -> Iterator[DocumentFinding]:
    repositories = _ids(checked, "repository")
    for environment in good.environments.values():
        for repository in environment.repositories:
            if repository not in repositories:
                raw = checked[environment.id].text
                listed = raw.data["data"]["repositories"] if raw else []
                place: Place = ("data", "repositories", listed.index(repository))
                yield _error(
                    checked, environment.id, place, _no("repository", repository, repositories)
                )
    for objective in good.objectives.values():
        yield from _unknown_of(checked, objective)


def _unknown_of(
    checked: Mapping[str, CheckedDocument], objective: ObjectiveDocument
) -> Iterator[DocumentFinding]:
    named = (
        ("workload", objective.workload),
        ("environment", objective.environment),
        ("repository", objective.repository),
    )
    for kind, id_ in named:
        ids = _ids(checked, kind)
        if id_ is not None and id_ not in ids:
            yield _error(checked, objective.id, ("data", kind), _no(kind, id_, ids))


def _no(kind: str, id_: str, known: list[str]) -> str:
    return f"no {kind} document is called `{id_}`{near(id_, known)}"


def _unused(
    checked: Mapping[str, CheckedDocument], good: Configuration
) -> Iterator[DocumentFinding]:
    yield from _unused_labels(checked, good)
    listed = {id_ for e in good.environments.values() for id_ in e.repositories}
    for repository in good.repositories:
        if repository not in listed:
            yield _error(checked, repository, (), "no environment lists this repository document")
    for view in good.views.values():
        reason = _view(good, view)
        if reason is not None:
            yield _error(checked, view.id, *reason)
    for buildroot in good.buildroots:
        yield _error(checked, buildroot, (), "build roots of Content Resolver are not used")
    for objective in good.objectives.values():
        if _meets_nothing(good, objective):
            message = "no image is of this workload, environment, repository and architectures"
            yield _error(checked, objective.id, ("data", "workload"), message)


def _unused_labels(
    checked: Mapping[str, CheckedDocument], good: Configuration
) -> Iterator[DocumentFinding]:
    places = [frozenset(e.labels) for e in good.environments.values()]
    of_workloads = frozenset[str]().union(*(w.labels for w in good.workloads.values()))
    of_images = frozenset[str]().union(*places, *(w.labels for w in good.workloads.values()))
    of_views = frozenset[str]().union(*(v.labels for v in good.views.values()))
    for workload in good.workloads.values():
        if not any(labels & set(workload.labels) for labels in places):
            message = "no environment has one of these labels: the workload is in no image"
            meant = _near_labels(workload.labels, frozenset[str]().union(*places))
            yield _error(checked, workload.id, ("data", "labels"), message + meant)
    for environment in good.environments.values():
        if environment.labels and not of_workloads & set(environment.labels):
            message = "no workload has one of these labels: the environment is in no image"
            meant = _near_labels(environment.labels, of_workloads)
            yield _error(checked, environment.id, ("data", "labels"), message + meant)
    for unwanted in good.unwanted.values():
        if not of_images & set(unwanted.labels):
            message = "no workload or environment has one of these labels"
            yield _error(checked, unwanted.id, ("data", "labels"), message)
    for label in good.labels:
        if label not in of_images and label not in of_views:
            yield _error(checked, label, (), f"nothing has the label `{label}`")


def _near_labels(labels: Iterable[str], known: Iterable[str]) -> str:
    return next(filter(None, (near(label, known) for label in labels)), "")


def _view(good: Configuration, view: ViewDocument) -> tuple[Place, str] | None:
    """The reason why a view is not used, and its place."""
    if view.repository not in good.repositories:
        return ("data", "repository"), f"no repository document `{view.repository}`: not used"
    if view.base_view_id is not None:
        base = good.views.get(view.base_view_id)
        if base is None or base.base_view_id is not None:
            return ("data", "base_view_id"), f"no view to add to is called `{view.base_view_id}`"
        if base.buildroot_strategy != "none":
            return ("data", "base_view_id"), f"`{base.id}` needs a build root: not used"
        return None
    if view.buildroot_strategy != "none":
        return ("data", "buildroot_strategy"), "a view that needs a build root is not used"
    return None


def _meets_nothing(good: Configuration, objective: ObjectiveDocument) -> bool:
    workload = good.workloads.get(objective.workload)
    if workload is None:
        return False
    for environment in good.environments.values():
        if objective.environment not in (None, environment.id):
            continue
        if not set(environment.labels) & set(workload.labels):
            continue
        for id_ in environment.repositories:
            repository = good.repositories.get(id_)
            if repository is None or objective.repository not in (None, id_):
                continue
            arches = set(objective.architectures or repository.architectures)
            if arches & set(repository.architectures):
                return False
    return True
