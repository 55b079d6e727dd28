"""Merged changes and what checks measured of them, whenever the check ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model.image import ImageKey
from bot.store.history.history import History, open_history
from bot.store.history.values import MergedChange, MergedEffect

KEY, OTHER = (ImageKey(w, "e", "r", "x86_64") for w in ("one", "two"))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = open_history(tmp_path)
    yield opened
    opened.close()
    opened.store.close()


def change(*effects: MergedEffect) -> MergedChange:
    return MergedChange("gh", "o/r", 7, "t", "ann", "u", "a", "2026-01-01T00:00:00Z", None,
                        {"lib": "2-1"}, effects)  # fmt: skip


def effect(key: ImageKey, evidence: str, after: int) -> MergedEffect:
    return MergedEffect(key, evidence, 1, 2, 10, after, {"lib": "changed"})


def sizes(history: History, number: int) -> dict[ImageKey, tuple[str, int | None, bool]]:
    change = history.merged_change(number)
    assert change is not None
    return {e.key: (e.evidence, e.size_after, e.landed_run is not None) for e in change.effects}


def test_a_check_that_ends_before_the_change_arrives_replaces_the_figures(history: History) -> None:
    number = history.recorder.record_merged(change(effect(KEY, "predicted", 20)))
    history.recorder.record_merged(change(effect(KEY, "rebuilt", 30), effect(OTHER, "rebuilt", 5)))
    assert sizes(history, number) == {
        KEY: ("rebuilt", 30, False),
        OTHER: ("rebuilt", 5, False),
    }


def test_a_check_that_ends_after_the_change_arrived_still_tells_what_it_measured(
    history: History,
) -> None:
    number = history.recorder.record_merged(change())
    run = history.recorder.begin_run()
    history.recorder.record(run, (), [(number, KEY)])
    assert sizes(history, number) == {KEY: ("landed", None, True)}
    history.recorder.record_merged(change(effect(KEY, "rebuilt", 30), effect(OTHER, "rebuilt", 5)))
    assert sizes(history, number) == {
        KEY: ("rebuilt", 30, True),
        OTHER: ("rebuilt", 5, False),
    }


def test_what_was_measured_before_the_change_arrived_is_not_measured_anew(history: History) -> None:
    number = history.recorder.record_merged(change(effect(KEY, "rebuilt", 30)))
    run = history.recorder.begin_run()
    history.recorder.record(run, (), [(number, KEY)])
    # The same head, checked again on what the distribution is today.
    history.recorder.record_merged(change(effect(KEY, "rebuilt", 99)))
    assert sizes(history, number) == {KEY: ("rebuilt", 30, True)}
