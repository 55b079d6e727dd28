"""Selects the repository documents, architectures and images of a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from bot.check.compare import Thresholds
from bot.check.repository_file import RepositoryFile
from bot.distro.documents import Configuration, RepositoryDocument
from bot.distro.images import chosen_documents, image_keys
from bot.distro.objectives import ObjectiveDocument
from bot.errors import UsageError
from bot.model.image import ImageKey
from bot.requests.file_images import BaseImage
from bot.sandbox.values import Limits
from bot.spec.evaluate import SPEC_LIMITS


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """Options that narrow a check; an empty one leaves the choice to `.minimize.yaml`.

    `documents`: ids of repository documents for the branch (from the server's rules), used if
    neither the request nor `.minimize.yaml` names any. `today` (UTC) decides which targets are due.
    `limits` are for evaluating one side of a spec file. `own_repositories`: open repository
    documents that the change brings, whatever URL they have; only for one's own change on one's own
    machine. `base_images` is the server's table of base images.
    """

    workloads: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    today: date = field(default_factory=_today)
    limits: Limits = SPEC_LIMITS
    own_repositories: bool = False
    base_images: tuple[BaseImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The documents with their architectures and images, and the rules for all of them.

    `narrowed` is true if the request names workloads: no `@self` images are added then.
    """

    targets: tuple[tuple[RepositoryDocument, tuple[str, ...]], ...]
    keys: tuple[ImageKey, ...]
    thresholds: Thresholds
    objectives: tuple[ObjectiveDocument, ...]
    narrowed: bool
    today: date


def make_plan(
    options: CheckOptions, file: RepositoryFile, configuration: Configuration, branch: str | None
) -> Plan:
    """Make the plan by the request, else by `.minimize.yaml`, else by the server. Raises UsageError
    for an unknown id."""
    ids = options.repositories or file.repositories_of(branch or "") or options.documents
    arches = options.arches or file.architectures
    workloads = options.workloads or file.workloads
    keys = image_keys(configuration, workloads=workloads, repositories=ids, arches=arches)
    documents = chosen_documents(configuration, ids)
    targets = tuple(
        (document, tuple(a for a in document.architectures if not arches or a in arches))
        for document in documents
    )
    if not any(own for _, own in targets):
        there = dict.fromkeys(arch for document in documents for arch in document.architectures)
        raise UsageError(
            f"No repository document of this check has the architecture {' or '.join(arches)}.",
            f"There is {' or '.join(there)}."
            if there
            else "Their field `architectures` lists none.",
        )
    return Plan(
        targets=tuple((document, own) for document, own in targets if own),
        keys=keys,
        thresholds=file.thresholds or Thresholds(),
        objectives=(*configuration.objectives.values(), *file.objectives),
        narrowed=bool(options.workloads),
        today=options.today,
    )
