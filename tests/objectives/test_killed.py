"""Runs of `minimize track` that are killed: the next carries on, and reports what they stored."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bot.model.image import ImageKey
from bot.objectives.drift import drift_states
from bot.objectives.issue_writer import unplaced_drift
from bot.objectives.jsonform import track_to_json
from bot.objectives.tracking import TrackResult
from bot.settings.values import IssueSettings
from bot.store.history.history import History
from bot.store.history.values import MergedChange
from tests.objectives.worlds import MERGED_AT, Thing, World

# The run itself, two images, the objectives, the run's end.
WRITES = 5
MERGED = MergedChange(
    "gh", "o/r", 7, "t", "ann", "https://f/7", "a" * 40, MERGED_AT, None,
    {"lib": "2-1"},
)  # fmt: skip


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with one run behind it and a move of both images before it."""
    root = tmp_path_factory.mktemp("whole") / "world"
    world = World(root)
    world.workload("first", "lib")
    world.workload("second", "lib", "other")
    world.objective("small", "first", "limits: {packages: 1}")
    world.publish(Thing("lib"), Thing("other"))
    with world.history() as history:
        world.track(history)
        history.recorder.record_merged(MERGED)
    world.publish(Thing("lib", 2, 25, ("extra",)), Thing("extra", 1, 100), Thing("other"))
    return root


def again(reported: Path, root: Path) -> World:
    """The same world once more, in a folder of its own."""
    shutil.copytree(reported, root)
    world = World.__new__(World)
    world.root, world.config = root, root / "config"
    return world


def outcome(history: History, tracked: TrackResult) -> dict[str, Any]:
    """The report of a run, and what history has of it, without times and numbers of runs."""
    value = track_to_json(tracked)
    keys = [ImageKey(w, "env", "repo", "x86_64") for w in ("first", "second")]
    steps = {key.workload: history.steps(key) for key in keys}
    (status,) = drift_states(history)
    change = history.merged_change(1)
    assert change is not None
    return {
        "causes": {
            i["workload"]: (i["before"]["packages"], i["after"]["packages"], i["steps"])
            for i in value["images"]
        },
        "steps": {w: [(s.known_delta, s.causes) for s in found] for w, found in steps.items()},
        "members": {key.workload: history.contents(key) for key in keys},
        "drift": [(b.why, [s.causes for s in b.steps]) for b in status.broken],
        "unplaced": unplaced_drift(history, IssueSettings(), tracked.run),
        "landed": [(e.key.workload, e.landed_run is not None) for e in change.effects],
    }


@pytest.fixture(scope="module")
def whole(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run comes to that nobody kills."""
    world = again(reported, tmp_path_factory.mktemp("whole") / "world")
    with world.history() as history:
        found = outcome(history, world.track(history))
    assert [len(steps) for _, _, steps in found["causes"].values()] == [2, 2]
    assert found["landed"] == [("first", True), ("second", True)]
    assert len(found["unplaced"]) == 1
    return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", range(WRITES))
def test_a_killed_run_and_the_next_come_to_what_one_run_comes_to(
    reported: Path, whole: dict[str, Any], tmp_path: Path, write: int, when: str
) -> None:
    world = again(reported, tmp_path / "world")
    script = [sys.executable, "-m", "tests.objectives.killed_track", str(world.root), str(write)]
    killed = subprocess.run([*script, when], cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -signal.SIGKILL
    with world.history() as history:
        if (write, when) == (WRITES - 1, "after"):
            # It had come to its end: there is nothing left to tell.
            tracked = world.track(history)
            assert [image.causes for image in tracked.images] == [(), ()]
            assert [len(history.steps(image.key)) for image in tracked.images] == [1, 1]
            return
        assert outcome(history, world.track(history)) == whole
        # And it is reported once.
        after = world.track(history)
        assert [image.causes for image in after.images] == [(), ()]
        assert unplaced_drift(history, IssueSettings(), after.run) == ()


def alive(mark: str) -> list[str]:
    """The command lines of the processes that have a mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # another's, or over
    return found


def test_the_processes_of_a_killed_run_end_with_it(reported: Path, tmp_path: Path) -> None:
    world = again(reported, tmp_path / "world")
    mark = f"KILLED={tmp_path}"
    script = [sys.executable, "-m", "tests.objectives.killed_track", str(world.root), "1", "after"]
    killed = subprocess.run(
        [*script, "2"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "KILLED": str(tmp_path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    end = time.monotonic() + 90
    while alive(mark) and time.monotonic() < end:
        time.sleep(0.1)
    assert alive(mark) == []


def test_what_was_not_reported_to_its_end_is_reported_again(reported: Path, tmp_path: Path) -> None:
    world = again(reported, tmp_path / "world")

    def gone(_tracked: TrackResult) -> None:
        raise BrokenPipeError

    with world.history() as history:
        with pytest.raises(BrokenPipeError):
            world.track(history, report=gone)
        assert [len(image.causes) for image in world.track(history).images] == [2, 2]
