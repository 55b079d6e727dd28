"""Images that break and mend, go and come back: each move is one step, attributed to its cause."""

from contextlib import closing
from dataclasses import replace

import pytest

from bot.model.closure import SnapshotState
from bot.objectives.jsonform import track_to_json
from bot.objectives.steps import StepMaker
from bot.objectives.tracking import TrackedImage
from bot.store.history.history import History
from bot.store.history.recording import MovedImage
from bot.store.history.values import EvaluatedImage, MergedChange
from tests.objectives.worlds import MERGED_AT, Thing, World

LIB, GROWN = Thing("lib"), Thing("lib", 2, 25, ("extra",))
EXTRA = Thing("extra", 1, 100)


def moved(world: World, history: History) -> TrackedImage:
    (image,) = world.track(history).images
    return image


def reported(image: TrackedImage) -> dict[str, tuple[str, str, int]]:
    return {c.package: (c.change, c.kind, c.known_delta) for c in image.causes}


def test_an_image_that_breaks_and_mends_moves_twice(world: World, history: History) -> None:
    key = world.workload("app", "lib")
    world.publish(LIB)
    assert moved(world, history).causes == ()
    world.publish(GROWN)  # nothing provides extra
    broken = moved(world, history)
    assert broken.after.facts.status == "unsolvable"
    assert "extra" in broken.after.facts.problems[0]
    assert reported(broken) == {"lib": ("unsolvable", "distribution", 0)}
    # Nothing new: no step.
    world.publish(GROWN, Thing("unrelated"))
    assert moved(world, history).causes == ()
    # What it holds now is compared with what it last held.
    world.publish(GROWN, EXTRA)
    mended = moved(world, history)
    assert [(c.package, c.change, c.kind, c.known_delta) for c in mended.causes] == [
        ("extra", "came", "distribution", 100),
        ("lib", "changed", "distribution", 15),
        ("extra", "solvable", "distribution", 0),
    ]
    last, first = history.steps(key)
    assert (first.before.status, first.after.status) == ("ok", "unsolvable")
    assert (last.before.status, last.after.status) == ("unsolvable", "ok")
    assert last.known_delta == sum(c.known_delta for c in last.causes) == 115
    assert first.packages_delta is None


def test_a_request_that_nothing_provides_is_named_and_attributed_to_who_requested(
    world: World, history: History
) -> None:
    world.workload("app", "lib")
    world.publish(LIB, EXTRA)
    moved(world, history)
    world.workload("app", "lib", "nowhere")
    assert reported(moved(world, history)) == {"nowhere": ("unsolvable", "configuration", 0)}
    # The same again with other repositories, then with the packages gone from them.
    world.workload("app", "lib", "elsewhere")
    world.publish(LIB, EXTRA, Thing("new"))
    assert reported(moved(world, history)) == {}
    world.workload("app", "lib")
    assert reported(moved(world, history))["app"] == ("solvable", "configuration", 0)
    world.publish(EXTRA)
    assert reported(moved(world, history)) == {"lib": ("unsolvable", "distribution", 0)}


def test_a_newly_requested_package_that_is_nowhere_is_the_documents_doing_on_a_new_day(
    world: World, history: History
) -> None:
    world.workload("app", "lib")
    world.publish(LIB)
    moved(world, history)
    world.workload("app", "lib", "nowhere")
    world.publish(LIB, EXTRA)
    assert reported(moved(world, history)) == {"nowhere": ("unsolvable", "configuration", 0)}


def test_an_image_that_was_never_solved_begins_when_it_can_be(
    world: World, history: History
) -> None:
    key = world.workload("app", "lib")
    world.publish(EXTRA)
    assert moved(world, history).after.facts.status == "unsolvable"
    world.publish(EXTRA, LIB)
    begun = moved(world, history)
    assert reported(begun) == {"lib": ("solvable", "distribution", 0)}
    assert [m.nevra.name for m in history.contents(key).members] == ["lib"]


def test_an_image_that_comes_back_is_compared_with_what_it_was(
    world: World, history: History
) -> None:
    key = world.workload("app", "lib")
    world.workload("other", "lib")
    world.publish(LIB)
    world.track(history)
    world.forget("app")
    assert [i.key.workload for i in world.track(history).images] == ["other"]
    assert [i.key.workload for i in history.images()] == ["other"]
    assert {i.key: i.gone for i in history.images(gone=True)}[key]
    assert key not in history.latest_evaluations()
    assert [u.key.workload for u in history.usage("lib")] == ["other"]
    # While it was gone, the distribution moved on.
    world.publish(GROWN, EXTRA)
    world.track(history)
    world.workload("app", "lib")
    back = {i.key: i for i in world.track(history).images}[key]
    assert back.before is not None and back.before.facts.installed_size == 10
    assert reported(back) == {
        "lib": ("changed", "distribution", 15),
        "extra": ("came", "distribution", 100),
    }
    assert not {i.key: i.gone for i in history.images(gone=True)}[key]
    assert {u.key.workload for u in history.usage("lib")} == {"app", "other"}
    (step,) = history.steps(key)
    assert step.known_delta == 115
    # And back as it was is no step at all.
    world.forget("app")
    world.track(history)
    world.workload("app", "lib")
    assert {i.key: i for i in world.track(history).images}[key].causes == ()


def test_a_document_that_requests_more_is_the_cause_with_the_way_to_it(
    world: World, history: History
) -> None:
    world.workload("app", "lib")
    world.publish(LIB, Thing("tool", 1, 7, ("part",)), Thing("part", 1, 3))
    moved(world, history)
    world.workload("app", "lib", "tool")
    image = moved(world, history)
    assert reported(image) == {
        "tool": ("came", "configuration", 7),
        "part": ("came", "configuration", 3),
    }
    (chain,) = (c.chain for c in image.causes if c.package == "part")
    assert [(str(edge.source), str(edge.target)) for edge in chain] == [
        ("tool-0:1-1.noarch", "part-0:1-1.noarch")
    ]


def test_weak_dependencies_switched_on_are_the_documents_doing(
    world: World, history: History
) -> None:
    world.workload("app", "lib")
    world.publish(Thing("lib", recommends=("extra",)), EXTRA)
    moved(world, history)
    world.workload("app", "lib", weak=True)
    image = moved(world, history)
    assert reported(image) == {"extra": ("came", "configuration", 100)}
    world.workload("app", "lib")
    assert reported(moved(world, history)) == {"extra": ("went", "configuration", -100)}


def test_what_went_is_named_with_the_way_on_which_it_was_there(
    world: World, history: History
) -> None:
    key = world.workload("app", "lib")
    world.publish(Thing("lib", 1, 10, ("mid",)), Thing("mid", 1, 5, ("extra",)), EXTRA)
    moved(world, history)
    world.publish(Thing("lib", 1, 10, ("mid",)), Thing("mid", 2, 5), EXTRA)
    image = moved(world, history)
    (gone,) = (c for c in image.causes if c.package == "extra")
    assert (gone.change, gone.known_delta, str(gone.mover)) == ("went", -100, "mid-0:2-1.noarch")
    assert [str(edge.target) for edge in gone.chain] == ["mid-0:1-1.noarch", "extra-0:1-1.noarch"]
    (step,) = history.steps(key)
    assert {c.package: c.chain for c in step.causes}["extra"] == gone.chain
    told_json = track_to_json(world.track(history))
    assert told_json["images"][0]["steps"] == []


def test_who_lets_another_in_is_found_though_nothing_went(world: World, history: History) -> None:
    world.workload("app", "top")
    top = Thing("top", requires=("both", "tool"))
    world.publish(top, Thing("both", provides=("tool",)))
    moved(world, history)
    world.publish(top, Thing("both", 2), Thing("tool"))
    causes = {c.package: c for c in moved(world, history).causes}
    assert str(causes["tool"].mover) == "both-0:2-1.noarch"


@pytest.mark.parametrize("same", [True, False])
def test_a_layer_that_weighs_otherwise_with_the_same_packages_is_a_step_with_a_cause(
    world: World, history: History, same: bool
) -> None:
    key = world.workload("app", "lib")
    world.publish(LIB)
    moved(world, history)
    last = history.evaluation(key)
    contents = history.contents(key)
    with closing(StepMaker(history.store.path, ())) as stepping:
        for layer, causes in ((None, 0), (7, 0), (7, 0), (9, 1)):
            facts = replace(last.facts, layer_size=layer)
            snapshot = last.snapshot if same else SnapshotState(f"with {layer}", ())
            now = EvaluatedImage(key, snapshot, "i", f"{layer}", facts, contents.requests, False,
                            contents.members, contents.links)  # fmt: skip
            step = stepping(now, lambda _source: ())
            assert len(step.causes) == causes
            run = history.recorder.begin_run()
            history.recorder.record(run, [MovedImage(now, step.causes)])
            last = history.evaluation(key)
    (step,) = history.steps(key)
    assert (step.before.layer_size, step.after.layer_size, step.known_delta) == (7, 9, 0)
    (cause,) = step.causes
    assert cause.kind == ("configuration" if same else "unknown")


def test_one_pull_request_is_attributed_to_each_image_when_it_arrives_there(
    world: World, history: History
) -> None:
    first, second = world.workload("first", "lib"), world.workload("second", "other")
    world.publish(LIB, Thing("other"))
    world.track(history)
    number = history.recorder.record_merged(
        MergedChange("gh", "o/r", 7, "t", "ann", "https://f/7", "a" * 40, MERGED_AT,
                     None, {"lib": "2-1", "other": "2-1"})
    )  # fmt: skip
    world.publish(Thing("lib", 2, 12), Thing("other"))
    world.track(history)
    landed = {e.key: e.landed_run for e in history.merged_change(number).effects}
    assert set(landed) == {first}
    world.publish(Thing("lib", 2, 12), Thing("other", 2, 30))
    world.track(history)
    landed = {e.key: e.landed_run for e in history.merged_change(number).effects}
    assert landed[first] < landed[second]
    for key, delta in ((first, 2), (second, 20)):
        (step,) = history.steps(key)
        assert [(c.merged_change, c.known_delta) for c in step.causes] == [(number, delta)]
    # It is attributed to nothing that comes after it.
    world.publish(Thing("lib", 3, 99), Thing("other", 2, 30))
    world.track(history)
    assert [c.merged_change for c in history.steps(first)[0].causes] == [None]
