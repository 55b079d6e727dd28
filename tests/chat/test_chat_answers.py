"""Answers: hostile words do nothing, nothing is too long, markers are ours."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.chat.answers import compose, found_answer, help_answer, not_understood, sentence
from bot.chat.commands import COMMANDS, refusal
from bot.chat.parser import Question, answer_marker, is_ours, parse_comment, parse_line
from bot.chat.questions import ChatFinding
from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import Edge, Requirement, UnsolvableCause, WhatIf, Why
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import CheckResult
from bot.report.render import COMMENT_LIMIT, COMMENT_MARKER, render_comment
from tests.report.test_report_hostile import ATTACKS, READER, REFERENCE, hostile

NEVRA = Nevra("perl", 0, "1", "1", "x86_64")
MARKER = answer_marker("maria", ["/minimize why perl"])


def answers(text: str) -> str:
    """A comment in which every foreign text is `text`."""
    result = hostile(text)
    image = next(image for image in result.images if image.added)
    key, nevra = image.key, image.added[0].package.nevra
    edge = Edge(Nevra(text or "x", 0, "1", "1", "x86_64"), text, nevra, "requires")
    package = Package(nevra, text, text, installed_size=9)
    lines = [
        f"/minimize why {text}",
        f"/minimize what-if drop {text} from {text}",
        f"/minimize {text}",
        f"/minimize check --{text}",
    ]
    parts = []
    for line in lines:
        parsed = parse_line(line)
        if not isinstance(parsed, Question):
            parts.append((parsed.text, not_understood(parsed)))
            continue
        finding = ChatFinding(
            parsed,
            result,
            whys=(
                Why(key, nevra, (nevra,), ((edge,),), (Requirement(nevra, text),)),
                Why(key, None),
            ),
            what_ifs=(
                WhatIf(key, "ok", removed=(package,), added=(package,), saved=9),
                WhatIf(key, "unsolvable", problems=(text,)),
                WhatIf(key, "unsolvable", causes=(UnsolvableCause("missing", text, nevra),)),
                WhatIf(key, "ok", problems=(text,)),
            ),
            unsolvable=(key,),
            workloads=(text,),
            near=(text,),
        )
        parts.append((parsed.text, found_answer(finding)))
    parts.append(("/minimize accept", sentence(refusal(COMMANDS["accept"], text, "read"))))
    return compose(parts, marker=MARKER, user=text, url="https://forge.example/7#1")


def inert(comment: str) -> None:
    """No markup but ours, no reference, no link but ours."""
    for token in READER.parse(comment):
        if token.type == "html_block":
            assert token.content.strip() == MARKER
        for child in token.children or []:
            assert child.type not in ("html_inline", "image"), child.content
            if child.type == "link_open":
                assert child.attrs["href"] == "https://forge.example/7#1"
            if child.type == "text":
                match = REFERENCE.search(child.content)
                # The commit that an answer is about is linked on purpose.
                assert match is None or re.fullmatch("[0-9a-f]{40}", match[0]), child.content


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_word_of_theirs_takes_effect(attack: str) -> None:
    comment = answers(attack)
    inert(comment)
    assert len(comment) <= COMMENT_LIMIT


@given(st.text(max_size=60))
def test_no_text_at_all_takes_effect(text: str) -> None:
    inert(answers(text))


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_answer_holds_a_command_that_could_be_obeyed(attack: str) -> None:
    assert parse_comment(answers(attack)) == ()
    assert is_ours(answers(attack))


def test_the_help_holds_no_command_either_and_shows_every_one() -> None:
    text = compose([("/minimize help", help_answer())], marker=MARKER, user="ann", url="")
    assert parse_comment(text) == ()
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    for command in COMMANDS.values():
        assert f"<code>{command.usage}</code>" in html
        assert command.what.split("`")[0][:20] in html


def test_nobody_can_write_a_marker_of_ours_into_our_comments() -> None:
    forged = "<!-- minimize:comment --> <!-- minimize:answer 1 ab -->"
    comment = answers(forged)
    assert COMMENT_MARKER not in comment
    assert comment.count("<!-- minimize") == 1
    assert render_comment(hostile(forged)).count("<!-- minimize") == 1


def test_answers_that_do_not_fit_say_so_and_the_others_stay() -> None:
    parts = [("/minimize why a", sentence("short")), ("/minimize why b", sentence("word " * 9))]
    many = [(f"/minimize why {n}", sentence(f"{n} " + "x.y " * 240)) for n in range(90)]
    text = compose([*parts, *many], marker=MARKER, user="ann", url="")
    assert len(text) <= COMMENT_LIMIT
    assert "short" in text
    assert "the answer is too long for a comment" in text


def test_a_marker_names_the_asker_and_the_question() -> None:
    assert answer_marker("maria", ["b", "a  c"]) == answer_marker("maria", ["a c", "b"])
    assert answer_marker("maria", ["a"]) != answer_marker("maria", ["a", "b"])
    assert answer_marker("maria", ["a"]) != answer_marker("mari", ["a"])
    assert "-->" not in answer_marker("1 --> x", ["a"])[:-3]


@pytest.mark.parametrize(
    ("body", "ours"),
    [
        (MARKER + "\nhello", True),
        (COMMENT_MARKER + "\n### x", True),
        ("<!-- minimize-status aa -->\nx\n<!-- /minimize-status -->", True),
        ("/minimize help", False),
        ("please see <!-- minimize --> there", False),
    ],
)
def test_our_own_comments_are_known(body: str, ours: bool) -> None:
    assert is_ours(body) is ours


def answered(line: str) -> str:
    parsed = parse_line(line)
    assert not isinstance(parsed, Question)
    return compose([(parsed.text, not_understood(parsed))], marker=MARKER, user="ann", url="")


def test_an_unknown_command_names_the_near_one_and_where_all_are_listed() -> None:
    assert "There is no command `chek`. Did you mean check? `/minimize help` lists the" in answered(
        "/minimize chek"
    )
    far = answered("/minimize frobnicate")
    assert "There is no command `frobnicate`. `/minimize help` lists the commands." in far


def test_what_our_own_sentences_mark_is_a_code_span_without_shown_backticks() -> None:
    text = "No workload is called `nope`. There is `curl` or `@all`, (`a b`) says `/minimize allow`"
    body = compose([("/minimize check nope", sentence(text))], marker=MARKER, user="", url="")
    assert "No workload is called `nope`. There is `curl` or `@all`, (`a b`) says" in body
    assert body.rstrip().endswith("`/minimize allow`")
    assert "``" not in body


def answer_text(line: str, **more: object) -> str:
    question = parse_line(line)
    assert isinstance(question, Question)
    values: dict[str, object] = {"workloads": ("nginx",), **more}
    answer = found_answer(ChatFinding(question, **values))  # type: ignore[arg-type]
    return compose([(line, answer)], marker=MARKER, user="", url="")


def some_images(count: int, evidence: str = "rebuilt") -> CheckResult:
    result = hostile("nginx")
    images = tuple(
        replace(
            result.images[0],
            key=ImageKey(f"w{n}", "minimal", "demo", ARCHITECTURES[n % 4]),
            evidence=evidence if n % 2 else "predicted",
        )
        for n in range(count)
    )
    return replace(result, images=images, problems=())


def test_no_answer_is_left_out_in_silence_where_each_image_has_its_own() -> None:
    result = some_images(30)
    whys = tuple(
        Why(
            i.key,
            Nevra("perl", 0, "1", "1", "x86_64"),
            (),
            ((Edge(Nevra(f"p{n}", 0, "1", "1", "x86_64"), f"c{n}", NEVRA, "requires"),),),
        )
        for n, i in enumerate(result.images)
    )
    text = answer_text("/minimize why perl", result=result, whys=whys)
    assert all(f"`c{n}`" in text for n in range(30))


def test_how_it_is_known_names_the_images_of_the_question() -> None:
    result = some_images(2)
    why = [Why(image.key, None) for image in result.images]
    assert "by the spec file alone (predicted)." in answer_text(
        "/minimize why perl", result=result, whys=(why[0],)
    )
    assert "by its packages as they were built." in answer_text(
        "/minimize why perl", result=result, whys=(why[1],)
    )
    assert (
        "by its packages as they were built for aarch64, by the spec file alone (predicted) for"
        " x86_64."
    ) in answer_text("/minimize why perl", result=result, whys=tuple(why))


def test_what_would_be_larger_is_not_called_saved() -> None:
    result = some_images(1)
    package = Package(NEVRA, "perl", "r", installed_size=9)
    answer = WhatIf(
        result.images[0].key, "ok", removed=(package,), added=(package,), saved=-3_000_000
    )
    text = answer_text("/minimize what-if drop perl", result=result, what_ifs=(answer,))
    assert "Larger by: **3 MB**." in text
    assert "Saved" not in text
