"""Leases: who is alive, by the database's clock and by what a look has seen itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.engine.build_places import BuildPlace
from bot.engine.leases import Leases
from tests.databases import database_urls


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    with database_urls(request.param, tmp_path) as url:
        engine = sa.create_engine(url)
        yield engine
        engine.dispose()


class Clock:
    """A clock that never jumps, until it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def leases(database: sa.Engine, name: str, clock: Clock) -> Leases:
    leases = Leases(database, name, "2", clock=clock, renewal=3600.0)
    leases.start()
    return leases


def shift(database: sa.Engine, seconds: float) -> None:
    """As if the database's clock had jumped: what was renewed is older by so much."""
    with database.begin() as connection:
        statement = sa.text("update minimize_leases set renewed = renewed - :seconds")
        connection.execute(statement, {"seconds": seconds})


def test_a_process_that_renews_nothing_is_lost_after_its_lease(database: sa.Engine) -> None:
    clock = Clock()
    one, other = leases(database, "one", clock), leases(database, "other", clock)
    assert one.lost() == []
    shift(database, 20.0)
    one.renew()
    one.lost()  # sees when the other renewed last
    clock.now += 17.0
    assert one.lost() == ["other"]
    assert one.living() == {"one": "2", "other": "2"}
    other.stop()
    assert (one.lost(), one.living()) == ([], {"one": "2"})
    one.stop()


def test_a_clock_that_jumps_ends_no_lease_that_is_renewed(database: sa.Engine) -> None:
    clock = Clock()
    one, other = leases(database, "one", clock), leases(database, "other", clock)
    assert one.lost() == []
    clock.now += 11.0
    other.renew()
    assert one.lost() == []
    shift(database, 3600.0)
    assert one.lost() == []
    clock.now += 5.0
    other.renew()
    assert one.lost() == []
    one.stop()
    other.stop()


def test_one_alone_takes_over_and_another_where_it_does_not_come_to_the_end(
    database: sa.Engine,
) -> None:
    clock = Clock()
    one, other = leases(database, "one", clock), leases(database, "other", clock)
    leases(database, "dead", clock)
    shift(database, 20.0)
    one.renew()
    other.renew()
    with pytest.raises(RuntimeError), one.taking_over("dead") as ours:
        assert ours
        with other.taking_over("dead") as theirs:
            assert not theirs
        raise RuntimeError
    with database.begin() as connection:
        connection.execute(sa.text("update minimize_leases set taken = taken - 20"))
    with other.taking_over("dead") as theirs:
        assert theirs
    with one.taking_over("dead") as ours:
        assert not ours
    assert sorted(one.living()) == ["one", "other"]
    one.stop()
    other.stop()


def test_who_renewed_meanwhile_is_not_taken_over(database: sa.Engine) -> None:
    lease = leases(database, "one", Clock())
    leases(database, "thawed", Clock())
    with lease.taking_over("thawed") as ours:
        assert not ours
    assert sorted(lease.living()) == ["one", "thawed"]
    lease.stop()


def test_a_lease_says_where_its_process_builds(database: sa.Engine) -> None:
    x86, emulated = BuildPlace("x86_64"), BuildPlace("aarch64", "emulated")
    made = {
        name: Leases(database, name, version, builds=places, renewal=3600.0)
        for name, version, places in (
            ("one", "2", (x86,)),
            ("other", "2", (x86, emulated)),
            ("older", "1", (BuildPlace("s390x"),)),
            ("nothing", "2", ()),
        )
    }
    for each in made.values():
        each.start()
    assert made["one"].build_places() == {x86, emulated}
    shift(database, 20.0)  # all are lost, but the first
    made["one"].renew()
    assert made["one"].build_places() == {x86}
    for each in made.values():
        each.stop()


def test_leases_of_a_release_before_places_are_read(database: sa.Engine) -> None:
    columns = "executor_id text primary key, version text not null, renewed float not null"
    with database.begin() as connection:
        connection.execute(
            sa.text(f"create table minimize_leases ({columns}, taker text, taken float)")
        )
        values = "('older', '1', 0.0, null, null)"
        connection.execute(sa.text(f"insert into minimize_leases values {values}"))
    leases = Leases(database, "one", "2", builds=(BuildPlace("x86_64"),), renewal=3600.0)
    leases.start()
    assert leases.build_places() == {BuildPlace("x86_64")}
    assert leases.living() == {"older": "1", "one": "2"}
    leases.stop()
