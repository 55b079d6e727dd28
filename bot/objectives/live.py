"""The present statuses of objectives, computed without storing anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.check.objectives import applies
from bot.distro.cache import Cache
from bot.distro.documents import Configuration, ObjectiveDocument
from bot.distro.images import image_keys
from bot.model.image import ImageKey
from bot.objectives.evaluation import Failed, Known, evaluate, itself
from bot.objectives.solving import Noted, Unchanged
from bot.objectives.status import ObjectiveStatus, judged, states
from bot.store.history.history import History
from bot.store.history.values import ClosureFacts


@dataclass(frozen=True, slots=True)
class Now:
    """Objective statuses, with the id as the name, and sentences: `failed` about images that
    could not be evaluated, `notes` about sizes that could not be measured."""

    statuses: tuple[ObjectiveStatus, ...]
    failed: tuple[str, ...]
    notes: tuple[str, ...]


def objectives_now(
    configuration: Configuration,
    history: History,
    cache: Cache,
    objectives: Iterable[ObjectiveDocument] | None = None,
    *,
    offline: bool = False,
) -> Now:
    """Compare every objective (or those given) with the images as they would be made now.

    An image whose repositories cannot be had has no value. Trends are history's.
    """
    wanted = tuple(configuration.objectives.values() if objectives is None else objectives)
    keys = [k for k in image_keys(configuration) if any(applies(o, k) for o in wanted)]
    known = Known(history.inputs(), history.closure_digests())
    last = history.latest_evaluations()
    figures: dict[ImageKey, ClosureFacts] = {}
    names: dict[ImageKey, frozenset[str]] = {}
    failed: dict[str, None] = {}
    notes: dict[str, None] = {}
    for found in evaluate(configuration, keys, cache, known, then=itself, offline=offline):
        for one in found:
            if isinstance(one, Failed):
                failed[str(one.error)] = None
                unknown = ClosureFacts("unsolvable", None, None, None)
                figures.update(dict.fromkeys(one.keys, unknown))
            elif isinstance(one, Noted):
                notes[one.text] = None
            elif isinstance(one, Unchanged):
                figures[one.key] = last[one.key].facts
            else:
                figures[one.key] = one.facts
                names[one.key] = frozenset(member.nevra.name for member in one.members)

    def names_of(key: ImageKey) -> frozenset[str]:
        if key not in names:
            members = history.contents(key, links=False).members
            names[key] = frozenset(member.nevra.name for member in members)
        return names[key]

    found_states = states(wanted, figures, names_of, datetime.now(UTC).date())
    return Now(judged(history, found_states), tuple(failed), tuple(notes))
