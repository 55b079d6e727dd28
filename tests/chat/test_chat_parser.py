"""The grammar: which lines of a comment are commands, and what they ask."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot import limits
from bot.chat.commands import COMMANDS
from bot.chat.parser import NotUnderstood, Question, command_key, parse_comment, parse_line


def texts(comment: str) -> list[str]:
    return [parsed.text for parsed in parse_comment(comment)]


def values_of(line: str) -> dict:
    parsed = parse_line(line)
    assert isinstance(parsed, Question), parsed
    return dict(parsed.values)


def problem(line: str) -> str:
    parsed = parse_line(line)
    assert isinstance(parsed, NotUnderstood), parsed
    return parsed.problem


def test_commands_stand_on_lines_of_their_own_several_in_one_comment() -> None:
    comment = "Thanks!\n/minimize check\nand also\n\n  /minimize why perl\r\n/minimize help"
    assert texts(comment) == ["/minimize check", "/minimize why perl", "/minimize help"]


@pytest.mark.parametrize(
    "comment",
    [
        "> /minimize check",
        "> quoted\n/minimize check",  # goes on lazily: its reader sees it in the quote
        "- > /minimize check",
        "```\n/minimize check\n```",
        "~~~ sh\n/minimize check",  # never closed
        "    /minimize check",
        "text `code\n/minimize check\n` text",
        "`/minimize check`",
        "**/minimize check**",
        "[a\n/minimize check\nb](https://x)",
        "<!-- /minimize check -->",
        "<!--\n/minimize check\n-->",
        "<!--\n\n/minimize check\n",  # never closed
        "text <!--\n/minimize check\n--> text",
        "<details>\n/minimize check\n</details>",
        "<pre>\n\n/minimize check\n</pre>",
        "# /minimize check",
        "- /minimize check",
        "1. /minimize check",
        "please /minimize check",
        "/minimizer check",
        "/minimize-check",
        "/packit check",
        "\\/minimizer",
        "",
        "/minimize check | runs it\n--- | ---",  # a table needs no bar at its edges
        "Command | What\n--- | ---\n/minimize check | runs it\n/minimize check",
        "text\n\n| a |\n| - |\n/minimize check",
        ">>>\n/minimize check\n>>>",  # GitLab's quote of many lines
        ">>>\ntext\n\n/minimize check\n>>>\n",
        ">>>>\n>>>\n/minimize check",  # never closed
        "a[^1]\n\n[^1]: text\n    /minimize check",
        "\u201c/minimize check\u201d",
    ],
)
def test_quotes_code_html_and_mentions_in_a_sentence_do_nothing(comment: str) -> None:
    assert parse_comment(comment) == ()


@pytest.mark.parametrize(
    "comment",
    [
        "/minimize check\n-- \nAnn",  # a mail's signature makes it a heading
        "a\n\n/minimize check\n===",
        "- some list\n/minimize check",
        "- item\n\n  /minimize check",
        "> quote\n\n/minimize check",
        "```\ncode\n```\n/minimize check",
        "<!-- a -->\n/minimize check",
        "/minimize check <!-- now -->",
        "/MINIMIZE CHECK",
        "- some list\n/Minimize Check",
        "\ufeff\n/minimize\u00a0check",
        "<details>\n\n/minimize check\n\n</details>",
        ">>>\nquote\n>>>\n/minimize check",
        ">>> print(1)\n\n/minimize check",
        "| a |\n| - |\n| b |\n\n/minimize check",
        "a | b\n/minimize check",
        "\u202f/minimize\u00a0check\u00a0",
        "a[^1]\n\n[^1]: text\n\n/minimize check",
    ],
)
def test_a_line_that_a_reader_sees_as_its_own_is_one(comment: str) -> None:
    assert texts(comment) == ["/minimize check"]


def test_the_arguments_of_each_command() -> None:
    assert values_of("/minimize check") == {}
    assert values_of("/minimize check nginx curl --arch s390x --arch=x86_64") == {
        "WORKLOAD": ("nginx", "curl"),
        "--arch": ("s390x", "x86_64"),
    }
    assert values_of("/minimize why libz.so.1()(64bit)") == {"PACKAGE": ("libz.so.1()(64bit)",)}
    assert values_of("/minimize what-if drop perl >= 5 from nginx-core") == {
        "CAPABILITY": ("perl >= 5",),
        "PACKAGE": ("nginx-core",),
    }
    assert values_of("/minimize what-if drop (a if b)") == {"CAPABILITY": ("(a if b)",)}
    assert values_of("/minimize what-if drop from") == {"CAPABILITY": ("from",)}
    assert values_of("/minimize accept abc it is --worth   it from now on") == {
        "SHA": ("abc",),
        "REASON": ("it is --worth it from now on",),
    }


def test_arguments_keep_their_case_and_the_rest_counts_in_any() -> None:
    (parsed,) = parse_comment("/MINIMIZE What-If DROP Perl From MySQL")
    assert isinstance(parsed, Question)
    assert parsed.text == "/minimize what-if DROP Perl From MySQL"
    assert parsed.values == {"CAPABILITY": ("Perl",), "PACKAGE": ("MySQL",)}
    assert values_of("/MINIMIZE ACCEPT Abc It Is Worth It") == {
        "SHA": ("Abc",),
        "REASON": ("It Is Worth It",),
    }
    assert values_of("/minimize WHY LibX11 --workload Web") == {
        "PACKAGE": ("LibX11",),
        "--workload": ("Web",),
    }
    assert texts("/minimize help\n/MINIMIZE Help") == ["/minimize help"]


def test_code_spans_and_marks_in_a_command_are_its_words() -> None:
    (parsed,) = parse_comment("/minimize why `foo_bar` --workload=__x__")
    assert parsed.values == {"PACKAGE": ("foo_bar",), "--workload": ("__x__",)}


@pytest.mark.parametrize(
    "dashes", ["--", "\u2014", "\u2013", "\u2013\u2013", "\u2011\u2011", "\u2212\u2212"]
)
def test_dashes_that_a_keyboard_made_of_two_begin_an_option(dashes: str) -> None:
    values = {"WORKLOAD": ("nginx",), "--arch": ("s390x",)}
    assert values_of(f"/minimize check nginx {dashes}arch s390x") == values
    assert values_of(f"/minimize check nginx {dashes}arch=s390x") == values


def test_a_hyphen_that_does_not_break_is_one_in_a_command() -> None:
    assert texts("/minimize what\u2011if drop perl") == ["/minimize what-if drop perl"]


@pytest.mark.parametrize(
    "pair", ['""', "''", "\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u00ab\u00bb"]
)
def test_quotes_around_a_word_are_not_of_it(pair: str) -> None:
    left, right = pair
    assert values_of(f"/minimize why {left}perl{right} --workload {left}web{right}") == {
        "PACKAGE": ("perl",),
        "--workload": ("web",),
    }
    assert values_of(f"/minimize what-if drop {left}perl >= 5{right} from {left}a{right}") == {
        "CAPABILITY": ("perl >= 5",),
        "PACKAGE": ("a",),
    }
    reason = f"{left}so it is{right}"
    assert values_of(f"/minimize accept abc {reason}") == {"SHA": ("abc",), "REASON": (reason,)}
    assert values_of(f"/minimize why {left}perl") == {"PACKAGE": (f"{left}perl",)}


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("/minimize", "A command is missing after /minimize."),
        ("/minimize chek", "There is no command `chek`. Did you mean check?"),
        ("/minimize frobnicate", "There is no command `frobnicate`."),
        ("/minimize why", "PACKAGE is missing."),
        ("/minimize why a b", "The word `b` is one too many."),
        ("/minimize why a --arch x", "There is no option `--arch`. why knows --workload."),
        ("/minimize why a --workload", "A value is missing after --workload."),
        ("/minimize what-if perl", "The word drop is missing."),
        ("/minimize what-if drop", "CAPABILITY is missing."),
        ("/minimize what-if drop a from", "PACKAGE is missing."),
        ("/minimize what-if drop a from b c", "The word `c` is one too many."),
        ("/minimize what-if drop a --workload b", "There is no option `--workload`."),
        ("/minimize accept", "SHA is missing."),
        ("/minimize accept abc", "REASON is missing."),
        ("/minimize allow", "SHA is missing."),
        ("/minimize allow abc now", "The word `now` is one too many."),
        ("/minimize cancel --force", "There is no option `--force`."),
        ("/minimize advise --edits 99", "--edits is one of 0, 1, 2, 3, not `99`."),
    ],
)
def test_what_is_not_understood_says_which_word(line: str, parsed: str) -> None:
    assert problem(line) == parsed


def test_an_unknown_architecture_is_shown_with_those_there_are() -> None:
    text = problem("/minimize check --arch risc64")
    assert "x86_64, aarch64, ppc64le, s390x, ..., not `risc64`. Did you mean riscv64?" in text


def test_very_long_words_and_lines_are_refused() -> None:
    assert "longer than" in problem("/minimize why " + "a" * 300)
    assert "longer than" in problem("/minimize accept " + "a " * 2000)


def test_the_same_line_twice_counts_once_and_many_are_cut_off() -> None:
    assert texts("/minimize check\n/minimize   check") == ["/minimize check"]
    many = "\n".join(f"/minimize why p{n}" for n in range(50))
    parsed = parse_comment(many)
    assert len(parsed) == limits.COMMENT_COMMANDS + 1
    assert isinstance(parsed[-1], NotUnderstood)
    assert "others were left" in parsed[-1].problem


def test_the_examples_of_the_table_are_understood() -> None:
    for command in COMMANDS.values():
        for line in command.examples:
            parsed = parse_line(line)
            assert isinstance(parsed, Question), line
            assert parsed.name == command.name


def test_a_command_has_one_key_in_its_comment_and_another_elsewhere() -> None:
    (command,) = parse_comment("/minimize check")
    (same,) = parse_comment("Hello\n/minimize    check\n")
    (other,) = parse_comment("/minimize check nginx")
    assert command_key("1", command) == command_key("1", same)
    assert len({command_key("1", command), command_key("1", other), command_key("2", command)}) == 3


# What begins an option or a quotation: no name begins with it.
PLAIN_NO = (
    "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\"'\u201c\u201d\u201e\u2018\u2019\u201a\u00ab"
)
# Text without line ends and without what Markdown gives a meaning at the start of a line.
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30
)
LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["/minimize check", "> /minimize check", "```", "~~~", "<!--", "-->", "- a", "", "---"]
        ),
        st.sampled_from(["    x", "<pre>", "</pre>", "`", "[a]: b", "***", "1. b", "| a |", "\\"]),
        st.text(max_size=20),
    ),
    max_size=12,
)


@given(st.text())
@example("/minimize \ud800")
def test_no_text_is_too_strange_to_read(text: str) -> None:
    for parsed in parse_comment(text):
        assert parsed.text.split()[0] == "/minimize"


@given(LINES)
def test_every_command_is_a_line_of_the_comment_that_begins_with_it(lines: list[str]) -> None:
    comment = "\n".join(lines)
    written = {" ".join(line.split()) for line in comment.splitlines()}
    for parsed in parse_comment(comment):
        if parsed.text == "/minimize check":
            assert parsed.text in written


@given(st.text(alphabet="/minmzechk >`~<!-\n\t*_\\[]()#", max_size=80))
def test_what_stands_in_a_quote_does_nothing(text: str) -> None:
    quoted = "\n".join(f"> {line}" for line in text.split("\n"))
    assert parse_comment(quoted) == ()


@given(LINES)
def test_what_stands_in_a_fence_does_nothing(lines: list[str]) -> None:
    inside = "\n".join(lines).replace("`````", "")
    assert parse_comment(f"``````\n{inside}\n``````") == ()


@given(LINES)
def test_what_stands_in_an_html_comment_does_nothing(lines: list[str]) -> None:
    inside = "\n".join(lines).replace("-->", "").replace("--", "")
    assert parse_comment(f"<!--\n{inside}\n-->") == ()


@given(st.sampled_from(sorted(COMMANDS)), st.lists(WORDS, max_size=6))
def test_a_command_is_understood_or_says_what_is_wrong(name: str, words: list[str]) -> None:
    parsed = parse_line(" ".join(["/minimize", name, *words]))
    if isinstance(parsed, NotUnderstood):
        assert parsed.problem.endswith((".", "?"))
        assert parsed.command is COMMANDS[name]
    else:
        for values in parsed.values.values():
            for value in values:
                assert value in parsed.text or value in parsed.text.replace("=", " ")


# What hides a command in it, and what leaves one that stands there as it is.
HIDING = [
    "> {}",
    "- {}",
    "1. {}",
    "- > {}",
    "```\n{}\n```",
    "~~~sh\n{}\n~~~",
    "    {}",
    "<!-- {} -->",
    "<!--\n\n{}\n-->",
    "<details>\n{}\n</details>",
    ">>>\n{}\n>>>",
    ">>>\ntext\n\n{}\n\n>>>",
    "a | b\n--- | ---\n{} | c",
    "{} | b\n--- | ---",
    "| {} |\n| --- |",
    "[^1]: {}",
    "[^1]: text\n    {}",
    "`{}`",
    "**{}**",
    "# {}",
    "text {}",
    "\u201c{}\u201d",
]
SHOWING = ["{}", "text\n{}", "  {}", "- a\n\n  {}", "{}\n---", "<!-- a -->\n{}", "{} <!-- a -->"]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 99)), max_size=9))
def test_among_anything_that_hides_commands_exactly_those_in_the_open_are_heard(
    blocks: list[tuple[bool, int]],
) -> None:
    written, expected = [], []
    for number, (shown, which) in enumerate(blocks):
        command = f"/minimize why p{number}"
        forms = SHOWING if shown else HIDING
        written.append(forms[which % len(forms)].format(command))
        expected += [command] if shown else []
    # A heading between them, so that no block goes on in the next.
    assert texts("\n\n# A\n\n".join(written)) == expected


@given(st.text(alphabet="/minmze check>|-:\n`", max_size=60))
def test_what_stands_in_a_fenced_quote_does_nothing(text: str) -> None:
    inside = text.replace(">", "")
    assert parse_comment(f"text\n\n>>>>\n{inside}\n>>>>") == ()


@given(WORDS.filter(lambda w: w[0] not in PLAIN_NO and w.split() == [w]))
def test_a_package_name_comes_through_as_it_was_written(name: str) -> None:
    assert values_of(f"/minimize why {name}") == {"PACKAGE": (name,)}
