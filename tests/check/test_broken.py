"""Packages of the whole repository that a change makes uninstallable."""

from __future__ import annotations

from bot.model.result_json import check_from_json, check_to_json
from bot.report.render import render_comment
from tests.check.tiny import TOOL, Bench

WITHOUT_EXTRA = TOOL[: TOOL.index("%package extra")]


def test_a_dropped_subpackage_breaks_what_needs_it_on_every_architecture(bench: Bench) -> None:
    result = bench.check({"tool.spec": WITHOUT_EXTRA})
    broken = [(b.arch, b.nevra.name, b.capability, b.origin) for b in result.broken]
    assert broken == [(arch, "addon", "tool-extra", "tiny") for arch in ("aarch64", "x86_64")]
    assert check_from_json(check_to_json(result)).broken == result.broken
    text = render_comment(result)
    assert "1 other package of `repo` can no longer be installed." in text
    assert (
        "`addon` cannot be installed any more: with this change nothing provides `tool-extra`"
        in text
    )
    assert "(`repo`, x86_64, aarch64)" in text


def test_a_change_that_drops_nothing_breaks_nothing(bench: Bench) -> None:
    head = TOOL.replace("Requires: base\n", "Requires: perl\n")
    assert bench.check({"tool.spec": head}).broken == ()
