"""What the images of a check share is made and solved once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bot.check.change import open_change
from bot.check.images import affected_images
from bot.check.plan import CheckOptions
from bot.check.run import predict_check
from bot.closure.overlay_pool import OverlayPool
from bot.closure.packages import LayerSpec
from bot.git.repository import open_repository
from bot.model.image import ImageKey
from tests.check.tiny import TOOL, Bench, workload

WITH_PERL = TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[LayerSpec]:
    """The layers that pools take in."""
    layers: list[LayerSpec] = []
    add = OverlayPool._add_layer

    def add_and_note(pool: OverlayPool, spec: LayerSpec) -> None:
        layers.append(spec)
        add(pool, spec)

    monkeypatch.setattr(OverlayPool, "_add_layer", add_and_note)
    return layers


def test_an_overlay_is_taken_in_once_for_all_images(bench: Bench, added: list[LayerSpec]) -> None:
    for number in range(6):
        bench.document(f"more-{number}", workload("tool", *(["perl-libs"] * (number % 2))))
    bench.commit({"tool.spec": WITH_PERL})
    configuration, pools = bench.configuration(), bench.pools()
    with open_change(open_repository(bench.root / "git"), "main~1", "main") as change:
        options = CheckOptions(arches=("x86_64",))
        checked = predict_check(change, options, configuration, pools)
    assert len(checked.images) == 7
    assert [len(image.result.added) for image in checked.images] == [2, 1, 2, 1, 2, 1, 2]
    # Base and head: without its one line head is base.
    assert len(added) == 2


def test_images_with_the_same_request_are_solved_once_and_answer_alike(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.document("twin", workload("tool"))
    bench.document("third", workload("tool", "perl-libs"))
    bench.commit({"tool.spec": WITH_PERL})
    configuration, pools = bench.configuration(), bench.pools()
    with open_change(open_repository(bench.root / "git"), "main~1", "main") as change:
        checked = predict_check(change, CheckOptions(arches=("x86_64",)), configuration, pools)
    (target,) = checked.targets
    pool, solved = target.pools["x86_64"], Counter[ImageKey]()
    solve = pool.solve

    def count(request, *rest, **named):
        solved[request.key] += 1
        return solve(request, *rest, **named)

    monkeypatch.setattr(pool, "solve", count)
    again = affected_images(pool, checked.plan.keys, target.sides["x86_64"], checked.rules)
    third, twin, web = (image.result for image in again)
    assert (third.key.workload, twin.key.workload, web.key.workload) == ("third", "twin", "web")
    assert solved[twin.key] + solved[web.key] == solved[third.key] == 2
    assert replace(web, key=twin.key) == twin
    assert {image.pair.head.key for image in again} == {third.key, twin.key, web.key}
