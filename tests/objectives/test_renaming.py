"""Documents of objectives that are renamed: their past and their issue go with them."""

from dataclasses import replace

import pytest

from bot.distro.objectives import Limits
from bot.objectives.drift import drift_states
from bot.objectives.status import headings
from bot.objectives.tracking import renamed
from bot.store.history.values import Acceptance
from tests.objectives.daily_history import KEY, SMALL, DailyHistory

OTHER = replace(SMALL, id="web-tiny")


def test_the_past_of_an_objective_goes_with_its_document(daily: DailyHistory) -> None:
    daily.day("lib")
    daily.day("lib", "perl")
    (before,) = drift_states(daily.history)
    daily.objectives = [OTHER]
    daily.day("lib", "perl")
    (after,) = drift_states(daily.history)
    assert (after.id, after.subject) == ("web-tiny", before.subject)
    assert (after.broken[0].why, after.broken[0].since) == ("drift", before.broken[0].since)
    assert [s.value for s in daily.history.objective_history("web-tiny")] == [2, 3]


def test_growth_that_was_accepted_before_or_after_goes_with_it_too(daily: DailyHistory) -> None:
    def accept(number: int) -> None:
        daily.history.recorder.record_acceptance(
            Acceptance("2026-11-02T00:00:00Z", "it", "rpms/web", number, "a" * 40, "maria", "why",
                       "https://f", SMALL.id, KEY, "packages", 2, 3, 2)
        )  # fmt: skip

    daily.day("lib")
    accept(7)
    daily.objectives = [OTHER]
    daily.day("lib")
    # Its check was made before the document was renamed.
    accept(8)
    assert [a.number for a in daily.history.acceptances("web-tiny")] == [8, 7]


def test_other_words_at_the_same_time_are_the_same_objective_still(daily: DailyHistory) -> None:
    daily.day("lib")
    daily.objectives = [replace(OTHER, name="tiny", description="anew")]
    daily.day("lib")
    assert [(h.id, h.subject) for h in daily.history.objective_headings(gone=True)] == [
        ("web-tiny", SMALL.id)
    ]


def test_a_new_objective_with_the_former_id_of_another_has_an_issue_of_its_own(
    daily: DailyHistory,
) -> None:
    daily.day("lib")
    daily.objectives = [OTHER]
    daily.day("lib")
    daily.objectives = [OTHER, replace(SMALL, limits=Limits(packages=9))]
    daily.day("lib")
    subjects = {h.id: h.subject for h in daily.history.objective_headings()}
    assert subjects["web-tiny"] == SMALL.id
    assert subjects[SMALL.id] not in ("", SMALL.id)
    again = daily.day("lib")
    assert {h.id: h.subject for h in daily.history.objective_headings(run=again)} == subjects


@pytest.mark.parametrize(
    "after",
    [
        [replace(OTHER, limits=Limits(packages=3))],
        [replace(OTHER, workload="db")],
        [OTHER, replace(OTHER, id="third")],  # nobody knows which of them it is
        [SMALL, OTHER],
    ],
)
def test_another_promise_is_another_objective(after: list) -> None:
    assert renamed(headings([SMALL]), headings(after)) == {}
