"""The effects of a merged change, from the result of its check."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from bot.model.image import ImageKey
from bot.model.result import ImageResult
from bot.model.result_json import check_from_json
from bot.objectives.requested import tracked_name
from bot.objectives.tracking import objective_id
from bot.store.commands import Decision
from bot.store.history.values import Acceptance, MergedChange, MergedEffect
from bot.store.records import CheckRecord

_SPEC = ".spec"
# Prefix of images that a check makes up for a package that is in no workload; not tracked.
_MADE_UP = "@"


def sources_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The names of source packages by the names of their spec files, as distributions name them."""
    return tuple(
        dict.fromkeys(PurePosixPath(p).name.removesuffix(_SPEC) for p in paths if p.endswith(_SPEC))
    )


def measured_change(change: MergedChange, check: CheckRecord) -> MergedChange:
    """The change with the effects that its check measured.

    An effect on an image of a request file (a Containerfile) has that image's key in history.
    """
    assert check.result is not None
    result = check_from_json(check.result)
    images = [i for i in result.images if not i.key.workload.startswith(_MADE_UP)]
    # A repository's own file takes precedence over the settings: the check knows the documents
    # used.
    documents = tuple(dict.fromkeys(image.key.repository for image in images))
    return replace(
        change,
        id=0,
        check_id=check.id,
        sources=dict(result.sources) or dict.fromkeys(sources_of(result.specs)),
        effects=tuple(
            replace(_effect(image), key=_key_in_history(change, image.key, result.requests))
            for image in images
        ),
        documents=documents or change.documents,
    )


def _effect(image: ImageResult) -> MergedEffect:
    names = {
        **{package.name: "changed" for package in image.changed_packages},
        **{package.nevra.name: "went" for package in image.removed},
        **{package.package.nevra.name: "came" for package in image.added},
    }
    return MergedEffect(
        image.key,
        image.evidence,
        image.base.packages,
        image.head.packages,
        image.base.known_size,
        image.head.known_size,
        names,
    )


def _key_in_history(change: MergedChange, key: ImageKey, paths: Collection[str]) -> ImageKey:
    """The key of a check's image in history: one of a request file is named with its repository."""
    of_file = any(key.workload == path or key.workload.startswith(f"{path}:") for path in paths)
    return replace(key, workload=tracked_name(change.repository, key.workload)) if of_file else key


def accepted_growth(
    change: MergedChange, check: CheckRecord, decision: Decision
) -> tuple[Acceptance, ...]:
    """The acceptances of all objectives that the change violated."""
    assert check.result is not None
    assert change.number is not None
    place = (change.forge, change.repository, change.branch)
    result = check_from_json(check.result)
    return tuple(
        Acceptance(
            accepted=decision.time,
            forge=change.forge,
            repository=change.repository,
            number=change.number,
            head_sha=change.head_sha,
            accepted_by=decision.user,
            reason=decision.reason,
            url=decision.url or change.url,
            objective=objective_id(objective.id, *place, objective.name),
            key=_key_in_history(change, image.key, result.requests),
            metric=objective.metric,
            before=objective.before,
            value=objective.value,
            limit=objective.bound,
            private=change.private,
        )
        for image in result.images
        for objective in image.objectives
        if objective.worse and objective.met is False
    )
