"""What all images were at a run: the same as if each image were asked for that time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from bot.objectives.status import objective_statuses
from bot.store.history.history import History, open_history
from bot.store.history.rows import fork, holding
from tests.web.seeded import seed

DAYS = 12


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> History:
    folder: Path = tmp_path_factory.mktemp("then")
    history = open_history(folder)
    seed(history, days=DAYS)
    yield history
    history.close()
    history.store.close()


@pytest.mark.parametrize("run", range(1, DAYS + 2))
def test_the_surface_of_a_run_is_that_of_its_images(history, run) -> None:
    (at,) = (r.started for r in history.runs() if r.id == run)
    members = [
        (key, member)
        for key in (image.key for image in history.images())
        for member in history.contents(key, at, links=False).members
    ]
    spread = {s.name: s for s in history.spread(run)}
    held = Counter(m.nevra.name for _, m in members)
    assert {name: s.images for name, s in spread.items()} == held
    versions = {(m.nevra.name, m.nevra.evr) for _, m in members}
    assert {n: s.versions for n, s in spread.items()} == Counter(name for name, _ in versions)
    totals = history.totals(run)
    assert totals.total == sum(m.installed_size or 0 for _, m in members)
    assert totals.packages == len(held)
    families: dict[str, set[tuple[str, str]]] = {}
    for key, member in members:
        families.setdefault(member.nevra.name, set()).add((key.workload, key.environment))
    lonely = {u.nevra.rsplit("-", 2)[0] for u in history.only_one_needs(run=run)}
    assert lonely == {name for name, found in families.items() if len(found) == 1}
    latest = history.latest_evaluations(run)
    assert latest == {i.key: history.evaluation(i.key, at) for i in history.images()}


def test_the_last_run_is_now(history) -> None:
    last = DAYS + 1
    assert history.spread(last) == history.spread()
    assert history.totals(last) == history.totals()
    assert history.only_one_needs(run=last) == history.only_one_needs()
    assert history.objective_states(run=last) == history.objective_states()
    assert [s.state for s in objective_statuses(history, run=last)] == [
        s.state for s in objective_statuses(history)
    ]


def test_an_image_that_no_document_describes_counts_until_it_is_gone(tmp_path: Path) -> None:
    history = open_history(tmp_path)
    seed(history, days=3)
    last = history.runs(1)[0].id
    gone = history.images()[0]
    before = {s.name: s.images for s in history.spread(last - 1)}
    with history.store.writing() as db:
        db.execute("update images set gone_run = ? where id = ?", [last, gone.id])
    assert {s.name: s.images for s in history.spread(last - 1)} == before
    members = [
        member
        for image in history.images()
        for member in history.contents(image.key, links=False).members
    ]
    assert gone.key not in {image.key for image in history.images()}
    assert {s.name: s.images for s in history.spread()} == Counter(m.nevra.name for m in members)
    assert history.totals().total == sum(m.installed_size or 0 for m in members)
    assert gone.key not in {usage.key for usage in history.only_one_needs()}
    history.close()
    history.store.close()


def test_one_objective_and_one_image_stand_as_they_do_among_all(history) -> None:
    now = datetime.fromisoformat(history.run_at().started)
    for run in (3, DAYS + 1):
        every = objective_statuses(history, now, run)
        for key in {s.state.key for s in every}:
            of_key = objective_statuses(history, now, run, key=key)
            assert of_key == tuple(s for s in every if s.state.key == key)
        for objective in ("curl", "nginx-stays-small"):
            of_one = objective_statuses(history, now, run, objective=objective)
            assert of_one == tuple(s for s in every if s.state.objective == objective)


def test_objectives_of_a_run_are_those_that_held_then(history) -> None:
    every = history.objective_history("nginx-stays-small")
    for run in history.runs():
        then = history.objective_states("nginx-stays-small", run.id)
        held = [
            s
            for s in every
            if s.since <= run.started and (s.until is None or s.until > run.started)
        ]
        assert list(then) == held
        assert [s for s in history.objective_states(run=run.id) if s.objective != "curl"] == held


stays = st.tuples(st.integers(1, 3000), st.one_of(st.none(), st.integers(1, 3000))).map(
    lambda pair: (pair[0], None if pair[1] is None else pair[0] + pair[1])
)


@given(rows=st.lists(stays, max_size=40), run=st.integers(1, 5000))
def test_the_index_finds_what_holds_and_nothing_else(rows, run) -> None:
    db = Database(memory=True)
    db.execute("create table stays (from_run integer, until_run integer)")
    db.execute(
        f"create index idx_stays_fork on stays ({fork()}, from_run, until_run)"
        " where until_run is not null"
    )
    db.conn.executemany("insert into stays values (?, ?)", rows)
    counts = Counter(db.execute(holding("stays", "from_run, until_run", run)).fetchall())
    db.close()
    assert counts == Counter(
        row for row in rows if row[0] <= run and (row[1] is None or row[1] > run)
    )
