"""The outbox's rows: one writer for each, found again after a kill, until the forge says so."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.engine.desired import DesiredComment, DesiredStatus, DesiredStatuses, Phase, Subject
from bot.engine.outbox import SETTLED, Outbox
from bot.forge.values import PullRequestKey, StatusReport

KEY = PullRequestKey("gh", "o/r", 7)
SHA = "a" * 40
COMMIT = Subject.status(KEY, SHA)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'engine.sqlite'}"


def opened(url: str, holder: str = "one") -> Outbox:
    return Outbox(url, holder)


def record(
    outbox: Outbox, title: str, phase: Phase = Phase.CONCLUDED, number: int = 7, sha: str = SHA
) -> bool:
    wanted = DesiredStatus(number, "c", phase, StatusReport("c", "success", title))
    subject = Subject.status(PullRequestKey("gh", "o/r", number), sha)
    return outbox.change(subject, DesiredStatuses(), lambda known: known.recorded(wanted))


def shift(url: str, seconds: float) -> None:
    """Let `seconds` pass: every time in the table is that much earlier."""
    engine = sa.create_engine(url)
    names = ("changed_at", "seen_at", "look_at", "due", "failing_since", "refused_at", "held_until")
    with engine.begin() as connection:
        for name in names:
            connection.execute(
                sa.text(f"update minimize_outbox set {name} = {name} - :s where {name} > 0"),
                {"s": seconds},
            )
    engine.dispose()


def test_what_is_recorded_is_due_until_it_was_seen_and_the_same_again_is_nothing(url) -> None:
    outbox = opened(url)
    woken: list[int] = []
    outbox.on_change = lambda: woken.append(1)
    assert record(outbox, "fine")
    assert not record(outbox, "fine")
    assert woken == [1]
    assert outbox.backlog()["gh"].waiting == 1
    (claim,) = outbox.claim(9)
    assert isinstance(claim.desired, DesiredStatuses)
    assert claim.desired.shown.report.title == "fine"
    assert outbox.claim(9) == []
    outbox.settle(claim)
    assert outbox.settled()
    assert outbox.backlog() == {}
    outbox.close()


def test_a_version_recorded_while_the_last_is_written_is_written_after_it(url) -> None:
    outbox = opened(url)
    record(outbox, "old")
    (claim,) = outbox.claim(9)
    record(outbox, "new")
    assert outbox.claim(9) == []  # the commit has a writer
    outbox.settle(claim)
    (later,) = outbox.claim(9)
    assert later.desired.shown.report.title == "new"
    outbox.close()


def test_of_many_processes_one_has_a_commit(url) -> None:
    outboxes = [opened(url, f"p{n}") for n in range(8)]
    for number in range(12):
        record(outboxes[0], str(number), number=number)
    assert outboxes[0].backlog()["gh"].waiting == 1  # one commit, twelve pull requests
    gate = threading.Barrier(8)

    def claim(outbox: Outbox) -> int:
        gate.wait()
        return len(outbox.claim(9))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(claim, outboxes)) == 1
    for outbox in outboxes:
        outbox.close()


def test_the_claim_of_a_killed_writer_ends_and_its_row_is_looked_at_twice(url) -> None:
    first, second = opened(url, "first"), opened(url, "second")
    record(first, "fine")
    (lost,) = first.claim(9)
    assert second.claim(9) == []
    shift(url, 21)
    (claim,) = second.claim(9)
    assert claim.taken_over
    assert not lost.taken_over
    second.settle(claim)
    assert second.claim(9) == []
    # What the killed one had sent may have come after it.
    shift(url, SETTLED)
    (again,) = second.claim(9)
    assert not again.taken_over
    second.settle(again)
    assert second.settled()
    for outbox in (first, second):
        outbox.close()


def test_a_writer_that_was_frozen_has_its_row_compared_again(url) -> None:
    first, second = opened(url, "first"), opened(url, "second")
    record(first, "fine")
    (frozen,) = first.claim(9)
    shift(url, 21)
    second.settle(second.claim(9)[0])
    assert first.renew([frozen]) == set()
    first.settle(frozen)  # it wakes up, and has written after the other
    shift(url, 2)
    assert not first.settled()
    assert len(second.claim(9)) == 1
    for outbox in (first, second):
        outbox.close()


def test_a_renewed_claim_does_not_end(url) -> None:
    first, second = opened(url, "first"), opened(url, "second")
    record(first, "fine")
    claims = first.claim(9)
    for _ in range(3):
        shift(url, 10)
        assert first.renew(claims) == {COMMIT.id}
        assert second.claim(9) == []
    for outbox in (first, second):
        outbox.close()


def test_a_failed_try_waits_and_a_new_version_does_not(url) -> None:
    outbox = opened(url)
    record(outbox, "old")
    outbox.postpone(outbox.claim(9)[0], "502", 30.0)
    assert outbox.problem(COMMIT) == "502"
    assert outbox.claim(9) == []
    shift(url, 31)
    (claim,) = outbox.claim(9)
    assert (claim.attempts, claim.problem) == (1, "502")
    assert claim.failing >= 31
    record(outbox, "new")
    outbox.postpone(claim, "502", 30.0)
    assert len(outbox.claim(9)) == 1
    outbox.close()


def test_refusals_count_by_the_day(url) -> None:
    outbox = opened(url)
    record(outbox, "fine")
    counted = []
    for hours in (0, 1, 30, 1, 30):
        shift(url, hours * 3600)
        (claim,) = outbox.claim(9)
        counted.append(claim.refusals)
        outbox.refuse(claim, "404", 60.0)
    assert counted == [0, 1, 1, 2, 2]
    outbox.drop(outbox_claim(url, outbox), "404 for days")
    assert outbox.settled()
    assert outbox.problem(COMMIT) == "404 for days"
    outbox.close()


def outbox_claim(url: str, outbox: Outbox):
    shift(url, 3600)
    return outbox.claim(9)[0]


def test_a_clock_that_is_set_back_holds_nothing_up(url) -> None:
    outbox = opened(url)
    record(outbox, "fine")
    outbox.claim(9)
    shift(url, -86_400)  # the row is held, and due, a day from now
    assert len(outbox.claim(9)) == 1
    outbox.close()


def test_a_held_forge_is_left_alone(url) -> None:
    outbox = opened(url)
    record(outbox, "fine")
    assert outbox.claim(9, without=["gh"]) == []
    assert len(outbox.claim(9, without=["gl"])) == 1
    outbox.close()


def test_a_claim_that_ended_makes_no_second_writer_of_its_own_process(url) -> None:
    outbox = opened(url)
    record(outbox, "fine")
    (claim,) = outbox.claim(9)
    shift(url, 21)
    assert outbox.claim(9, in_hand=[claim.subject.id]) == []
    assert len(outbox.claim(9)) == 1
    outbox.close()


def test_a_row_that_cannot_be_read_stops_no_other(url, caplog) -> None:
    outbox = opened(url)
    record(outbox, "fine")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("update minimize_outbox set body = '{\"statuses\": 1}'"))
    engine.dispose()
    record(outbox, "other", number=8, sha="f" * 40)
    (claim,) = outbox.claim(9)
    assert claim.desired.shown.report.title == "other"
    assert "cannot be read" in caplog.text
    outbox.settle(claim)
    assert outbox.settled()
    record(outbox, "newer")
    (claim,) = outbox.claim(9)
    assert claim.desired.shown.report.title == "newer"
    outbox.close()


def test_what_was_long_seen_is_forgotten_and_what_waits_is_not(url) -> None:
    outbox = opened(url)
    record(outbox, "fine")
    comment = Subject.comment(KEY, "m")
    outbox.change(comment, DesiredComment("m"), lambda _: DesiredComment("m", "text m"))
    (claim,) = [c for c in outbox.claim(9) if c.subject == COMMIT]
    outbox.settle(claim)
    shift(url, 15 * 86_400)
    assert outbox.forget(14) == 1
    assert outbox.forget_repository("gh", "o/other") == 0
    assert outbox.forget_repository("gh", "o/r") == 1
    outbox.close()
