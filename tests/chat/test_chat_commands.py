"""The table of commands: who may say what, and the README and `help`, which show it."""

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from bot.chat.answers import compose, help_answer
from bot.chat.commands import COMMANDS, WORD, commands_table, may, refusal
from bot.forge.values import ROLES

# CONTRACT's table, written out: the lowest role on another's pull request, and on one's own.
LOWEST = {
    "check": ("triage", "none"),
    "why": ("none", "none"),
    "what-if": ("none", "none"),
    "advise": ("none", "none"),
    "decline": ("triage", "triage"),
    "accept": ("write", "write"),
    "allow": ("write", "write"),
    "objectives": ("none", "none"),
    "cancel": ("triage", "none"),
    "help": ("none", "none"),
}


@pytest.mark.parametrize("own", [False, True], ids=["anothers", "own"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", COMMANDS)
def test_who_may_say_it(name: str, role: str, own: bool) -> None:
    lowest = LOWEST[name][own]
    expected = ROLES.index(role) >= ROLES.index(lowest)
    assert may(COMMANDS[name], role, is_author=own) is expected


def test_a_refusal_names_the_role_that_is_missing() -> None:
    assert refusal(COMMANDS["accept"], "ann", "triage") == (
        "ann has the role triage in this repository: accept needs the role write or above."
    )
    assert refusal(COMMANDS["check"], "bob", "none") == (
        "bob has no role in this repository: check needs the role triage or above,"
        " or to be the author of this pull request."
    )


README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def rows(markdown: str, first: str) -> list[list[str]]:
    """The cells of the table whose first heading is `first`, as a reader sees them."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and token.level >= 4 and tables:
            tables[-1][-1].append("".join(c.content for c in token.children or ()))
    return next(table for table in tables if table[0][0].casefold() == first)


def test_the_table_of_the_readme_is_the_declaration() -> None:
    assert commands_table() in README
    assert len(rows(README, "command")) == len(COMMANDS) + 1


def test_help_and_readme_say_the_same() -> None:
    text = compose(
        [("/minimize help", help_answer())], marker="<!-- minimize:answer 1 a -->", user="", url=""
    )
    shown = [[cell.removeprefix(f"{WORD} ") for cell in row] for row in rows(text, "command")]
    plain = [[cell.replace("\u200b", "") for cell in row] for row in shown]
    assert plain[1:] == rows(README, "command")[1:]


def test_the_readme_speaks_of_trust() -> None:
    for words in ("/minimize allow", "/minimize accept SHA REASON", "trusted", "triage"):
        assert words in README
