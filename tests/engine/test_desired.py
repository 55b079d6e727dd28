"""Which of two records counts: whatever their order, the newest check's latest phase."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.engine.desired import (
    DesiredComment,
    DesiredReaction,
    DesiredStatus,
    DesiredStatuses,
    DesiredSuggestions,
    Phase,
    desired_from_json,
    desired_to_json,
)
from bot.forge.values import Annotation, LineSuggestion, StatusReport, StatusState

STATES: dict[Phase, StatusState] = {
    Phase.QUEUED: "pending",
    Phase.PREDICTING: "pending",
    Phase.WAITING: "pending",
    Phase.BUILDING: "pending",
    Phase.CONCLUDED: "failure",
    Phase.ACCEPTED: "success",
}


def status(check: str, phase: Phase, number: int = 7, state: StatusState | None = None):
    report = StatusReport(check, state or STATES[phase], f"{check} {phase.name}")
    return DesiredStatus(number, check, phase, report)


def comment(check: str, phase: Phase) -> DesiredComment:
    return DesiredComment("m", f"{check} {phase.name}", check=check, phase=phase)


@given(st.lists(st.sampled_from(list(STATES)), min_size=1, max_size=12))
def test_late_and_repeated_records_of_a_check_leave_its_latest_phase(phases) -> None:
    statuses = DesiredStatuses().begun(7, "c")
    text = DesiredComment("m", check="c")
    for phase in phases:
        statuses = statuses.recorded(status("c", phase))
        text = text.recorded(comment("c", phase))
    assert statuses.shown == status("c", max(phases))
    assert text.shown == comment("c", max(phases))


def test_a_stopped_run_of_an_older_release_keeps_no_check_from_speaking() -> None:
    """Of what an older release had queued no check began here, whichever comes first."""
    stopped = status("other", Phase.WITHDRAWN, state="neutral")
    over = status("c", Phase.CONCLUDED, state="success")
    for statuses in (
        DesiredStatuses().withdrawn(stopped).recorded(over),
        DesiredStatuses().recorded(over).withdrawn(stopped),
    ):
        assert statuses.shown == over
    assert DesiredStatuses().withdrawn(stopped).shown == replace(stopped, check="")


@given(st.lists(st.sampled_from(list(STATES)), max_size=6))
def test_an_earlier_check_says_nothing_after_a_later_one_began(phases) -> None:
    before = DesiredStatuses().begun(7, "a").recorded(status("a", Phase.CONCLUDED))
    statuses = before.begun(7, "b")
    text = comment("a", Phase.CONCLUDED).begun("b")
    for phase in phases:
        assert statuses.recorded(status("a", phase)) == statuses
        assert text.recorded(comment("a", phase)) == text
    # What was concluded stays until the later one has something to say, queued or stopped.
    assert statuses.shown is not None
    assert statuses.shown.report == status("a", Phase.CONCLUDED).report
    assert statuses.recorded(status("b", Phase.QUEUED)) == statuses
    assert statuses.withdrawn(status("b", Phase.WITHDRAWN, state="neutral")) == statuses
    assert statuses.recorded(status("b", Phase.PREDICTING)).shown == status("b", Phase.PREDICTING)


def test_a_stopped_check_is_ended_once_and_stays_so() -> None:
    stopped = status("c", Phase.WITHDRAWN, state="neutral")
    statuses = DesiredStatuses().begun(7, "c").recorded(status("c", Phase.BUILDING))
    statuses = statuses.withdrawn(stopped)
    assert statuses.shown == stopped
    assert statuses.recorded(status("c", Phase.CONCLUDED)) == statuses


def test_two_pull_requests_with_one_commit_show_the_worse_until_it_is_closed() -> None:
    statuses = DesiredStatuses()
    for number, check, state in ((7, "a", "failure"), (9, "b", "success")):
        statuses = statuses.begun(number, check)
        statuses = statuses.recorded(status(check, Phase.CONCLUDED, number, state))
    assert statuses.shown == status("a", Phase.CONCLUDED, 7, "failure")
    closed = statuses.closed(7, over=True)
    assert closed.shown == status("b", Phase.CONCLUDED, 9, "success")
    # Where all are closed, the commit still says what it said.
    assert closed.closed(9, over=True).shown is not None
    assert closed.begun(7, "again").shown.number == 7


def test_a_desired_state_is_read_as_it_was_written() -> None:
    notes = (Annotation("a.spec", 1, "t", "m"),)
    full = status("c", Phase.CONCLUDED)
    full = replace(full, report=replace(full.report, annotations=notes, url="u"), over=True)
    for kind, desired in (
        ("status", DesiredStatuses((full, DesiredStatus(9, "d")))),
        ("comment", replace(comment("c", Phase.ACCEPTED), create=False, head_sha="a")),
        ("reaction", DesiredReaction("41", "eyes")),
    ):
        assert desired_from_json(kind, desired_to_json(desired)) == desired


LINE = LineSuggestion("e", "a.spec", 3, "t", "Recommends: perl", "a.spec")


def suggesting(check: str, *lines: LineSuggestion, phase: Phase = Phase.CONCLUDED):
    head = f"head of {check}"
    return DesiredSuggestions(lines, check=check, phase=phase, head_sha=head, base_ref="main")


def test_a_pull_request_without_suggestions_is_none_of_the_forges_business() -> None:
    known = DesiredSuggestions(check="a").recorded(suggesting("a"))
    assert known.shown is None
    assert known.begun("b").recorded(suggesting("b")).shown is None


def test_suggestions_that_are_gone_are_taken_back_and_a_late_check_says_nothing() -> None:
    known = DesiredSuggestions(check="a").recorded(suggesting("a", LINE))
    assert known.shown == suggesting("a", LINE)
    # They stay while the next check runs, and go with its result.
    later = known.begun("b")
    assert later.suggestions == (LINE,)
    gone = later.recorded(suggesting("b"))
    assert gone.shown == suggesting("b")
    assert gone.recorded(suggesting("a", LINE)) == gone
    assert gone.recorded(suggesting("b", LINE, phase=Phase.QUEUED)) == gone


def test_suggestions_are_read_as_they_were_written() -> None:
    wanted = suggesting("a", LINE)
    assert desired_from_json("suggestions", desired_to_json(wanted)) == wanted
