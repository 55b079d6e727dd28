"""A run that solves only what may have changed comes to what a first run comes to."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.objectives.worlds import Thing, World

NAMES = [f"p{number}" for number in range(9)]
WANTED = (("p8",), ("p7", "p5"), ("p6",), ("p8", "p1"))


def repositories():
    """What a repository holds: some of the names, each needing some of those before it."""
    return st.fixed_dictionaries(
        {
            name: st.none()
            | st.builds(
                Thing,
                st.just(name),
                st.integers(1, 2),
                st.sampled_from([10, 70]),
                st.lists(st.sampled_from(NAMES[:n]), max_size=3, unique=True).map(tuple)
                if n
                else st.just(()),
                st.lists(st.sampled_from(NAMES[:n]), max_size=1).map(tuple) if n else st.just(()),
            )
            for n, name in enumerate(NAMES)
        }
    )


@given(st.lists(repositories(), min_size=2, max_size=4))
@settings(max_examples=12, deadline=None)
def test_history_after_many_runs_is_what_a_first_run_would_find(
    tmp_path_factory: pytest.TempPathFactory, days
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    keys = [world.workload(f"w{n}", *names) for n, names in enumerate(WANTED)]
    keys.append(world.workload("weak", "p8", weak=True))
    versions: dict[Thing, int] = {}
    with world.history() as history:
        for number, day in enumerate(days):
            # A package that is another one has another version, as in real repositories.
            things = []
            for thing in filter(None, day.values()):
                version = versions.setdefault(thing, len(versions) + 1)
                things.append(
                    Thing(thing.name, version, thing.size, thing.requires, thing.recommends)
                )
            world.publish(*things)
            tracked = {image.key: image for image in world.track(history).images}
            with world.history(f"fresh-{number}") as fresh:
                world.track(fresh)
                for key in keys:
                    known, found = history.evaluation(key), fresh.evaluation(key)
                    for step in history.steps(key, limit=1):
                        whole = known.facts.known_size
                        sound = [p for p in history.history(key, every=True) if p.run < step.run]
                        held = [p.known_size for p in sound if p.status == "ok"]
                        if step.run == known.run and found.facts.status == "ok" and held:
                            assert step.known_delta == whole - held[-1]
                            assert step.known_delta == sum(c.known_delta for c in step.causes)
                    assert known.facts == found.facts
                    if found.facts.status != "ok":
                        continue
                    assert history.contents(key) == fresh.contents(key)
                    before = tracked[key].before
                    if before is not None and before.facts.status == "ok":
                        grown = known.facts.installed_size - before.facts.installed_size
                        assert sum(c.known_delta for c in tracked[key].causes) == grown


def test_several_processes_come_to_what_one_comes_to(tmp_path: Path) -> None:
    world = World(tmp_path)
    things = [Thing(f"q{n}", 1, n + 1, tuple(f"q{m}" for m in {n // 2, n // 3} - {n}))
              for n in range(40)]  # fmt: skip
    keys = [world.workload(f"w{n}", f"q{n}") for n in range(30)]
    changed = [Thing(t.name, 2, t.size + 5, t.requires[:1]) for t in things]
    with world.history("one") as one, world.history("two") as two:
        for day in (things, changed):
            world.publish(*day)
            alone, together = world.track(one), world.track(two, processes=2)
            assert alone.solved == together.solved == 30
            assert [(i.key, i.after.facts, i.causes) for i in alone.images] == [
                (i.key, i.after.facts, i.causes) for i in together.images
            ]
        assert any(image.causes for image in together.images)
        for key in keys:
            assert one.contents(key) == two.contents(key)
            assert one.steps(key)[0].causes == two.steps(key)[0].causes


def test_only_images_with_another_package_are_said_to_have_moved(tmp_path: Path) -> None:
    world = World(tmp_path)
    app, other = world.workload("app", "a"), world.workload("other", "b")
    with world.history() as history:
        world.publish(Thing("a"), Thing("b"))
        world.track(history)
        world.publish(Thing("a", 2, 15), Thing("b"))
        tracked = world.track(history)
        assert tracked.solved == 2
        assert {i.key: sum(c.known_delta for c in i.causes) for i in tracked.images} == {
            app: 5,
            other: 0,
        }
        # What it is was not stored once more.
        assert [p.closure for p in history.history(other)] == [
            history.evaluation(other).closure
        ] * 2
        assert world.track(history).solved == 0
