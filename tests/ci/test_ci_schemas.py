"""What `minimize check --ci` writes, by the schemas of those that read it.

SARIF by its own schema (npm's `@microsoft/jest-sarif` carries it; deploy/test gets it); GitLab's
code quality report by a schema of the fields that its documentation names; workflow commands by a
reader like that of GitHub's runner; JUnit by the elements and attributes that its readers know."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
import yaml
from jsonschema import Draft4Validator

from bot.build.buildroot import RootKind
from bot.ci import reports
from bot.ci.systems import SYSTEMS
from bot.cli.check import check
from bot.model.result import CheckResult
from bot.report.annotations import annotations_of
from tests.report.conftest import bad_spec, predicted, rebuilt, shrinks, unsolvable
from tests.report.test_report_hostile_many import full

SARIF = next((Path(sys.prefix) / "forge-descriptions/@microsoft").glob("jest-sarif@*.json"), None)

# https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "additionalProperties": False,
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    # Relative, without a `./` before it.
                    "path": {"type": "string", "pattern": r"^(?!/|\./)."},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}

# The elements that readers of JUnit know: their attributes, required ones with a mark, and their
# elements (https://github.com/testmoapp/junitxml).
COUNTS = {"tests": "!", "failures": "", "errors": "", "skipped": "", "time": "", "disabled": ""}
JUNIT = {
    "testsuites": (COUNTS | {"name": ""}, {"testsuite"}),
    "testsuite": (COUNTS | {"name": "!"}, {"testcase"}),
    "testcase": (
        {"name": "!", "classname": "!", "time": "", "file": "", "line": ""},
        {"failure", "skipped"},
    ),
    "failure": ({"message": "!", "type": ""}, set()),
    "skipped": ({"message": "", "type": ""}, set()),
}

RESULTS: dict[str, CheckResult] = {
    "predicted": predicted(),
    "rebuilt": rebuilt(),
    "smaller": shrinks(),
    "unsolvable": unsolvable(),
    "a spec that is invalid": bad_spec(),
    "neutral": replace(bad_spec(), verdict="neutral"),
    "a stranger's": replace(predicted(), verdict="action_required"),
    "hostile words": full("a\x1b[31m\n::error::]]>&<b> %0A,:[x](y)"),
}
every = pytest.mark.parametrize("name", RESULTS)


@pytest.mark.skipif(SARIF is None, reason="npm has not given SARIF's schema: deploy/test gets it")
@every
def test_sarif_is_by_its_schema(name: str) -> None:
    assert SARIF is not None
    # Its pattern of a language has a bracket too many, which jsonschema-rs refuses.
    schema = Draft4Validator(json.loads(SARIF.read_text()))
    log = json.loads(reports.sarif(RESULTS[name]))
    assert [f"{error.json_path}: {error.message}" for error in schema.iter_errors(log)] == []
    # https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
    for rule in log["runs"][0]["tool"]["driver"]["rules"]:
        assert {"id", "shortDescription", "fullDescription", "help"} == set(rule)
    assert len(log["runs"][0]["results"]) == len(annotations_of(RESULTS[name]))
    log["runs"][0]["results"] = [{"level": "fatal"}]
    assert not schema.is_valid(log)


@every
def test_code_quality_is_by_what_gitlab_documents(name: str) -> None:
    schema = jsonschema_rs.validator_for(CODE_QUALITY)
    report = json.loads(reports.code_quality(RESULTS[name]))
    assert [f"{error.instance_path}: {error.message}" for error in schema.iter_errors(report)] == []
    prints = [issue["fingerprint"] for issue in report]
    assert len(set(prints)) == len(prints)


def command_of(line: str) -> tuple[str, dict[str, str], str]:
    """A line as the runner reads it (ActionCommand.TryParseV2): command, properties, data."""

    def unescaped(text: str, *more: tuple[str, str]) -> str:
        for code, sign in (*more, ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, sign)
        return text

    assert line.startswith("::")
    information, _, data = line[2:].partition("::")
    name, _, rest = information.partition(" ")
    pairs = [pair.strip().split("=", 1) for pair in rest.split(",")]
    properties = {
        key: unescaped(value, ("%3A", ":"), ("%2C", ",")) for key, value in pairs if value
    }
    return name, properties, unescaped(data)


@every
def test_workflow_commands_are_read_as_they_were_meant(name: str) -> None:
    result = RESULTS[name]
    lines = list(reports.workflow_commands(result))
    for line, remark in zip(lines, annotations_of(result), strict=True):
        command, properties, data = command_of(line)
        assert command in ("notice", "warning", "error")
        assert set(properties) == {"file", "line", "title"}
        assert (properties["file"], int(properties["line"])) == (remark.path, remark.line)
        assert (properties["title"], data) == (remark.title, remark.message)


def problems_of(element: ET.Element) -> list[str]:
    """What of an element and those in it JUnit's readers do not know, or lack."""
    if element.tag not in JUNIT:
        return [f"<{element.tag}>"]
    attributes, children = JUNIT[element.tag]
    problems = [f"{element.tag} {name}" for name in set(element.attrib) - set(attributes)]
    required = {name for name, mark in attributes.items() if mark}
    problems += [f"{element.tag} lacks {name}" for name in required - set(element.attrib)]
    for name in set(element.attrib) & set(COUNTS):
        if not re.fullmatch(r"\d+(\.\d+)?", element.attrib[name]):
            problems.append(f"{element.tag} {name}={element.attrib[name]}")
    problems += [f"{element.tag} has {child.tag}" for child in element if child.tag not in children]
    return problems + [problem for child in element for problem in problems_of(child)]


@every
def test_junit_has_what_its_readers_know_and_counts_it(name: str) -> None:
    root = ET.fromstring(reports.junit(RESULTS[name]))
    assert root.tag == "testsuites"
    assert problems_of(root) == []
    counted: dict[str, Any] = {"tests": "testcase", "failures": "failure", "skipped": "skipped"}
    for element in (root, *root.iter("testsuite")):
        for attribute, tag in counted.items():
            if attribute in element.attrib:
                cases = list(element.iter("testcase"))
                if tag != "testcase":
                    cases = [case for case in cases if case.find(tag) is not None]
                assert int(element.attrib[attribute]) == len(cases), attribute
    for case in root.iter("testcase"):
        assert len(case) <= 1, case.attrib


def test_these_readers_see_what_is_wrong() -> None:
    wrong = ET.fromstring("<testsuites tests='x'><testcase name='a' made='up'/></testsuites>")
    assert set(problems_of(wrong)) == {
        "testsuites tests=x", "testsuites has testcase", "testcase made",
        "testcase lacks classname",
    }  # fmt: skip
    schema = jsonschema_rs.validator_for(CODE_QUALITY)
    (good,) = json.loads(reports.code_quality(rebuilt()))
    for path, severity in (("./a", "major"), ("/a", "major"), ("a", "bad")):
        place = {"path": path, "lines": {"begin": 1}}
        assert not schema.is_valid([good | {"severity": severity, "location": place}])
    assert command_of("::error file=a%2Cb,line=3,title=x%3Ay::b%25%0A")[1:] == (
        {"file": "a,b", "line": "3", "title": "x:y"}, "b%\n",
    )  # fmt: skip


ROOT = Path(__file__).parents[2]
FILES = (
    ".github/action.yml",
    ".pre-commit-hooks.yaml",
    "deploy/ci/gitlab.yml",
    "deploy/ci/minimize.fmf",
)


@pytest.mark.parametrize("name", FILES)
def test_it_calls_the_check_with_options_that_there_are(name: str) -> None:
    text = (ROOT / name).read_text()
    assert list(yaml.safe_load_all(text))
    known = {option for parameter in check.params for option in parameter.opts}
    calls = re.findall(r'minimize"? check (.*)', text)
    assert calls
    for call in calls:
        assert set(re.findall(r"--[a-z-]+", call)) <= known
        system = re.search(r"--ci ([a-z]+)", call)
        assert system is None or system[1] in SYSTEMS


def test_the_option_names_every_system() -> None:
    (option,) = [p for p in check.params if p.name == "ci"]
    assert set(getattr(option.type, "choices", ())) == {"auto", *SYSTEMS}


def test_ci_keeps_no_roots_of_many_users() -> None:
    roots = set(get_args(RootKind))
    (kept,) = [
        step["with"]["path"].split()
        for step in yaml.safe_load((ROOT / ".github/action.yml").read_text())["runs"]["steps"]
        if "actions/cache" in step.get("uses", "")
    ]
    assert {pattern for pattern in kept if pattern.startswith("!")} == {
        f"!~/.cache/minimize/{r}" for r in roots
    }
    # Its parent, named whole, would bring them along.
    assert "~/.cache/minimize/*" in kept
    *_, job = yaml.safe_load_all((ROOT / "deploy/ci/gitlab.yml").read_text())
    named = {Path(path).name for path in job["minimize"]["cache"]["paths"]}
    assert {"metadata", "solv", "packages", "headers", "fragments"} <= named
    assert not named & roots
