"""What `minimize track` measures beyond metadata: sizes without documentation, layers."""

import shutil
from pathlib import Path

import pytest

from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.images import image_request
from bot.distro.snapshot import open_snapshot
from bot.image.measure import closure_layer
from bot.model.closure import Closure
from bot.model.image import ImageKey
from bot.objectives.evaluation import Measures
from bot.objectives.status import objectives_now
from bot.objectives.tracking import TrackResult, track
from bot.store.history.history import History
from tests.check.tiny import Bench, documented, objective, workload

LIMITED = ImageKey("limited", "minimal", "repo", "x86_64")
OTHER = ImageKey("other", "minimal", "repo", "x86_64")
OBJECTIVE = objective("limited", architectures=["x86_64"], limits={"layer_size": "1 MB"})


@pytest.fixture
def bench(tmp_path: Path, tiny_repositories: Path) -> Bench:
    repositories = tmp_path / "repositories"
    shutil.copytree(tiny_repositories, repositories)
    texts = {"limited": workload("tool"), "other": workload("perl"), "small": OBJECTIVE}
    return documented(tmp_path, repositories, **texts)


def run(bench: Bench, history: History, measures: Measures | None = None) -> TrackResult:
    cache = Cache(bench.root / "cache")
    return track(bench.configuration(), history, cache, measures=measures, processes=1)


def closure(bench: Bench, key: ImageKey) -> Closure:
    configuration, cache = bench.configuration(), Cache(bench.root / "cache")
    snapshot = open_snapshot(configuration.repositories[key.repository], key.arch, cache)
    return open_pool(snapshot, cache).solve(image_request(configuration, key))


def test_a_layer_that_an_objective_limits_is_composed_and_held_against_it(
    bench: Bench, history: History
) -> None:
    tracked = run(bench, history)
    facts = {image.key: image.after.facts for image in tracked.images}
    composed = closure_layer(closure(bench, LIMITED), Cache(bench.root / "cache"))
    assert composed is not None
    assert facts[LIMITED].layer_size == composed.size.gzip > 0
    assert facts[OTHER].layer_size is None
    (status,) = tracked.statuses
    assert (status.state.value, status.state.met) == (composed.size.gzip, True)
    # Nothing is composed again, and the value stays.
    again = run(bench, history)
    assert again.solved == 0
    assert again.statuses[0].state.value == composed.size.gzip


def test_with_layers_every_image_has_one(bench: Bench, history: History) -> None:
    run(bench, history)
    tracked = run(bench, history, Measures(layers=True))
    assert all(image.after.facts.layer_size for image in tracked.images)
    # What is only better known has not moved.
    assert not any(image.causes for image in tracked.images)


def test_sizes_without_documentation_are_read_from_files_at_hand(
    bench: Bench, history: History
) -> None:
    facts = {image.key: image.after.facts for image in run(bench, history).images}
    for key in (LIMITED, OTHER):
        # None of these packages has documentation.
        assert facts[key].installed_size_nodocs == facts[key].installed_size is not None
        members = history.contents(key).members
        assert all(m.installed_size_nodocs is not None for m in members)


def test_a_layer_that_cannot_be_composed_is_null_said_and_tried_again(
    bench: Bench, history: History
) -> None:
    (gone,) = (bench.repositories / "x86_64").rglob("tool-1-1.x86_64.rpm")
    content = gone.read_bytes()
    gone.unlink()
    tracked = run(bench, history)
    assert tracked.failed == ()
    assert any("limited x86_64: the layer was not composed" in note for note in tracked.notes)
    assert [s.state.met for s in tracked.statuses] == [None]
    assert {i.key: i.after.facts.layer_size for i in tracked.images}[LIMITED] is None
    now = objectives_now(bench.configuration(), history, Cache(bench.root / "cache"))
    assert (now.failed, now.notes) == ((), tracked.notes)
    assert [s.state.met for s in now.statuses] == [None]
    gone.write_bytes(content)
    mended = run(bench, history)
    assert mended.solved == 1
    assert mended.notes == ()
    assert [s.state.met for s in mended.statuses] == [True]


def test_a_repository_of_metadata_alone_leaves_sizes_null(bench: Bench, history: History) -> None:
    (bench.config / "small.yaml").unlink()
    for path in bench.repositories.rglob("*.rpm"):
        path.unlink()
    tracked = run(bench, history)
    assert tracked.failed == tracked.notes == ()
    for image in tracked.images:
        assert image.after.facts.installed_size is not None
        assert image.after.facts.installed_size_nodocs is None
