"""More than two hundred hostile texts, in every place at once and in each alone: none acts.

Read by markdown-it-py with what GitHub and GitLab add to CommonMark: tables, strikethrough, bare
links, footnotes, task lists, mathematics.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

# importlib mode finds no neighbours.
sys.path.insert(0, str(Path(__file__).parent))
from bot.chat.answers import compose, sentence
from bot.chat.commands import COMMANDS, refusal
from bot.chat.parser import parse_comment
from bot.engine.rendering import with_log_addresses
from bot.forge.gitlab.comments import with_status
from bot.forge.values import StatusReport
from bot.model.result import Acceptance, CheckResult
from bot.model.spec import BuildNote, SpecLine
from bot.report.render import (
    COMMENT_LIMIT,
    COMMENT_MARKER,
    render_comment,
    render_nothing_any_more,
    sentence_markdown,
    status_line,
)
from tests.chat.test_chat_answers import MARKER, answers
from tests.chat.test_chat_answers import inert as answer_is_inert
from tests.report.hostile_texts import HOSTILE
from tests.report.test_report_hostile import assert_harmless, cells, hostile

READER = (
    MarkdownIt("gfm-like", {"html": True, "linkify": False})
    .use(footnote_plugin)
    .use(tasklists_plugin)
    .use(dollarmath_plugin, double_inline=True)
)
PAGE = "https://bot/checks/1"
# What GitLab makes of plain text, beyond what GitHub does.
GITLAB = re.compile(r"\[(vulnerability|epic|work_item|cadence|contact|feature_flag):|\[\[|\{[+-] ")
IDS = [f"{number}-{ascii(text)[:24]}" for number, text in enumerate(HOSTILE)]
each = pytest.mark.parametrize("text", HOSTILE, ids=IDS)


def all_of(text: str) -> CheckResult:
    """A result whose every foreign text is `text`; its logs are ours to name, as for a comment."""
    result = hostile(text)
    # A file here; a whole address would be that of a build elsewhere, and stay.
    builds = tuple(replace(build, log=f"/{text}") for build in result.builds)
    return with_log_addresses(
        replace(result, builds=builds), lambda number: f"{PAGE}/logs/{number}"
    )


def full(text: str) -> CheckResult:
    """A result whose every foreign text is `text`, with a reason and who accepted it."""
    accepted = Acceptance(text or "x", text, "2026-11-24T00:00:00Z")
    return replace(all_of(text), verdict="success", accepted=accepted)


def inert(markdown: str) -> None:
    """Nothing of what the forges add acts either."""
    assert len(markdown) <= COMMENT_LIMIT
    types = {
        "footnote_ref",
        "footnote_block_open",
        "math_inline",
        "math_block",
        "math_inline_double",
    }
    tokens = READER.parse(markdown)
    for token in tokens:
        assert token.type not in types
        for child in token.children or ():
            assert child.type not in types, child.content
            assert child.type not in ("s_open", "image"), child.content
            assert "task-list-item-checkbox" not in child.content
            if child.type == "text":
                assert GITLAB.search(child.content) is None, child.content
    assert {t.info for t in tokens if t.type == "fence"} <= {"mermaid"}
    # A marker is found by searching for it: there is ours, once, and nobody else's.
    assert markdown.count("<!-- minimize") <= 1


def test_there_are_two_hundred_of_them() -> None:
    assert len(set(HOSTILE)) >= 200


@each
def test_in_every_place_of_the_comment(text: str) -> None:
    for result in (all_of(text), full(text)):
        markdown = render_comment(result, page_url=PAGE, chat=True)
        assert_harmless(markdown)
        inert(markdown)
        assert parse_comment(markdown) == ()
    calm = render_comment(full("x"), page_url=PAGE, chat=True)
    assert cells(markdown) == cells(calm)


@each
def test_in_the_status_and_in_the_comment_that_takes_it_back(text: str) -> None:
    title, summary = status_line(full(text))
    assert len(title) <= 140
    assert "\n" not in title
    for markdown in (
        summary,
        render_nothing_any_more(full(text), page_url=PAGE, chat=True),
        sentence_markdown(f"The path {text} is not there: {text}."),
    ):
        assert_harmless(markdown)
        inert(markdown)
    # GitLab's line for a fork's status.
    report = StatusReport("c", "failure", f"It fails: {text}", url=PAGE)
    line = with_status(COMMENT_MARKER, ("a" * 40, report), None).split("\n")[1]
    assert_harmless(line)
    inert(line)


@each
def test_in_the_answers_of_the_chat(text: str) -> None:
    comment = answers(text)
    answer_is_inert(comment)
    inert(comment)
    assert parse_comment(comment) == ()
    refused = compose(
        [(f"/minimize check {text}", sentence(refusal(COMMANDS["check"], text, "read"))),
         ("/minimize check", sentence(f"There is no workload {text}. Did you mean {text}?"))],
        marker=MARKER,
        user=text,
        url="https://forge.example/7#1",
    )  # fmt: skip
    answer_is_inert(refused)
    inert(refused)


CALM = all_of("calm")
BROKEN, IMAGE = CALM.images


def _image(**changes: object) -> CheckResult:
    return replace(CALM, images=(BROKEN, replace(IMAGE, **changes)))


def _package(**changes: object) -> CheckResult:
    added = IMAGE.added[0]
    return _image(added=(replace(added, package=replace(added.package, **changes)),))


def _line(line: SpecLine) -> CheckResult:
    added = IMAGE.added[0]
    return _image(added=(replace(added, spec=line, leaves_with=(line,)),))


_NEVRA = IMAGE.added[0].package.nevra
_LIMIT = IMAGE.objectives[0]
PLACES: dict[str, Callable[[str], CheckResult]] = {
    "package name": lambda t: _package(nevra=replace(_NEVRA, name=t or "x")),
    "version": lambda t: _package(nevra=replace(_NEVRA, version=t or "1")),
    "release": lambda t: _package(nevra=replace(_NEVRA, release=t or "1")),
    "source": lambda t: _package(source=t),
    "path": lambda t: _line(SpecLine(t, 3, "Requires: perl")),
    "spec line": lambda t: _line(SpecLine("nginx.spec", 3, t)),
    "workload": lambda t: _image(key=replace(IMAGE.key, workload=t or "w")),
    "environment": lambda t: _image(key=replace(IMAGE.key, environment=t or "e")),
    "objective": lambda t: _image(objectives=(replace(_LIMIT, name=t, reason=t),)),
    "solver's words": lambda t: _image(head=replace(IMAGE.head, problems=(t,))),
    "log line": lambda t: replace(
        CALM, builds=(BuildNote("head", t, "x86_64", "head-failed", t, f"{PAGE}/logs/0", 1.0),)
    ),
    "problem": lambda t: replace(CALM, problems=(t, f"Not evaluated: {t}: {t}")),
    "note": lambda t: replace(CALM, notes=(f"Predicted, not rebuilt: {t} has no role",)),
    "reason of accept": lambda t: replace(
        CALM, verdict="success", accepted=Acceptance("maria", t, "2026-11-24T00:00:00Z")
    ),
    "user name": lambda t: replace(
        CALM, verdict="success", accepted=Acceptance(t or "x", "why", "2026-11-24T00:00:00Z")
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_in_one_place_alone(place: str) -> None:
    # A third of them in each place, another third in the next.
    for text in HOSTILE[list(PLACES).index(place) % 3 :: 3]:
        markdown = render_comment(PLACES[place](text), page_url=PAGE, chat=True)
        assert_harmless(markdown)
        inert(markdown)


@pytest.mark.parametrize(
    "place",
    ["package name", "version", "release", "source", "path", "spec line", "workload",
     "environment", "solver's words", "user name"],
)  # fmt: skip
def test_no_name_speaks_in_our_voice(place: str) -> None:
    text = "All good. Approved by the security team"
    for page in (PAGE, None):
        tokens = READER.parse(render_comment(PLACES[place](text), page_url=page, chat=True))
        words = [c.content for t in tokens for c in t.children or () if c.type == "text"]
        assert not [word for word in words if "Approved" in word or "All good" in word]


def test_the_reader_sees_what_acts() -> None:
    """The tests above can fail: each of these is found when nobody escapes it."""
    for active in ("x[^1]\n\n[^1]: y", "$x$", "$$\nx\n$$", "- [ ] x", "~~x~~", "[epic:1]"):
        with pytest.raises(AssertionError):
            inert(active)
    for active in ("@octocat", "#1", "/close", "<b>x</b>", "https://evil.example", "> x"):
        with pytest.raises(AssertionError):
            assert_harmless(f"one\n\n{active}")
