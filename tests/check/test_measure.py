"""Layers of a check's images, really composed, on the tiny distribution of real RPM files."""

from dataclasses import replace

import pytest

from bot.check.change import open_change
from bot.check.images import CheckedImage
from bot.check.measure import Inputs, measure
from bot.check.plan import CheckOptions
from bot.check.run import Prediction, predict_check
from bot.git.repository import open_repository
from bot.model.result_json import check_from_json, check_to_json
from tests.check.tiny import TOOL, Bench, objective

NEEDS_PERL = TOOL.replace("%description\n%files\n", "Requires: perl\n%description\n%files\n", 1)


@pytest.fixture
def prediction(bench: Bench) -> Prediction:
    bench.document("light", objective("web", limits={"layer_size": "1 kB"}))
    bench.commit({"tool.spec": NEEDS_PERL})
    with open_change(open_repository(bench.root / "git"), "HEAD~1", "HEAD") as change:
        return predict_check(change, CheckOptions(), bench.configuration(), bench.pools())


def measured(prediction: Prediction) -> tuple[dict[str, CheckedImage], tuple[str, ...]]:
    sides = {(t.document.id, a): s for t in prediction.targets for a, s in t.sides.items()}
    snapshots = {
        (t.document.id, a): pool.snapshot for t in prediction.targets for a, pool in t.pools.items()
    }
    done = measure(prediction.images, Inputs(sides, snapshots, prediction.rules, prediction.cache))
    return {i.result.key.arch: i for i in done.images}, done.notes


def test_both_sides_have_the_sizes_of_their_layers_and_objectives_are_held_against_them(
    prediction: Prediction,
) -> None:
    before = {i.result.key.arch: i.result for i in prediction.images}["x86_64"]
    assert before.head.layer is None
    assert [(o.value, o.met) for o in before.objectives] == [(None, None)]
    images, notes = measured(prediction)
    image = images["x86_64"].result
    assert notes == (
        "Layers: predicted packages are counted with the sizes of their published files.",
    )
    assert image.base.layer is not None
    assert image.head.layer is not None
    assert image.head.layer.uncompressed > image.base.layer.uncompressed
    assert 0 < image.head.layer.gzip < image.head.layer.uncompressed
    (objective,) = image.objectives
    assert (objective.before, objective.value) == (image.base.layer.gzip, image.head.layer.gzip)
    assert objective.met is False


def test_a_layer_that_cannot_be_composed_stays_unknown_and_is_no_fault_of_the_change(
    prediction: Prediction,
) -> None:
    def lost(image: CheckedImage) -> CheckedImage:
        packages = tuple(replace(p, location=None) for p in image.pair.head.packages)
        return replace(
            image, pair=replace(image.pair, head=replace(image.pair.head, packages=packages))
        )

    prediction = replace(prediction, images=tuple(lost(i) for i in prediction.images))
    images, _ = measured(prediction)
    image = images["x86_64"].result
    assert image.base.layer is not None
    assert image.head.layer is None
    assert [(o.value, o.met, o.worse) for o in image.objectives] == [(None, None, False)]


def test_both_sides_have_their_attack_surface(prediction: Prediction) -> None:
    # The headers of a folder's packages are at hand: a prediction has it already.
    assert None not in {i.result.base.surface for i in prediction.images}
    images, _ = measured(prediction)
    image = images["x86_64"].result
    assert image.base.surface is not None
    assert image.head.surface is not None
    # No repository has updateinfo: that is not known, and no comforting 0.
    assert image.head.surface.advisories is None
    written = check_to_json(replace(prediction.result, images=(image,)))
    assert written["images"][0]["head"]["surface"]["setuid"] == []
    assert check_from_json(written).images[0].head.surface == image.head.surface
