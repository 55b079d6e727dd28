"""`minimize track` finds edits, passes over what is unchanged, and settles what landed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.advice.advise import Wish
from bot.advice.maintainers import maintainers_of
from bot.check.pools import Pools
from bot.distro.cache import Cache
from bot.model.advice import Change
from bot.model.opportunity import Opportunity, OpportunityImage
from bot.objectives.opportunities import Settlement, settle_opportunities
from bot.store.history.history import History
from bot.store.opportunities import Opportunities, Place
from tests.objectives.worlds import Thing, World

APP = Thing("app", size=100, requires=("perl", "zlib"))
OTHERS = (Thing("perl", size=9_000, requires=("perl-libs",)), Thing("perl-libs", size=5_000),
          Thing("zlib", size=700))  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.workload("web", "app")
    world.workload("tools", "app", "zlib")
    world.publish(APP, *OTHERS)
    return world


def settle(world: World, history: History, edits: int = 1) -> Settlement:
    pools = Pools(Cache(world.root / "cache"))
    opportunities = Opportunities(history.store)
    return settle_opportunities(world.configuration, opportunities, pools, Wish(edits))


def known(history: History) -> list[Opportunity]:
    return list(Opportunities(history.store).all())


def test_an_edit_is_found_with_its_images_and_not_looked_for_twice(world: World) -> None:
    with world.history() as history:
        assert settle(world, history).advised == 2
        (opportunity,) = known(history)
        assert (opportunity.edit, opportunity.state, opportunity.saves) == (
            "app:perl",
            "found",
            28_000,
        )
        assert [(i.workload, i.saves) for i in opportunity.images] == [
            ("tools", 14_000),
            ("web", 14_000),
        ]
        assert settle(world, history) == Settlement()
        world.workload("more", "app")
        assert settle(world, history).advised == 1
        assert settle(world, history, edits=2).advised == 3
        assert {opportunity.edit for opportunity in known(history)} == {"app:perl", "app:zlib"}


def test_an_edit_that_is_published_landed_with_what_it_saves_now(world: World) -> None:
    with world.history() as history:
        settle(world, history)
        # Meanwhile Perl grew: what landed saves is measured on the day.
        perl = Thing("perl", version=2, size=10_000, requires=("perl-libs",))
        world.publish(Thing("app", version=2, size=100, requires=("zlib",)), perl, *OTHERS[1:])
        assert settle(world, history).landed == ("repo: app:perl",)
        landed = next(
            opportunity for opportunity in known(history) if opportunity.edit == "app:perl"
        )
        assert (landed.state, landed.saved) == ("landed", 30_000)
        # Undone, it is found again.
        world.publish(Thing("app", version=3, size=100, requires=("perl", "zlib")), *OTHERS)
        settle(world, history)
        again = next(
            opportunity for opportunity in known(history) if opportunity.edit == "app:perl"
        )
        assert (again.state, again.saved) == ("found", None)


def test_what_was_merged_is_measured_once_it_is_published(world: World) -> None:
    with world.history() as history:
        settle(world, history)
        opportunities = Opportunities(history.store)

        def merge() -> Opportunity:
            (opportunity,) = known(history)
            merged = replace(opportunity, changed="2026-11-01", url="https://f/1", published=False)
            opportunities.land(merged, opportunity.images)
            return opportunity

        perl = merge().edit
        # Not built yet: the requirement is in what is published, and in another image now.
        world.workload("more", "app")
        settle(world, history)
        (one,) = known(history)
        assert (one.edit, one.state, one.saved, one.published) == (perl, "landed", None, False)
        without = Thing("app", version=2, size=100, requires=("zlib",))
        world.publish(without, *OTHERS)
        assert settle(world, history).landed == ("repo: app:perl",)
        one = next(opportunity for opportunity in known(history) if opportunity.edit == perl)
        assert (one.saved, one.published, one.changed) == (28_000, True, "2026-11-01")
        assert {(i.before, i.after) for i in one.images} == {(14_800, 800)}


def test_what_was_merged_and_undone_before_it_was_published_is_open_again(world: World) -> None:
    with world.history() as history:
        settle(world, history)
        (opportunity,) = known(history)
        Opportunities(history.store).land(replace(opportunity, published=False), opportunity.images)
        settle(world, history)
        assert known(history)[0].state == "landed"
        # A later version is published, and requires it still.
        world.publish(Thing("app", version=2, size=100, requires=("perl", "zlib")), *OTHERS)
        settle(world, history)
        assert known(history)[0].state == "found"


def test_an_edit_that_is_not_published_stays_open(world: World) -> None:
    with world.history() as history:
        settle(world, history)
        world.publish(Thing("app", version=2, size=200, requires=("perl", "zlib")), *OTHERS)
        assert settle(world, history).landed == ()
        (one,) = [opportunity for opportunity in known(history) if opportunity.edit == "app:perl"]
        assert one.state == "found"


@pytest.mark.parametrize("stated", ["libx.so.1(X_2)(64bit)", "libx.so.1()(64bit)"])
def test_a_split_has_not_landed_while_its_soname_is_required(world: World, stated: str) -> None:
    split = Change("split", "app", "app", "libx.so.1()(64bit)", False, "%package libs", 5)
    needing = Thing("app", size=100, requires=("perl", "zlib", stated))
    world.publish(needing, *OTHERS, Thing("libx", provides=(stated,)))
    with world.history() as history:
        settle(world, history)
        place = Place(known(history)[0].repository, "none", "none")
        images = [(split, OpportunityImage("none", "none", ("x86_64",), 5))]
        Opportunities(history.store).record(place, "x", images)
        assert settle(world, history).landed == ()
        world.publish(replace(needing, version=2, requires=("perl", "zlib")), *OTHERS)
        assert "app:libx.so.1()(64bit)" in " ".join(settle(world, history).landed)


def test_maintainers_of_the_settings_are_those_of_opportunities(world, history) -> None:
    settle(world, history)
    assert {opportunity.change.maintainers for opportunity in known(history)} == {()}
    opportunities = Opportunities(history.store)
    pools = Pools(Cache(world.root / "cache"))
    owners = [maintainers_of({"a*": ["ann"]})]
    settled = settle_opportunities(world.configuration, opportunities, pools, Wish(1), owners)
    assert settled.advised == 2
    assert {opportunity.change.maintainers for opportunity in known(history)} == {("ann",)}
