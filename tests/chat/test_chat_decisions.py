"""Which commit a decision is about: the line that names it, and the refusal of any other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.answers import bare, decides, exact_line, wrong_commit
from bot.chat.commands import COMMANDS
from bot.chat.parser import NotUnderstood, Question, parse_line

HEAD = "0a1b2c3d4e" * 4
OTHER = "f" * 40


def question(line: str) -> Question:
    parsed = parse_line(line)
    assert isinstance(parsed, Question)
    return parsed


def unclear(line: str) -> NotUnderstood:
    parsed = parse_line(line)
    assert isinstance(parsed, NotUnderstood)
    return parsed


def test_accept_and_allow_decide_about_a_commit() -> None:
    assert {name for name in COMMANDS if decides(COMMANDS[name].name)} == {"accept", "allow"}


@pytest.mark.parametrize("name", ["accept", "allow"])
def test_the_exact_line_is_taken(name) -> None:
    line = exact_line(name, HEAD, "worth it" if name == "accept" else "")
    assert wrong_commit(question(line), HEAD) == ""
    assert wrong_commit(question(line.replace(HEAD, HEAD.upper())), HEAD) == ""


@pytest.mark.parametrize("sha", [HEAD[:39], HEAD[:12], HEAD + "0", "main", "HEAD", HEAD + HEAD])
def test_less_or_more_than_the_full_id_is_refused_with_the_line(sha: str) -> None:
    text = wrong_commit(question(f"/minimize allow {sha}"), HEAD)
    assert "takes the full id" in text
    assert f"`/minimize allow {HEAD}`" in text


def test_another_commit_than_the_head_is_refused_with_the_head() -> None:
    text = wrong_commit(question(f"/minimize accept {OTHER} worth it"), HEAD)
    assert text.startswith(f"The head of this pull request is {HEAD}, not {OTHER}.")
    assert f"`/minimize accept {HEAD} worth it`" in text


def test_a_reason_without_a_commit_keeps_its_words() -> None:
    text = wrong_commit(question("/minimize accept The library is worth it"), HEAD)
    assert f"`/minimize accept {HEAD} The library is worth it`" in text


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("/minimize allow", f"/minimize allow {HEAD}"),
        ("/minimize accept", f"/minimize accept {HEAD} REASON"),
        (f"/minimize accept {HEAD}", f"/minimize accept {HEAD} REASON"),
        (f"/minimize allow {HEAD} now", f"/minimize allow {HEAD}"),
    ],
)
def test_a_bare_decision_is_answered_with_the_line(line: str, wanted: str) -> None:
    assert bare(unclear(line), HEAD).endswith(f"For the head: `{wanted}`.")


def test_other_unclear_lines_have_no_such_answer() -> None:
    assert bare(unclear("/minimize why"), HEAD) == ""
    assert bare(unclear("/minimize nonsense"), HEAD) == ""


@given(st.text(alphabet="0123456789abcdefABCDEF", min_size=1, max_size=64))
def test_only_the_head_itself_is_taken(sha: str) -> None:
    refused = wrong_commit(question(f"/minimize allow {sha}"), HEAD)
    assert (refused == "") == (sha.lower() == HEAD)
