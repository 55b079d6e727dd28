"""The effects of merged changes, by the keys that history has of images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.engine.merged_effects import measured_change
from bot.model.image import ImageKey
from bot.model.result_json import check_to_store
from bot.store.history.values import MergedChange
from bot.store.records import CheckRecord
from tests.report.situations import predicted


@pytest.mark.parametrize(
    ("workload", "stored"),
    [
        ("web/Containerfile", "o/r/web/Containerfile"),
        ("web/Containerfile:build", "o/r/web/Containerfile:build"),
        ("nginx", "nginx"),
    ],
)
def test_an_image_of_a_file_has_its_repository_before_its_name(workload: str, stored: str) -> None:
    found = predicted()
    images = tuple(
        replace(image, key=ImageKey(workload, "minimal", "demo", image.key.arch))
        for image in found.images
    )
    result = replace(found, specs=(), sources={}, requests=("web/Containerfile",), images=images)
    change = MergedChange("gh", "o/r", 7, "t", "ann", "u", "a" * 40, "now", None)
    check = CheckRecord(
        id="c", forge="gh", repository="o/r", number=7, head_sha="a" * 40,
        result=check_to_store(result),
    )  # fmt: skip
    measured = measured_change(change, check)
    assert {effect.key.workload for effect in measured.effects} == {stored}
    assert dict(measured.sources) == {}
