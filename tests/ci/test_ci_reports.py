"""The files that CI systems read, as those systems' documentation describes them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.ci import reports
from bot.model.result import Acceptance, CheckResult, ImageResult
from bot.model.spec import SpecLine
from tests.report.conftest import bad_spec, predicted, rebuilt, shrinks, unsolvable


def with_line(result: CheckResult, line: SpecLine) -> CheckResult:
    """The result, all packages of which this line brings."""

    def changed(image: ImageResult) -> ImageResult:
        return replace(image, added=tuple(replace(a, spec=line) for a in image.added))

    return replace(result, images=tuple(map(changed, result.images)))


def cases(result: CheckResult) -> dict[str, ET.Element]:
    root = ET.fromstring(reports.junit(result))
    found = {f"{c.get('classname')} {c.get('name')}": c for c in root.iter("testcase")}
    suite = root.find("testsuite")
    assert suite is not None
    assert int(suite.get("tests", "-1")) == len(found)
    return found


def test_workflow_commands_hide_nothing_in_their_text() -> None:
    hostile = SpecLine("a,b:c%\n.spec", 3, "Requires: x\r\n::error::no")
    lines = list(reports.workflow_commands(with_line(predicted(), hostile)))
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert lines[0].startswith("::notice file=a%2Cb%3Ac%25 .spec,line=3,title=minimize%3A 5 ")


def test_a_change_without_remarks_has_no_commands() -> None:
    assert list(reports.workflow_commands(shrinks())) == []


def test_code_quality_has_gitlabs_fields_and_a_fingerprint_that_survives_moves() -> None:
    (item,) = json.loads(reports.code_quality(rebuilt()))
    assert set(item) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert item["severity"] == "major"
    assert item["location"] == {"path": "nginx.spec", "lines": {"begin": 31}}
    line = SpecLine("nginx.spec", 99, "Requires:       perl")
    (moved,) = json.loads(reports.code_quality(with_line(rebuilt(), line)))
    original = with_line(rebuilt(), replace(line, line=31))
    assert moved["fingerprint"] == json.loads(reports.code_quality(original))[0]["fingerprint"]


def test_sarif_names_its_rules_and_its_lines() -> None:
    log = json.loads(reports.sarif(with_line(rebuilt(), SpecLine("a b.spec", 31, "Requires: x"))))
    (run,) = log["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    (found,) = run["results"]
    assert log["version"] == "2.1.0"
    assert found["ruleId"] in rules
    assert found["level"] == "error"
    (location,) = found["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "a%20b.spec"
    assert location["physicalLocation"]["region"] == {"startLine": 31}


def test_junit_an_image_beyond_its_limit_fails_until_that_is_accepted() -> None:
    result = replace(rebuilt(), only_limits=True)
    failed = {name for name, case in cases(result).items() if case.find("failure") is not None}
    broken = {i.key.arch for i in result.images if any(o.worse for o in i.objectives)}
    assert broken
    assert {name.split()[-1] for name in failed} == broken
    accepted = replace(result, accepted=Acceptance("ann", "needed", "2026-01-01T00:00:00Z"))
    assert not [c for c in cases(accepted).values() if c.find("failure") is not None]


def test_junit_an_image_that_can_no_longer_be_installed_fails() -> None:
    result = unsolvable()
    image = result.images[0]
    broken = replace(
        image,
        base=replace(image.base, status="ok"),
        head=replace(image.head, status="unsolvable", problems=("nothing provides x",)),
    )
    before = replace(broken, base=broken.head)
    (case,) = [c for n, c in cases(replace(result, images=(broken,))).items() if "nginx" in n]
    failure = case.find("failure")
    assert failure is not None
    assert failure.text == "nothing provides x"
    (case,) = [c for n, c in cases(replace(result, images=(before,))).items() if "nginx" in n]
    assert case.find("failure") is None
    assert case.find("skipped") is not None


def test_junit_the_change_itself_is_a_case() -> None:
    assert cases(bad_spec())["minimize the change"].find("failure") is not None
    neutral = replace(bad_spec(), verdict="neutral")
    case = cases(neutral)["minimize the change"]
    assert case.find("failure") is None
    assert case.find("skipped") is not None


@given(st.text())
def test_junit_any_text_of_others_is_well_formed_xml(text: str) -> None:
    result = replace(bad_spec(), problems=(text,))
    assert "minimize the change" in cases(result)


@given(st.text(min_size=1), st.text())
def test_every_remark_is_one_line_and_valid_json(path: str, text: str) -> None:
    result = with_line(predicted(), SpecLine(path, 1, text))
    (command,) = reports.workflow_commands(result)
    assert len(command.split("\n")) == 1
    assert "\r" not in command
    json.loads(reports.sarif(result))
    json.loads(reports.code_quality(result))
