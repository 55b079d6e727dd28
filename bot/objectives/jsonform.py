"""CONTRACT's `track` and `objectives` objects, and their parts for the pages.

More than CONTRACT has: all of a side (figures, `evaluated`, `problems`, `missing`, `snapshot`) and
of a cause; `run`, `failed` and `notes`; of an objective `id`, `target_by`, `outlook`, `crosses`,
`reason`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from bot.model.result_json import Json
from bot.objectives.status import ObjectiveStatus
from bot.objectives.tracking import TrackResult
from bot.report.jsonform import chain_json, json_of
from bot.store.history.values import Cause, ClosureFacts, Evaluation, MergedChange


def track_to_json(tracked: TrackResult) -> Json:
    """Return CONTRACT's `track` object: every evaluated image, with the cause of its change."""
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
    """Return CONTRACT's `objectives` object: each objective with images and metrics, by name.

    `names` has every objective's name by its id; an objective may have no images.
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
        **_fields(state, "metric", "value", "limit", "target", "target_by", "met"),
        "trend_per_week": None if trend is None else round(trend, 2),
        **_fields(objective_status, "outlook", "crosses"),
        "reason": state.reason,
    }


def _fields(value: object, *names: str) -> Json:
    return {name: getattr(value, name) for name in names}


def key_json(key: ImageKey) -> Json:
    """The four fields of an image's key."""
    # asdict copies all values, which takes too long for thousands of keys.
    return _fields(key, "workload", "environment", "repository", "arch")


def evaluation_json(evaluation: Evaluation) -> Json:
    """An image at one run."""
    return {
        **json_of(ClosureFacts, evaluation.facts),
        "evaluated": evaluation.evaluated,
        "snapshot": json_of(SnapshotState, evaluation.snapshot),
    }


def cause_json(cause: Cause, changes: Mapping[int, MergedChange]) -> Json:
    """Return one package's part in a step, with the pull request that caused it, if any."""
    change = changes.get(cause.merged_change) if cause.merged_change is not None else None
    is_commit = change is not None and change.number is None
    return {
        **_fields(cause, "package", "delta", "known_delta"),
        "cause": {
            **_fields(cause, "kind", "change"),
            "from": None if cause.before is None else str(cause.before),
            "to": None if cause.after is None else str(cause.after),
            "mover": None if cause.mover is None else str(cause.mover),
            "chain": chain_json(cause.chain),
            "pull_request": None if change is None or is_commit else _change_json(change, "number"),
            "commit": _change_json(change, "commit_sha", "branch")
            if change and is_commit
            else None,
        },
    }


def _change_json(change: MergedChange, *extra_fields: str) -> Json:
    """Return a merged change; of a private one only `private`."""
    values = _fields(change, "forge", "repository", *extra_fields, "title", "author", "url")
    fields = {"commit" if name == "commit_sha" else name: value for name, value in values.items()}
    return {**(dict.fromkeys(fields) if change.private else fields), "private": change.private}
