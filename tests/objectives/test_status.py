"""Trends, what is at risk, and by when."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.objectives.status import ObjectiveStatus, objective_statuses, trend, trend_of
from bot.store.history.history import History
from bot.store.history.values import Moves
from tests.objectives.worlds import Thing, World

DAY, WEEK = 86400.0, 7 * 86400.0
# Runs of the tests are of today: a target of a day that is written here would be past some day.
NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
IN_FOUR_WEEKS = (NOW + timedelta(weeks=4)).date().isoformat()

pieces = st.lists(
    st.tuples(st.floats(0.5, 20), st.none() | st.integers(0, 10**9)), min_size=1, max_size=8
)


def curve(spans, start: float = 0.0):
    found, end = [], start
    for days, value in spans:
        end += days * DAY
        found.append((end, value))
    return found


@given(pieces)
def test_a_trend_is_the_least_squares_line_through_every_moment(spans) -> None:
    slope = trend(0.0, curve(spans))
    known = [(days, value) for days, value in spans if value is not None]
    if sum(days for days, _ in known) < 1:
        assert slope is None
        return
    # A line through very many moments, by the textbook's sums.
    points, start = [], 0.0
    for days, value in spans:
        steps = max(int(days * 40), 20)
        if value is not None:
            weight = days / steps
            points += [(start + (n + 0.5) * weight, value, weight) for n in range(steps)]
        start += days
    total = sum(w for _, _, w in points)
    middle = sum(x * w for x, _, w in points) / total
    mean = sum(y * w for _, y, w in points) / total
    above = sum((x - middle) * (y - mean) * w for x, y, w in points)
    below = sum((x - middle) ** 2 * w for x, _, w in points)
    largest = max(value for _, value in known)
    assert slope == pytest.approx(above / below * 7, rel=0.02, abs=0.02 * largest + 1e-6)


@given(pieces, st.integers(-(10**6), 10**6), st.floats(0, 10**9))
def test_a_trend_does_not_hang_on_where_it_begins(spans, more, later) -> None:
    slope = trend(0.0, curve(spans))
    moved = [(at, None if value is None else value + more) for at, value in curve(spans, later)]
    other = trend(later, moved)
    if slope is None:
        assert other is None
    else:
        assert other == pytest.approx(slope, rel=1e-3, abs=1.0)


def test_a_step_in_the_middle_rises_by_one_and_a_half_of_it() -> None:
    assert trend(0.0, curve([(14, 10), (14, 50)])) == pytest.approx(1.5 * 40 / 4)
    assert trend(0.0, curve([(28, 10)])) == 0.0
    assert trend(0.0, curve([(0.5, 10)])) is None
    assert trend(0.0, curve([(20, None)])) is None


@given(
    st.lists(st.tuples(st.floats(0.5, 20), st.integers(0, 10**9)), min_size=1, max_size=8),
    st.floats(0, 30),
)
def test_the_sums_of_steps_give_the_same_trend(spans, young) -> None:
    start = datetime(2026, 9, 6, tzinfo=UTC)
    first = start.timestamp() + young * DAY
    pieces = curve(spans, first)
    # At a day exactly, the rounding of times decides whether there is a trend.
    assume(abs(pieces[-1][0] - first - DAY) > 1.0)
    steps = [
        (end - start.timestamp(), after - before)
        for (end, before), (_, after) in itertools.pairwise(pieces)
    ]
    moves = Moves(
        first,
        sum(delta for _, delta in steps),
        sum(delta * at for at, delta in steps),
        sum(delta * at * at for at, delta in steps),
    )
    expected = trend(first, pieces)
    slope = trend_of(moves, start, datetime.fromtimestamp(pieces[-1][0], UTC))
    if expected is None:
        assert slope is None
    else:
        assert slope == pytest.approx(expected, rel=1e-6, abs=1.0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.workload("app", "lib")
    return world


def grown(world: World, history: History, sizes: list[int]) -> None:
    """A run each week until a week ago, with these sizes."""
    for number, size in enumerate(sizes):
        world.publish(Thing("lib", number + 1, size))
        run = world.track(history).run
        at = NOW - timedelta(weeks=len(sizes) - number)
        with history.store.writing() as db:
            db.execute("update runs set started = ? where id = ?",
                       [at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), run])  # fmt: skip


def status(history: History) -> ObjectiveStatus:
    (status,) = objective_statuses(history, NOW)
    return status


@pytest.mark.parametrize(
    ("sizes", "text", "outlook"),
    [
        ([100, 110, 120, 130], "limits: {installed_size: 150}", "at risk"),
        ([100, 110, 120, 130], "limits: {installed_size: 1000}", "met"),
        ([100, 110, 120, 160], "limits: {installed_size: 150}", "broken"),
        ([130, 120, 110, 100], "limits: {installed_size: 150}", "met"),
        ([100, 100, 100, 100], "limits: {installed_size: 100}", "met"),
        # The target's day is in four weeks: the trend comes to about 60, or stays where it is.
        ([130, 120, 110, 100], "target: {installed_size: 70, by: DAY}", "met"),
        ([130, 120, 110, 100], "target: {installed_size: 30, by: DAY}", "at risk"),
        ([100, 100, 100, 100], "target: {installed_size: 90, by: DAY}", "at risk"),
    ],
)
def test_the_trend_says_what_is_at_risk(world: World, sizes, text, outlook) -> None:
    world.objective("small", "app", text.replace("DAY", IN_FOUR_WEEKS))
    with world.history() as history:
        grown(world, history, sizes)
        state = status(history)
        assert state.outlook == outlook
        assert state.state.value == sizes[-1]
        step = sizes[1] - sizes[0]
        if len({b - a for a, b in itertools.pairwise(sizes)}) == 1:
            # Steps, not a ramp: the line through them is less steep at their ends.
            assert state.trend_per_week == pytest.approx(step, rel=0.1)


def test_the_day_on_which_the_trend_passes_the_limit_is_named(world: World) -> None:
    world.objective("small", "app", "limits: {installed_size: 150}")
    with world.history() as history:
        grown(world, history, [100, 110, 120, 130])
        state = status(history)
        assert state.trend_per_week is not None
        weeks = 20 / state.trend_per_week
        expected = (NOW + timedelta(weeks=weeks)).date()
        assert state.crosses is not None
        assert abs((datetime.fromisoformat(state.crosses).date() - expected).days) <= 1


def test_a_figure_that_was_not_known_for_a_while_keeps_what_is_known_of_its_trend(
    world: World,
) -> None:
    world.objective("small", "app", "limits: {installed_size: 1000, packages: 5}")
    since = (NOW - timedelta(weeks=8)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with world.history() as history:
        grown(world, history, [100, 110, 120, 130])
        key = objective_statuses(history, NOW)[0].state.key
        reported = history.moves([key], since)
        assert {metric: moves.total for (_, metric), moves in reported.items()} == {
            "installed_size": 30,
            "packages": 0,
        }
        world.publish(Thing("other", 1, 1))
        world.track(history)
        world.publish(Thing("lib", 9, 140))
        world.track(history)
        assert history.moves([key], since) == {}
        found = {s.state.metric: s for s in objective_statuses(history, datetime.now(UTC))}
        assert found["installed_size"].trend_per_week is not None


def test_an_image_that_cannot_be_solved_has_no_value_and_no_verdict(world: World) -> None:
    world.objective("small", "app", "limits: {installed_size: 150}, unwanted: {perl: no}")
    with world.history() as history:
        grown(world, history, [100, 110])
        world.publish(Thing("other"))
        world.track(history)
        statuses = objective_statuses(history, NOW)
        assert {s.outlook for s in statuses} == {"unknown"}
        assert all(s.state.value is None and s.state.met is None for s in statuses)
