"""The effect of a change to `.minimize.yaml` as comment, page, text, status and JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from bot.model.image import ImageKey
from bot.model.result import CheckResult, ConfigurationChange, FieldChange, FileProblem, JudgedImage
from bot.model.result_json import check_from_json, check_to_json
from bot.report.annotations import annotations_of
from bot.report.render import comment_needed, render_check_html, render_comment, status_line
from bot.report.text import print_check
from tests.report.conftest import broken_objective


def key(arch: str, workload: str = "httpd") -> ImageKey:
    return ImageKey(workload, "minimal", "demo", arch)


LOOSER = ConfigurationChange(
    ".minimize.yaml",
    "changed",
    fields=(
        FieldChange("objectives[small].limits.packages", "20", "40"),
        FieldChange("dist", None, ".el9"),
    ),
    more=(key("x86_64"), key("aarch64")),
    fewer=(key("s390x", "nginx"),),
    verdict="failure",
    images=(
        JudgedImage(key("x86_64"), True, (broken_objective("small", "packages", 20, 41, 40),)),
    ),
    notes=("dist applies once merged; this check uses the base's.",),
)
WRONG = ConfigurationChange(
    ".minimize.yaml",
    "added",
    problems=(FileProblem(3, "builder", "Input should be 'rpmbuild', 'mock' or 'none'"),),
)


def with_file(change: ConfigurationChange, result: CheckResult | None = None) -> CheckResult:
    alone = CheckResult(
        base="b" * 40, head="a" * 40, merge_base="b" * 40, specs=(), verdict="success"
    )
    return replace(result or alone, configuration=change)


def text_of(result: CheckResult) -> str:
    out = io.StringIO()
    print_check(result, Console(file=out, width=200))
    return out.getvalue()


@pytest.mark.parametrize("change", [LOOSER, WRONG])
def test_it_survives_the_way_through_json(change: ConfigurationChange) -> None:
    written = check_to_json(with_file(change))
    assert check_from_json(json.loads(json.dumps(written))).configuration == change
    assert check_to_json(with_file(change))["configuration"]["path"] == ".minimize.yaml"


def test_a_result_of_an_earlier_release_has_none() -> None:
    written = check_to_json(with_file(WRONG))
    del written["configuration"]
    assert check_from_json(written).configuration is None


def test_every_form_says_what_would_change(samples) -> None:
    result = with_file(LOOSER, samples.rebuilt())
    for text in (render_comment(result), str(render_check_html(result)), text_of(result)):
        for part in (
            "Once the change to the configuration is merged", "objectives[small].limits.packages",
            "20", "40", "not set", ".el9", "2 more images would be checked",
            "1 image would no longer be checked", "this change would be a failure",
            "It would break the objective", "applies once merged",
        ):  # fmt: skip
            assert part in text
    assert "**httpd**" not in render_comment(result)


def test_what_is_wrong_is_shown_with_its_place_in_every_form(samples) -> None:
    result = with_file(WRONG, samples.rebuilt())
    for text in (render_comment(result), str(render_check_html(result)), text_of(result)):
        assert "line 3" in text
        assert "builder" in text
        assert "no check could be made with it" in text
    assert status_line(result)[0].startswith("`.minimize.yaml` is not valid. ")


def test_alone_it_makes_no_comment_but_the_status_has_it() -> None:
    result = with_file(LOOSER)
    assert not comment_needed(result)
    title, summary = status_line(result)
    assert title == "`.minimize.yaml` changes. No image changes"
    assert "2 fields change, 2 more images would be checked" in summary
    assert "1 image would no longer be checked" in summary
    assert "line 3" in status_line(with_file(WRONG))[1]


def test_it_says_nothing_of_the_verdict(samples) -> None:
    result = samples.rebuilt()
    assert status_line(with_file(LOOSER, result))[0] == status_line(result)[0]
    assert with_file(WRONG, result).verdict == result.verdict


def test_the_wrong_line_has_a_remark() -> None:
    (remark,) = annotations_of(with_file(WRONG))
    assert (remark.path, remark.line, remark.level) == (".minimize.yaml", 3, "warning")
    assert remark.message.startswith("builder: Input should be")
    assert annotations_of(with_file(LOOSER)) == ()
