"""An advice in a comment: an image's architectures in one item."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.chat.answers import advice_of
from bot.model.advice import (
    Advice,
    Change,
    Evidence,
    Figures,
    ImageAdvice,
    Losses,
    Plan,
    Smallest,
    Swap,
)
from bot.model.image import ImageKey
from bot.report.advice import advice_text
from bot.report.phrase import to_plain

SWAP = Swap(("libcurl",), "libcurl-minimal", 7_000_000, "same-source", Losses())
SMALLEST = Smallest(46, 43_000_000, True, 43_000_000, ("libcurl-minimal",), (), (SWAP,))
ORDER = Change("order", "nginx", "nginx", "systemd", None, "%{?systemd_ordering}")
REQUEST = Change("request", "nginx", "nginx", "nginx", True, "nginx-core")
PLAN = Plan(1, 30, 31_000_000, True, 31_000_000, (), (), (ORDER,))


def advice(arch: str = "x86_64", smallest: Smallest = SMALLEST, *plans: Plan) -> ImageAdvice:
    key = ImageKey("nginx", "minimal", "demo", arch)
    return ImageAdvice(key, "ok", (), Figures(57, 50_000_000), smallest, plans)


def text(*advices: ImageAdvice) -> str:
    return to_plain(advice_of(advices))


def test_the_smallest_image_names_what_is_to_be_requested():
    assert text(advice()) == (
        "50 MB; 43 MB serves the same request, with libcurl-minimal requested too."
    )


def test_architectures_are_a_span_and_their_plan_is_one():
    larger = replace(SMALLEST, installed_size=44_000_000)
    second = replace(PLAN, installed_size=32_000_000, request=("a",))
    assert text(advice("x86_64", SMALLEST, PLAN), advice("aarch64", larger, second)) == (
        "50 MB; 43 to 44 MB serves the same request, with libcurl-minimal requested too."
        " With 1 edit 31 to 32 MB: nginx: %{?systemd_ordering} instead of requiring systemd"
        " (perhaps generated: no header could be read), and a requested."
        " nginx:systemd: Not all packages could be read: what stays may use what would leave."
    )


def test_a_swap_with_another_source_is_left_out_of_a_comment():
    other = replace(SMALLEST, instead=(replace(SWAP, class_="other"),))
    assert text(advice("x86_64", other)) == "50 MB today."


def test_an_older_version_is_called_so_and_not_said_unasked():
    older = replace(SWAP, take="libcurl-0:7.1-1.el9")
    assert (SWAP.suggested, older.suggested) == (True, False)
    image = advice("x86_64", replace(SMALLEST, instead=(older,)))
    lines = advice_text(Advice("installed", (image,))).splitlines()
    assert "    libcurl-0:7.1-1.el9 instead of libcurl, an older version, saves 7 MB" in lines


def test_what_is_not_proved_has_its_bound():
    unproved = replace(SMALLEST, proved=False, bound=40_000_000)
    assert text(advice("x86_64", unproved)).endswith("(not proved: at least 40 MB).")


def test_a_written_edit_and_another_request_are_no_perhaps():
    order = replace(ORDER, written=True, evidence=Evidence((), looked_into="files"))
    written = replace(PLAN, changes=(order, REQUEST))
    assert text(advice("x86_64", SMALLEST, written)).endswith(
        "31 MB: nginx: %{?systemd_ordering} instead of requiring systemd;"
        " request nginx-core instead of nginx."
        " nginx:systemd: No file, scriptlet or unit of what stays names what would leave."
    )


@pytest.mark.parametrize("known_by", ["files", "headers", "metadata"])
def test_a_comment_tells_of_an_edit_what_the_command_tells(known_by):
    used = replace(ORDER, evidence=Evidence(("/usr/bin/a", "/usr/bin/b"), False, True))
    plan = replace(PLAN, changes=(used,))
    image = replace(advice("x86_64", SMALLEST, plan), programs_by=known_by)
    answer = text(image)
    lines = [line.strip() for line in advice_text(Advice("installed", (image,))).splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith("nginx: "))
    assert [line for line in lines[first:] if line not in answer] == []
    assert len(lines) - first == (4 if known_by == "files" else 5)
