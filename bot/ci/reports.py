"""The files, lines and comment in which CI systems show the result of a check.

Each run with a token that may write keeps one comment up to date; if the bot itself comments there
is none, to have one comment per change. JUnit is written by junitparser; GitHub's workflow
commands, GitLab's code quality report and SARIF 2.1.0 are a few fields each.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import gidgethub

from bot.ci.systems import ChangeRequest
from bot.forge.values import Comment, PullRequestKey
from bot.model.result import CheckResult, ImageResult
from bot.report.annotations import RULES, Annotation, annotations_of
from bot.report.headline import title
from bot.report.objectives import allows, metric_text
from bot.report.phrase import printable, to_text
from bot.report.render import (
    CI_MARKER,
    COMMENT_MARKER,
    comment_needed,
    render_comment,
    render_nothing_any_more,
)

if TYPE_CHECKING:
    from junitparser import TestCase
    from junitparser.junitparser import FinalResult

# Levels of each form, by those of an annotation.
_COMMANDS = {"notice": "notice", "warning": "warning", "failure": "error"}
_SEVERITIES = {"notice": "info", "warning": "minor", "failure": "major"}
_SARIF_LEVELS = {"notice": "note", "warning": "warning", "failure": "error"}
# Characters that SARIF readers take for an embedded link (3.11.6); a backslash escapes them.
_SARIF_LINK = re.compile(r"[\\\[\]]")
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def workflow_commands(result: CheckResult) -> Iterable[str]:
    """Yield the lines with which a runner of GitHub or Forgejo shows annotations."""
    for remark in annotations_of(result):
        place = f"file={_property(remark.path)},line={remark.line},title={_property(remark.title)}"
        yield f"::{_COMMANDS[remark.level]} {place}::{_data(remark.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def code_quality(result: CheckResult) -> str:
    """Return GitLab's code quality report: a list of remarks in JSON."""
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
    """Return the remarks as a SARIF log of one run."""
    driver = {
        "name": "minimize",
        "version": version("minimize"),
        "rules": [
            # GitHub also requires the second and the third.
            {"id": rule, "shortDescription": text, "fullDescription": text, "help": text}
            for rule, text in ((rule, {"text": description}) for rule, description in RULES.items())
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
    """Return a JUnit document: one test case for the change as a whole, and one for each image.

    An image fails if it breaks an objective (unless that was accepted) or can no longer be
    installed; it is skipped if it could not be installed before either.
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
    """Return the test case of the whole change: of all that does not belong to one image."""
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
        # One outcome for each case: readers count cases, and many show only one.
        if texts:
            case.result = [
                _with_text(Failure(_xml("; ".join(texts)), "objective"), "\n".join(texts))
            ]
    return case


def _with_text(outcome: FinalResult, text: str) -> FinalResult:
    outcome.text = _xml(text)
    return outcome


def _xml(text: str) -> str:
    """Return the text without invisible characters, among them all that XML 1.0 cannot hold
    (https://www.w3.org/TR/xml/#charsets)."""
    return printable(text)


def append_summary(path: Path, text: str) -> None:
    """Append Markdown to the file that the system shows as the run's summary."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _fingerprint(remark: Annotation) -> str:
    """Return a digest that stays the same if the remark's line moves."""
    text = "\0".join((remark.rule, remark.path, remark.message))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _one_line(remark: Annotation) -> str:
    return " ".join(remark.message.split())


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


# The account of the token that GitHub gives each job, which may not request its own user.
_ACTIONS_LOGIN = "github-actions[bot]"


class _Comments(Protocol):
    """The functions on comments that both forges' modules `comments` have."""

    async def anybody_has(self, key: PullRequestKey, marker: str) -> bool: ...
    async def find(self, key: PullRequestKey, marker: str) -> Comment | None: ...
    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment: ...


async def put_ci_comment(change: ChangeRequest, result: CheckResult) -> Comment | None:
    """Write the comment about `result`, or update that of an earlier run.

    None if none is needed: nothing changes and none exists, or the bot comments itself. Raises
    ForgeError and its subclasses, also if the token may not write.
    """
    key = PullRequestKey(change.forge, change.repository, change.number)
    async with _open(change) as comments:
        if await comments.anybody_has(key, COMMENT_MARKER):
            return None
        if comment_needed(result):
            return await comments.put(key, CI_MARKER, render_comment(result, marker=CI_MARKER))
        if await comments.find(key, CI_MARKER) is None:
            return None
        return await comments.put(key, CI_MARKER, render_nothing_any_more(result, marker=CI_MARKER))


@asynccontextmanager
async def _open(change: ChangeRequest) -> AsyncIterator[_Comments]:
    assert change.token is not None
    if change.forge == "gitlab":
        from bot.forge.gitlab.client import GitLabClient
        from bot.forge.gitlab.comments import GitLabComments
        from bot.forge.gitlab.members import GitLabPeople

        # python-gitlab takes the address of the instance and adds the API's path.
        client = GitLabClient(change.api_url.removesuffix("/api/v4"), change.token)
        try:
            yield GitLabComments(client, GitLabPeople().own_login, change.web_url)
        finally:
            await client.close()
        return
    # Forgejo's comments are GitHub's: the same paths below /api/v1, the same fields.
    from bot.forge.github.app import TokenAuth
    from bot.forge.github.client import GitHubClient
    from bot.forge.github.comments import GitHubComments
    from bot.forge.rest import RepositoryApi, Sessions

    token, api_url = change.token, change.api_url
    sessions = Sessions()

    async def api(repository: str, *, attempts: int = 4) -> RepositoryApi:
        client = GitHubClient(sessions.get(), api_url=api_url, attempts=attempts)
        return RepositoryApi(client, token, repository)

    async def login() -> str:
        try:
            return await TokenAuth(token).login((await api(change.repository)).client)
        except gidgethub.HTTPException as error:
            if change.forge != "github" or error.status_code != HTTPStatus.FORBIDDEN:
                raise
            return _ACTIONS_LOGIN

    try:
        yield GitHubComments(api, login, api_url)
    finally:
        await sessions.close()
