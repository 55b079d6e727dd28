"""Images that can be installed no more, or again: by which package, and whose change it was."""

from bot.model.image import ImageKey
from bot.objectives.drift import drift_states
from bot.objectives.issue_text import drift_issue
from bot.objectives.jsonform import track_to_json
from bot.store.history.history import History
from bot.store.history.values import Cause, MergedChange
from tests.objectives.worlds import MERGED_AT, Thing, World

LIB = Thing("lib")


def merge(history: History, number: int, **sources: str | None) -> int:
    return history.recorder.record_merged(
        MergedChange("gh", "o/r", number, "t", "ann", f"https://x/{number}", "a" * 40,
                     MERGED_AT, None, sources)
    )  # fmt: skip


def turned(world: World, history: History) -> Cause:
    """The cause of the image's turn in a run."""
    (image,) = world.track(history).images
    (cause,) = (c for c in image.causes if c.change in ("unsolvable", "solvable"))
    return cause


def tracked_lib(world: World, history: History) -> ImageKey:
    """The image of the workload `app`, which is the library alone, at its first run."""
    key = world.workload("app", "lib")
    world.publish(LIB)
    world.track(history)
    return key


def test_the_package_whose_new_version_needs_what_is_nowhere_is_named_with_its_change(
    world: World, history: History
) -> None:
    world.workload("app", "top")
    top = Thing("top", requires=("lib",))
    world.publish(top, LIB)
    world.track(history)
    number = merge(history, 7, lib="2-1")
    world.publish(top, Thing("lib", 2, requires=("extra",)))
    broke = turned(world, history)
    assert (broke.package, broke.kind, broke.merged_change) == ("lib", "pull request", number)
    assert (str(broke.before), str(broke.mover)) == ("lib-0:1-1.noarch", "lib-0:2-1.noarch")
    # Who repairs it is named, too.
    repair = merge(history, 8, lib="3-1")
    world.publish(top, Thing("lib", 3))
    mended = turned(world, history)
    assert (mended.package, mended.kind, mended.merged_change) == ("lib", "pull request", repair)


def test_a_change_whose_build_is_not_there_yet_is_not_blamed(
    world: World, history: History
) -> None:
    tracked_lib(world, history)
    merge(history, 7, lib="3-1")
    world.publish(Thing("lib", 2, requires=("extra",)))
    broke = turned(world, history)
    assert (broke.package, broke.kind, broke.merged_change) == ("lib", "distribution", None)


def test_who_no_longer_provides_what_another_needs_is_named(world: World, history: History) -> None:
    world.workload("app", "top")
    top = Thing("top", requires=("libz.so.1",))
    world.publish(top, Thing("zlib", provides=("libz.so.1",)))
    world.track(history)
    number = merge(history, 7, zlib="2-1")
    world.publish(top, Thing("zlib", 2, provides=("libz.so.2",)))
    broke = turned(world, history)
    assert (broke.package, broke.merged_change) == ("zlib", number)
    assert (str(broke.before), str(broke.mover)) == ("zlib-0:1-1.noarch", "zlib-0:2-1.noarch")
    # It is mended by a rebuild of what needs it.
    world.publish(
        Thing("top", 2, requires=("libz.so.2",)), Thing("zlib", 2, provides=("libz.so.2",))
    )
    assert turned(world, history).kind == "distribution"


def test_a_subpackage_that_a_change_drops_is_named_with_it(world: World, history: History) -> None:
    world.workload("app", "lib-tools")
    world.publish(LIB, Thing("lib-tools", source="lib"))
    world.track(history)
    number = merge(history, 7, lib="2-1")
    world.publish(Thing("lib", 2))
    broke = turned(world, history)
    assert (broke.package, broke.kind, broke.merged_change) == ("lib-tools", "pull request", number)
    assert str(broke.mover) == "lib-0:2-1.noarch"


def test_a_retired_package_is_the_distributions_doing(world: World, history: History) -> None:
    world.workload("app", "lib")
    world.publish(LIB, Thing("other"))
    world.track(history)
    merge(history, 7, lib=None)
    world.publish(Thing("other"))
    broke = turned(world, history)
    assert (broke.package, broke.kind, broke.merged_change) == ("lib", "distribution", None)


def test_of_two_that_moved_the_one_that_a_merged_change_explains_is_named(
    world: World, history: History
) -> None:
    world.workload("app", "first", "second")
    world.publish(Thing("first"), Thing("second"))
    world.track(history)
    number = merge(history, 7, second="2-1")
    world.publish(Thing("first", 2, requires=("a",)), Thing("second", 2, requires=("b",)))
    broke = turned(world, history)
    assert (broke.package, broke.merged_change) == ("second", number)


def test_what_a_document_newly_requests_is_the_documents_doing(
    world: World, history: History
) -> None:
    tracked_lib(world, history)
    world.workload("app", "lib", "tool")
    world.publish(LIB, Thing("tool", requires=("extra",)))
    broke = turned(world, history)
    assert (broke.package, broke.kind) == ("tool", "configuration")


def test_what_provides_the_missing_part_again_mends_it(world: World, history: History) -> None:
    tracked_lib(world, history)
    grown = Thing("lib", 2, requires=("extra",))
    world.publish(grown)
    assert turned(world, history).package == "lib"
    number = merge(history, 9, extra="1-1")
    world.publish(grown, Thing("extra"))
    mended = turned(world, history)
    assert (mended.package, mended.kind, mended.merged_change) == ("extra", "pull request", number)


def test_what_mends_an_image_is_found_in_the_texts_that_an_earlier_release_stored(
    world: World, history: History
) -> None:
    tracked_lib(world, history)
    grown = Thing("lib", 2, requires=("extra",))
    world.publish(grown)
    world.track(history)
    with history.store.writing() as db:
        db.execute("update closures set causes = null")
    world.publish(grown, Thing("extra"))
    assert turned(world, history).package == "extra"


def test_causes_are_stored_as_they_were_found(world: World, history: History) -> None:
    key = world.workload("app", "top")
    world.publish(Thing("top", requires=("lib",)), Thing("lib", requires=("(x or y)",)))
    tracked = world.track(history)
    (image,) = tracked.images
    (cause,) = image.after.facts.causes
    assert (cause.capability, str(cause.needed_by)) == ("(x or y)", "lib-0:1-1.noarch")
    assert [str(edge.source) for edge in cause.chain] == ["top-0:1-1.noarch"]
    (written,) = track_to_json(tracked)["images"]
    assert written["after"]["causes"][0]["chain"][0]["to"] == "lib-0:1-1.noarch"
    assert history.latest_evaluations()[key].facts.causes == (cause,)


def test_the_change_that_broke_an_image_is_in_the_answer_and_stays_to_be_landed(
    world: World, history: History
) -> None:
    key = tracked_lib(world, history)
    number = merge(history, 7, lib="2-1")
    grown = Thing("lib", 2, 25, requires=("extra",))
    world.publish(grown)
    (image,) = track_to_json(world.track(history))["images"]
    (cause,) = image["steps"]
    assert cause["cause"]["pull_request"]["number"] == 7
    # Its package is in the image only once that can be installed.
    assert history.merged_change(number).landed_run is None
    world.publish(grown, Thing("extra"))
    world.track(history)
    (step, _) = history.steps(key)
    assert {c.package: c.merged_change for c in step.causes if c.change == "changed"} == {
        "lib": number
    }
    assert history.merged_change(number).landed_run is not None


def test_the_issue_about_it_names_the_pull_request_that_is_to_be_taken_back(
    world: World, history: History
) -> None:
    world.workload("app", "lib")
    world.objective("small", "app", "limits: {packages: 5}")
    world.publish(LIB)
    world.track(history)
    number = merge(history, 7, lib="2-1")
    world.publish(Thing("lib", 2, requires=("extra",)))
    world.track(history)
    (drift,) = drift_states(history)
    change = history.merged_change(number)
    assert change is not None and drift.drifted
    body = drift_issue(drift, {number: change}, drift.subject, None).body.replace("\u200b", "")
    link = "[pull request o/r#7](<https://x/7>)"
    assert f"What did it: `lib` (now `lib-0:2-1.noarch`), by {link}." in body
    assert f"Take back what {link} did, or part of it." in body
    assert "The reason: nothing provides `extra`, which `lib` requires." in body
    # Mended, nothing is left to report.
    world.publish(Thing("lib", 2, requires=("extra",)), Thing("extra"))
    world.track(history)
    (drift,) = drift_states(history)
    assert (drift.lost, drift.broken, drift.drifted) == ((), (), False)
