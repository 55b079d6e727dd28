"""A content-resolver-shaped tree tracked: 441 workloads on 4 architectures, 20,000 packages each.

./deploy/test --benchmarks
"""

import os
import sys
import time
from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.load import load_configuration
from bot.objectives.tracking import TrackResult, track
from bot.store.history.history import open_history
from tests.benchmarks.content_resolver_tree import ARCHES, PACKAGES, write_packages, write_tree

pytestmark = pytest.mark.benchmark
# 404 packages of each architecture, four of them in nearly every image: everything moves.
CHANGED = frozenset(range(0, PACKAGES, 50)) | {1, 2, 3, 4}


def test_every_image_is_tracked_within_60_s_and_within_10_s_if_nothing_changed(
    tmp_path: Path,
) -> None:
    tree = write_tree(tmp_path / "tree")
    configuration, cache = load_configuration(tree.config_dir), Cache(tmp_path / "cache")
    history = open_history(tmp_path / "data")
    figures = {}

    def timed(name: str) -> TrackResult:
        start, before = time.perf_counter(), os.times()
        tracked = track(configuration, history, cache)
        figures[name], after = time.perf_counter() - start, os.times()
        spent = sum(after[:4]) - sum(before[:4])
        sys.stderr.write(
            f"{name}: {figures[name]:.1f} s, {spent:.1f} s of processors,"
            f" {tracked.solved} solved, load {os.getloadavg()[0]:.1f}\n"
        )
        return tracked

    try:
        assert timed("first").solved == 441 * 4
        assert timed("unchanged").solved == 0
        for arch in ARCHES:
            write_packages(tree.repositories / arch, arch, PACKAGES, CHANGED)
        moved = timed("changed").images
        assert sum(bool(image.causes) for image in moved) == 441 * 4
        for image in moved:
            assert image.before is not None
            grown = (image.after.facts.known_size or 0) - (image.before.facts.known_size or 0)
            assert sum(cause.known_delta for cause in image.causes) == grown
        # One package that few images hold: most are solved, and found to be what they were.
        for arch in ARCHES:
            write_packages(tree.repositories / arch, arch, PACKAGES, CHANGED | {PACKAGES - 1})
        assert sum(bool(image.causes) for image in timed("one package").images) < 441
    finally:
        history.close()
        history.store.close()
    assert figures["first"] < 60
    assert figures["changed"] < 60
    assert figures["one package"] < 60
    assert figures["unchanged"] < 10
