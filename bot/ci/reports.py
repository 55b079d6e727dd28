"""The files and lines in which CI systems show the result of a check.

JUnit is written by junitparser; GitHub's workflow commands, GitLab's code quality report and SARIF
2.1.0 are a few fields each.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bot.model.result import CheckResult, ImageResult
from bot.report.annotations import RULES, Annotation, annotations_of
from bot.report.headline import title
from bot.report.objectives import allows, metric_text
from bot.report.phrase import printable, to_text

if TYPE_CHECKING:
    from junitparser import TestCase
    from junitparser.junitparser import FinalResult

# Levels of each form, by those of an annotation.
_COMMANDS = {"notice": "notice", "warning": "warning", "failure": "error"}
_SEVERITIES = {"notice": "info", "warning": "minor", "failure": "major"}
_SARIF_LEVELS = {"notice": "note", "warning": "warning", "failure": "error"}
# What a reader of SARIF takes for an embedded link (3.11.6); a backslash makes it text.
_SARIF_LINK = re.compile(r"[\\\[\]]")
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def workflow_commands(result: CheckResult) -> Iterable[str]:
    """The lines that make a runner of GitHub's or Forgejo's show annotations."""
    for remark in annotations_of(result):
        where = f"file={_property(remark.path)},line={remark.line},title={_property(remark.title)}"
        yield f"::{_COMMANDS[remark.level]} {where}::{_data(remark.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def code_quality(result: CheckResult) -> str:
    """GitLab's code quality report: a list of remarks in JSON."""
    return _json(
        [
            {
                "description": f"{remark.title}: {_one_line(remark)}",
                "check_name": f"minimize/{remark.rule}",
                "fingerprint": _fingerprint(remark),
                "severity": _SEVERITIES[remark.level],
                "location": {"path": remark.path, "lines": {"begin": remark.line}},
            }
            for remark in annotations_of(result)
        ]
    )


def sarif(result: CheckResult) -> str:
    """The remarks as a SARIF log of one run."""
    driver = {
        "name": "minimize",
        "version": version("minimize"),
        "rules": [
            {"id": rule, "shortDescription": {"text": description}}
            for rule, description in RULES.items()
        ],
    }
    results = [
        {
            "ruleId": remark.rule,
            "level": _SARIF_LEVELS[remark.level],
            "message": {"text": _SARIF_LINK.sub(r"\\\g<0>", remark.message)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(remark.path), "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": remark.line},
                    }
                }
            ],
            "partialFingerprints": {"minimize/v1": _fingerprint(remark)},
        }
        for remark in annotations_of(result)
    ]
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return _json({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def junit(result: CheckResult) -> str:
    """A JUnit document: one test case for the change as a whole, and one for each image.

    An image fails that breaks an objective, unless somebody accepted that, or can no longer be
    installed; it is skipped where it could not be installed before either.
    """
    from junitparser import JUnitXml, TestSuite

    suite = TestSuite("minimize")
    suite.add_testcase(_whole_case(result))
    for image in result.images:
        suite.add_testcase(_image_case(image, accepted=result.accepted is not None))
    document = JUnitXml("minimize")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode()


def _whole_case(result: CheckResult) -> TestCase:
    """The case of the change: what concerns no image alone."""
    from junitparser import Failure, Skipped, TestCase

    case = TestCase("the change", "minimize")
    text = "\n".join(result.problems)
    if result.verdict == "failure" and not result.only_limits:
        case.result = [_with_text(Failure(_xml(title(result)), "failure"), text)]
    elif result.verdict not in ("success", "failure"):
        case.result = [_with_text(Skipped(_xml(title(result))), text)]
    return case


def _image_case(image: ImageResult, *, accepted: bool) -> TestCase:
    from junitparser import Failure, Skipped, TestCase

    key = image.key
    case = TestCase(key.arch, _xml(f"{key.repository}.{key.environment}.{key.workload}"))
    if image.head.status == "unsolvable":
        text = "\n".join(image.head.problems)
        if image.base.status == "unsolvable":
            case.result = [_with_text(Skipped("cannot be installed, nor could it before"), text)]
        else:
            case.result = [_with_text(Failure("can no longer be installed", "unsolvable"), text)]
    elif not accepted:
        violated = [objective for objective in image.objectives if objective.worse]
        texts = [f"{to_text(allows(o))}: {metric_text(o.metric, o.value)}" for o in violated]
        # One outcome for each case: readers count cases, and many show no second one.
        if texts:
            case.result = [
                _with_text(Failure(_xml("; ".join(texts)), "objective"), "\n".join(texts))
            ]
    return case


def _with_text(outcome: FinalResult, text: str) -> FinalResult:
    outcome.text = _xml(text)
    return outcome


def _xml(text: str) -> str:
    """The text without what is not seen, among it all that XML 1.0 cannot hold
    (https://www.w3.org/TR/xml/#charsets)."""
    return printable(text)


def append_summary(path: Path, text: str) -> None:
    """Add Markdown to the file that the system shows as the run's summary."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _fingerprint(remark: Annotation) -> str:
    """The same for the same remark wherever its line moves to."""
    text = "\0".join((remark.rule, remark.path, remark.message))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _one_line(remark: Annotation) -> str:
    return " ".join(remark.message.split())


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
