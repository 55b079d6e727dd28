"""The first line of a narrowed check's answer: what was asked, what of it is not touched."""

from __future__ import annotations

import pytest

from bot.engine.rendering import narrowed_to
from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from bot.model.result import CheckResult, ImageResult, Side
from bot.report.phrase import to_plain

SIDE = Side("ok", (), packages=1, installed_size=1, known_size=1)
WHOLE = " The status of the commit is that of the whole check."


def result(*places: tuple[str, str], verdict: str = "success") -> CheckResult:
    images = tuple(
        ImageResult(
            key=ImageKey(workload, "minimal", "demo", arch),
            snapshot=SnapshotState("s", ()),
            changed=False,
            evidence="predicted",
            base=SIDE,
            head=SIDE,
        )
        for workload, arch in places
    )
    return CheckResult(
        base="a", head="b", merge_base="a", specs=("a.spec",), verdict=verdict, images=images
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("workloads", "arches", "found", "said"),
    [
        (["nginx"], [], result(("nginx", "x86_64")), "the workload nginx."),
        (
            ["nginx", "curl"],
            ["s390x"],
            result(("nginx", "s390x")),
            "the workloads nginx and curl, on s390x. The change touches no image of curl.",
        ),
        (
            [],
            ["s390x", "aarch64"],
            result(("nginx", "s390x")),
            "every image on s390x and aarch64. The change touches no such image on aarch64.",
        ),
        (["curl"], [], result(verdict="failure"), "the workload curl."),
    ],
)
def test_what_was_asked_and_what_the_change_does_not_reach(
    workloads: list[str], arches: list[str], found: CheckResult, said: str
) -> None:
    text = to_plain(narrowed_to(workloads, arches, found))
    assert text == f"Checked alone, as requested: {said}{WHOLE}"
