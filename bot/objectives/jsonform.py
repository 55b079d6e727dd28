"""CONTRACT's `track` and `objectives` objects, and their parts for the pages.

More than CONTRACT has: all of a side (figures, `evaluated`, `problems`, `missing`, `snapshot`) and
of a cause; `run`, `failed` and `notes`; of an objective `id`, `target_by`, `outlook`, `crosses`,
`reason`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from bot.model.image import ImageKey
from bot.objectives.status import ObjectiveStatus
from bot.objectives.tracking import Tracked
from bot.report.jsonform import causes_json, chain_json
from bot.store.history.values import Cause, ClosureFacts, Evaluation, MergedChange

Json = dict[str, Any]


def track_to_json(tracked: Tracked) -> Json:
    """CONTRACT's `track` object: every image that was evaluated, with what moved it."""
    return {
        "run": tracked.run,
        "images": [
            {
                **key_json(image.key),
                "before": None if image.before is None else evaluation_json(image.before),
                "after": evaluation_json(image.after),
                "steps": [cause_json(cause, tracked.changes) for cause in image.causes],
            }
            for image in tracked.images
        ],
        "objectives": objectives_to_json(tracked.statuses, tracked.names)["objectives"],
        "failed": list(tracked.failed),
        "notes": list(tracked.notes),
    }


def objectives_to_json(statuses: Iterable[ObjectiveStatus], names: Mapping[str, str]) -> Json:
    """CONTRACT's `objectives` object: each objective with its images and metrics, by name.

    `names` has every objective's name by its id; one that speaks of no image has no images.
    """
    images: dict[str, list[Json]] = {id_: [] for id_ in names}
    ordered = sorted(statuses, key=lambda s: (s.state.key, s.state.metric))
    for objective_status in ordered:
        images[objective_status.state.objective].append(status_json(objective_status))
    return {
        "objectives": [
            {"name": names[id_], "id": id_, "images": images[id_]}
            for id_ in sorted(images, key=lambda id_: (names[id_], id_))
        ]
    }


def status_json(objective_status: ObjectiveStatus) -> Json:
    """One metric of one objective in one image."""
    state, trend = objective_status.state, objective_status.trend_per_week
    return {
        **key_json(state.key),
        "metric": state.metric,
        "value": state.value,
        "limit": state.limit,
        "target": state.target,
        "target_by": state.target_by,
        "met": state.met,
        "trend_per_week": None if trend is None else round(trend, 2),
        "outlook": objective_status.outlook,
        "crosses": objective_status.crosses,
        "reason": state.reason,
    }


def key_json(key: ImageKey) -> Json:
    """The four fields of an image's key."""
    # asdict copies what it finds, which for thousands of keys takes longer than finding them.
    return {
        "workload": key.workload,
        "environment": key.environment,
        "repository": key.repository,
        "arch": key.arch,
    }


def facts_json(facts: ClosureFacts) -> Json:
    """The figures of one closure."""
    return {
        "status": facts.status,
        "packages": facts.packages,
        "installed_size": facts.installed_size,
        "known_size": facts.known_size,
        "installed_size_nodocs": facts.installed_size_nodocs,
        "download_size": facts.download_size,
        "layer_size": facts.layer_size,
        "problems": list(facts.problems),
        "missing": list(facts.missing),
        "causes": causes_json(facts.causes),
    }


def evaluation_json(evaluation: Evaluation) -> Json:
    """An image at one run."""
    return {
        **facts_json(evaluation.facts),
        "evaluated": evaluation.evaluated,
        "snapshot": {
            "id": evaluation.snapshot.id,
            "repositories": [asdict(r) for r in evaluation.snapshot.repositories],
        },
    }


def cause_json(cause: Cause, changes: Mapping[int, MergedChange]) -> Json:
    """One package's part in a step, with the pull request that caused it, if one did."""
    change = changes.get(cause.merged_change) if cause.merged_change is not None else None
    return {
        "package": cause.package,
        "delta": cause.delta,
        "known_delta": cause.known_delta,
        "cause": {
            "kind": cause.kind,
            "change": cause.change,
            "from": None if cause.before is None else str(cause.before),
            "to": None if cause.after is None else str(cause.after),
            "mover": None if cause.mover is None else str(cause.mover),
            "chain": chain_json(cause.chain),
            "pull_request": _pull_request_json(change),
            "commit": _commit_json(change),
        },
    }


def _commit_json(change: MergedChange | None) -> Json | None:
    """A commit that came without a pull request; of a private one `private` alone."""
    if change is None or change.number is not None:
        return None
    values = {
        "forge": change.forge,
        "repository": change.repository,
        "commit": change.commit_sha,
        "branch": change.branch,
        "title": change.title,
        "author": change.author,
        "url": change.url,
    }
    visible = dict.fromkeys(values) if change.private else values
    return {**visible, "private": change.private}


def _pull_request_json(change: MergedChange | None) -> Json | None:
    """A pull request; of a private one `private` alone."""
    if change is None or change.number is None:
        return None
    known = ("forge", "repository", "number", "title", "author", "url")
    visible = {name: None if change.private else getattr(change, name) for name in known}
    return {**visible, "private": change.private}
