"""Documents of objectives that are renamed: their past and their issue go with them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.distro.documents import Sizes
from bot.objectives.drift import drift_standings
from bot.objectives.renaming import renamed
from bot.objectives.status import headings
from bot.store.history.values import Acceptance
from tests.objectives.told import KEY, SMALL, Told

OTHER = replace(SMALL, id="web-tiny")


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "data")
    yield made
    made.close()


def test_the_past_of_an_objective_goes_with_its_document(told: Told) -> None:
    told.day("lib")
    told.day("lib", "perl")
    (before,) = drift_standings(told.history)
    told.objectives = [OTHER]
    told.day("lib", "perl")
    (after,) = drift_standings(told.history)
    assert (after.id, after.subject) == ("web-tiny", before.subject)
    assert (after.broken[0].why, after.broken[0].since) == ("drift", before.broken[0].since)
    assert [s.value for s in told.history.objective_history("web-tiny")] == [2, 3]


def test_growth_that_was_accepted_before_or_after_goes_with_it_too(told: Told) -> None:
    def accept(number: int) -> None:
        told.history.recorder.record_acceptance(
            Acceptance("2026-11-02T00:00:00Z", "it", "rpms/web", number, "a" * 40, "maria", "why",
                       "https://f", SMALL.id, KEY, "packages", 2, 3, 2)
        )  # fmt: skip

    told.day("lib")
    accept(7)
    told.objectives = [OTHER]
    told.day("lib")
    # Its check was made before the document was renamed.
    accept(8)
    assert [a.number for a in told.history.acceptances("web-tiny")] == [8, 7]


def test_other_words_at_the_same_time_are_the_same_objective_still(told: Told) -> None:
    told.day("lib")
    told.objectives = [replace(OTHER, name="tiny", description="anew")]
    told.day("lib")
    assert [(h["id"], h["subject"]) for h in told.history.objective_headings(gone=True)] == [
        ("web-tiny", SMALL.id)
    ]


def test_a_new_objective_with_the_former_id_of_another_has_an_issue_of_its_own(told: Told) -> None:
    told.day("lib")
    told.objectives = [OTHER]
    told.day("lib")
    told.objectives = [OTHER, replace(SMALL, limits=Sizes(packages=9))]
    told.day("lib")
    subjects = {h["id"]: h["subject"] for h in told.history.objective_headings()}
    assert subjects["web-tiny"] == SMALL.id
    assert subjects[SMALL.id] not in ("", SMALL.id)
    again = told.day("lib")
    assert {h["id"]: h["subject"] for h in told.history.objective_headings(run=again)} == subjects


@pytest.mark.parametrize(
    "after",
    [
        [replace(OTHER, limits=Sizes(packages=3))],
        [replace(OTHER, workload="db")],
        [OTHER, replace(OTHER, id="third")],  # nobody knows which of them it is
        [SMALL, OTHER],
    ],
)
def test_another_promise_is_another_objective(after: list) -> None:
    assert renamed(headings([SMALL]), headings(after)) == {}
