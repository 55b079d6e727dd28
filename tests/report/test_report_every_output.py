"""A whole check of hostile words in every form that it is shown in: none acts, hides or breaks.

Names, versions, paths, messages, branches, reasons and logins are made of pieces that do something
in a comment, in a terminal, in a runner of Actions, in SARIF, in a graph.
"""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

# importlib mode finds no neighbours.
sys.path.insert(0, str(Path(__file__).parent))
from bot.chat.parser import parse_comment
from bot.ci import reports
from bot.cli.output import InertStream, inert_streams, print_json, write_command
from bot.model.result import CheckResult
from bot.model.result_json import check_to_json
from bot.report.annotations import annotations_of
from bot.report.reasons import chains_graph
from bot.report.render import render_check_html, render_comment, status_line
from bot.report.text import print_check
from tests.check.tiny import documented
from tests.report.hostile_texts import HOSTILE
from tests.report.test_report_hostile import assert_harmless, hostile_file
from tests.report.test_report_hostile_many import PAGE, full
from tests.report.test_report_hostile_many import inert as inert_markdown

PIECES = (*HOSTILE, "\x9b31m", "\r", "\x1b[0Ksection_start:1:x\r", "##[add-mask]x", "\u2067", "%0A")
words = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=4).map("".join)
every = given(words)


def unseen(text: str) -> set[str]:
    """The characters of a text that are not seen, but line ends and tabs."""
    return {c for c in text if c not in "\n\t" and unicodedata.category(c)[0] == "C"}


def commands_in(output: str) -> list[str]:
    """The lines that a runner of GitHub's takes for commands (ActionCommand.cs)."""
    lines = re.split(r"\r\n|\r|\n", output)
    return [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


def strings_of(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in strings_of(part)]
    if isinstance(value, list):
        return [text for item in value for text in strings_of(item)]
    return [value] if isinstance(value, str) else []


def both(text: str) -> tuple[CheckResult, ...]:
    return full(text), replace(hostile_file(text), builds=())


@every
def test_workflow_commands_are_ours_alone(text: str) -> None:
    for result in both(text):
        lines = list(reports.workflow_commands(result))
        output = "\n".join(lines)
        assert not unseen(output)
        assert commands_in(output) == lines
        assert len(lines) == len(annotations_of(result))
        for line in lines:
            assert re.match(r"::(notice|warning|error) file=[^,:\n]*,line=\d+,title=[^,:]*::", line)


@every
def test_the_files_of_ci_systems_are_whole_and_show_what_they_say(text: str) -> None:
    for result in both(text):
        quality = reports.code_quality(result)
        sarif = reports.sarif(result)
        junit = reports.junit(result)
        assert not unseen(quality + sarif + junit)
        (quality + sarif + junit).encode()
        for shown in strings_of([json.loads(quality), json.loads(sarif)]):
            assert not unseen(shown)
        for entry in json.loads(sarif)["runs"][0]["results"]:
            # SARIF 3.11.6: an embedded link, unless a backslash is before its bracket.
            assert re.search(r"(?<!\\)(?:\\\\)*[\[\]]", entry["message"]["text"]) is None
        tree = ET.fromstring(junit)
        assert {e.tag for e in tree.iter()} <= {
            "testsuites", "testsuite", "testcase", "failure", "skipped"
        }  # fmt: skip


def terminal(result: CheckResult) -> str:
    out = io.StringIO()
    print_check(result, Console(file=out, width=90, force_terminal=False))
    return out.getvalue()


@every
def test_a_terminal_and_a_runner_get_no_controls_and_no_commands(text: str) -> None:
    for result in both(text):
        printed = terminal(result)
        assert not unseen(printed)
        out = io.StringIO()
        stream = InertStream(out)
        for part in (printed, f"error: {text}\n", f"{text}\n", text):
            stream.write(part)
        assert commands_in(out.getvalue()) == []


@example("##[add-mask]x")
@every
def test_json_in_a_runner_is_the_same_value_and_no_command(text: str) -> None:
    written = check_to_json(full(text))
    out = io.StringIO()
    before, sys.stdout = sys.stdout, out
    try:
        print_json(written)
    finally:
        sys.stdout = before
    assert json.loads(out.getvalue()) == json.loads(json.dumps(written))
    assert commands_in(out.getvalue()) == []
    assert out.getvalue() == InertStreamOf(out.getvalue())


def InertStreamOf(text: str) -> str:
    out = io.StringIO()
    InertStream(out).write(text)
    return out.getvalue()


@every
def test_comment_and_status_say_nothing_for_somebody_else(text: str) -> None:
    for result in both(text):
        markdown = render_comment(result, page_url=PAGE, chat=True)
        assert unseen(markdown) <= {"\u200b"}  # ours, which parts what a forge would read
        assert_harmless(markdown)
        inert_markdown(markdown)
        assert parse_comment(markdown) == ()
        title, summary = status_line(result)
        assert not unseen(title)
        assert unseen(summary) <= {"\u200b"}
        assert "\n" not in title


GRAPH_LINE = re.compile(
    r"graph LR|  classDef (added|line) fill:#[0-9a-f]{3,6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}"
    r'|  [nls]\d+\(?\["[^"\[\]{}<>|`]*"\]\)?(:::(added|line))?'
    r'|  [nls]\d+ (-->|-\.->)(\|"[^"\[\]{}<>|`]*"\|)? [nls]\d+'
)


@every
def test_a_graph_has_its_own_lines_alone(text: str) -> None:
    for result in both(text):
        for line in chains_graph(result.images).splitlines():
            assert GRAPH_LINE.fullmatch(line), line
            assert not unseen(line)


class Tags(HTMLParser):
    """The elements of a page with their attributes' names, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, ...]] = set()
        self.addresses: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, *(name for name, _ in attrs)))
        self.addresses |= {str(value) for name, value in attrs if name in ("href", "src")}


ELEMENTS = Tags(
    "".join(str(render_check_html(result)) for result in (*both("calm"), *both("a b"), *both("")))
).found


@every
def test_a_page_has_no_element_of_others(text: str) -> None:
    for result in both(text):
        page = str(render_check_html(result))
        assert not unseen(page)
        tags = Tags(page)
        assert tags.found <= ELEMENTS
        assert all(address.startswith(("https://bot/", "/")) for address in tags.addresses)


def test_in_a_runner_only_commands_of_ours_are_commands(monkeypatch) -> None:
    out, errors = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", errors)
    with inert_streams({"GITHUB_ACTIONS": "true"}):
        print("::stop-commands::x\n  ::error::a\nb ##[group]c")
        print("::add-path::/tmp", file=sys.stderr)
        write_command("::notice file=a,line=1,title=b::c")
    assert commands_in(out.getvalue()) == []
    assert commands_in(errors.getvalue()) == ["::notice file=a,line=1,title=b::c"]
    with inert_streams({}):
        print("::error::a")
    assert commands_in(out.getvalue()) == ["::error::a"]


def test_doctor_shows_nothing_that_is_not_seen(monkeypatch, capsys) -> None:
    from bot.cli import doctor
    from bot.sandbox.isolation import Isolation, Part

    for text in HOSTILE:
        parts = (Part("disk", False, f"no room at {text}", text), Part("memory", True, text))
        doctor._print(Isolation(parts, "refused"))
        doctor._print_architectures([doctor._Architecture("s390x", None, True, text, text)])
    assert not unseen(capsys.readouterr().out)


def test_setup_shows_nothing_that_is_not_seen(monkeypatch, tmp_path) -> None:
    """What a forge, a server and the machine answer is printed without what acts on a terminal."""
    from bot.cli import cli
    from bot.errors import SurroundingsError
    from bot.forge.gitlab.forge import GitLab
    from bot.sandbox import isolation
    from bot.sandbox.isolation import Isolation, Part

    monkeypatch.chdir(tmp_path)
    documents = documented(tmp_path, tmp_path).config
    arguments = ["setup", "bot.yaml", "--config", str(documents)]
    server, forge = ("http://a", "", "1", "d", "c", ""), ("gitlab", "http://127.0.0.1:9", "t")
    answers = "\n".join((*server, *forge, "*", "repo", ""))
    parts = tuple(Part("disk", False, f"no room at {text}", text) for text in PIECES)
    refused = Isolation(parts, "refused")
    monkeypatch.setattr(isolation, "inspect_isolation", lambda *_, **__: refused)
    text = "".join(PIECES[-8:])

    async def login(_: object) -> str:
        return text

    async def refuse(_: object) -> str:
        raise SurroundingsError(text, text)

    for answer in (login, refuse):
        monkeypatch.setattr(GitLab, "login", answer)
        done = CliRunner().invoke(cli, arguments, input=answers)
        (tmp_path / "bot.yaml").unlink()
        assert done.output.count("missing  disk") == len(parts), done.output
        assert not unseen(done.output)


def test_these_tests_see_what_acts() -> None:
    assert commands_in("a\n  ::error::x\nb ##[x]y\nc::d") == ["  ::error::x", "b ##[x]y"]
    assert unseen("a\x1b[31m\u202e\n") == {"\x1b", "\u202e"}
