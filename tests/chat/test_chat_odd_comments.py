"""Comments as long as a forge takes them, with odd line ends, with signs that only look alike."""

from __future__ import annotations

import pytest

from bot.chat.parser import NotUnderstood, Question, parse_comment

LONGEST = 65_536
# What takes parsers of Markdown long: each of these is known to have been slow in one of them.
SLOW = {
    "brackets": "[" * LONGEST,
    "nested links": "[a](" * (LONGEST // 4),
    "images": "![" * (LONGEST // 2),
    "emphasis": "*a_ " * (LONGEST // 4),
    "back-ticks": " ".join("`" * n for n in range(1, 360)),
    "a quote that goes on": ">" * 50 + "a\n" + "b\n" * (LONGEST // 2 - 50),
    "entities": "&#" * (LONGEST // 2),
    "comments": "<!--" * (LONGEST // 4),
    "lists": "- " * (LONGEST // 2),
    "commands": "/minimize why a\n" * (LONGEST // 16),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_comment_as_long_as_it_may_be_is_read(kind: str) -> None:
    text = SLOW[kind][: LONGEST - 40]
    # Some take seconds on a slow machine; a parser that is quadratic takes an hour, and the
    # time limit of every test ends it.
    commands = parse_comment(f"/minimize help\n\n{text}\n\n/minimize cancel\n")
    assert "/minimize help" in [parsed.text for parsed in commands]


def test_the_last_line_of_a_comment_of_65536_characters_is_heard() -> None:
    last = "\n\n/minimize help"
    (parsed,) = parse_comment("word " * ((LONGEST - len(last)) // 5) + last)
    assert isinstance(parsed, Question)


def test_commands_beyond_what_is_read_are_not_left_in_silence() -> None:
    comment = f"/minimize help\n\n{'word ' * 25_000}\n\n  /minimize cancel\n"
    first, rest = parse_comment(comment)
    assert first.text == "/minimize help"
    assert isinstance(rest, NotUnderstood) and rest.beside
    assert "only the first 100,000 characters are read" in rest.problem
    assert len(parse_comment(comment.replace("  /minimize cancel", "no /minimize cancel"))) == 1


def test_a_line_that_crosses_the_end_of_what_is_read_is_not_obeyed_in_part() -> None:
    start = "word " * 19_997 + "\n\n"
    (parsed,) = parse_comment(f"{start}/minimize accept the {'long ' * 40}reason")
    assert isinstance(parsed, NotUnderstood) and parsed.beside


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_line(end: str) -> None:
    comment = end.join(["Hello", "", "/minimize check nginx", "/minimize why perl ", "", "Bye"])
    assert [parsed.text for parsed in parse_comment(comment)] == [
        "/minimize check nginx",
        "/minimize why perl",
    ]
    fenced = end.join(["```", "/minimize check", "```", "> /minimize check"])
    assert parse_comment(fenced) == ()


@pytest.mark.parametrize(
    "line",
    [
        "\uff0fminimize help",  # a wide solidus
        "\u2215minimize help",  # a division slash
        "/m\u0456nimize help",  # a Cyrillic i
        "/minim\u0131ze help",  # a dotless i
        "/minimize\u200b help",  # a space of no width
        "\u202e/minimize help",  # written from right to left
        "\ufeff/minimize help",
        "/\u00adminimize help",
        "//minimize help",
        "\\/minimize-help",
        "&#47;minimize\\help",
        "/minimize/help",
        "/minimize:help",
    ],
)
def test_what_only_looks_like_the_word_is_not_it(line: str) -> None:
    assert parse_comment(line) == ()


@pytest.mark.parametrize("space", ["\u00a0", "\t", "\u2003", "  ", "\u3000", "\x0b"])
def test_any_space_parts_words(space: str) -> None:
    (parsed,) = parse_comment(f"/minimize{space}why{space}perl")
    assert isinstance(parsed, Question)
    assert parsed.text == "/minimize why perl"


def test_a_command_that_looks_like_one_is_shown_as_unknown() -> None:
    (parsed,) = parse_comment("/minimize \u0430llow")  # a Cyrillic a
    assert not isinstance(parsed, Question)
    assert "There is no command" in parsed.problem
