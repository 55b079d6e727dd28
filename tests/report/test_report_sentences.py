"""The sentences of reports: each is written with examples, and every call has the right slots."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from bot.errors import in_backticks
from bot.model.spec import SpecLine
from bot.report.answers import show
from bot.report.phrase import Phrase, plain, to_html, to_markdown, to_plain, to_text
from bot.report.template import KINDS, Sentences, Slot, Template
from bot.report.text import terminal_text

ROOT = Path(__file__).parents[2]
BOT = ROOT / "bot"
SOURCES = sorted(BOT.rglob("*.py"))
# A name that does what can be done in a comment.
HOSTILE = "@all #1 <b> `x` | [a](https://evil.example) All good. Approved by security"
ALL = {
    f"{path.parent.name}.{name}": template
    for path in sorted(BOT.rglob("sentences.toml"))
    for name, template in Sentences(path).templates.items()
}
each = pytest.mark.parametrize("template", ALL.values(), ids=ALL)

OWN = (KINDS["words"], KINDS["figure"], KINDS["strong figure"])
PEOPLE = (KINDS["prose"], KINDS["title"])
# What stands in slots for phrases, and for words and figures of ours, by their names.
EXAMPLES = {
    "alternatives": "`Requires: perl-libs` (line 32)",
    "amount": "6 MB",
    "arches": "x86_64 and aarch64",
    "because": "because of `Requires: perl` (`nginx.spec` line 31)",
    "bound": "limit",
    "cause": "nothing provides `perl`, which `nginx` requires",
    "causes": "nothing provides `perl`, which `nginx` requires",
    "chain": "`nginx` \N{RIGHTWARDS ARROW} `perl`",
    "change": "**+31.4 MB**",
    "come": "2 come",
    "days": "2026-11-27",
    "does": "grow by 3 MB",
    "direction": "larger",
    "each": "each",
    "image": "**nginx**",
    "images": "**nginx** on all four architectures",
    "in_all": "; in all it is 3 MB larger",
    "kinds": "2 grow by 3 MB, 1 shrinks by 1 MB",
    "known": ", as far as is known",
    "leave": "leave",
    "less": "1 MB",
    "lines": "`Requires: perl` (`nginx.spec` line 31)",
    "links": "the build now links `libxslt.so.1()(64bit)`",
    "metric": "installed size",
    "more": "1 MB",
    "moves": "is 3 MB larger",
    "need": "`nginx` requires `perl`",
    "others": "`perl-tiny`",
    "packages": "5 packages",
    "place": "`nginx.spec` line 31",
    "presence": "present",
    "reason": "nothing provides `perl`, which `nginx` requires",
    "removes": " and removes 2 packages",
    "seconds": "31 s",
    "subject": "**nginx**",
    "title": "nginx: +5 packages, +31.4 MB",
    "together": " together",
    "turn": "can no longer be installed",
    "value": "91.3 MB",
    "values": "installed size 91.3 MB, the limit is 60 MB",
    "verb": "requires",
    "finding": "1 package would leave: `perl`.",
    "what": "1 package would leave: `perl`.",
    "why": "nothing provides `perl`, which `nginx` requires",
    "names": "`perl` and `perl-libs`",
    "instead": "`perl-tiny`",
    "unknown": "`webb`",
    "workloads": "`web` and `nginx`",
    "chains": "`nginx` requires `perl`",
    "requirements": "`nginx` requires `perl`",
    "built": "x86_64",
    "predicted": "aarch64",
    "counts": "2",
    "size": "31.4 MB",
    "wanted": "the workload `nginx`",
    "untouched": "`webb`",
    "away": "s390x",
    "every": "every image",
    "how": "alone",
    "role": "no role",
    "part": "who pushed the head commit",
    "way": "6 MB to go to the target",
    "where": "on all four architectures",
    "workload": "**nginx**",
}


def example(slot: Slot) -> object:
    """A value for a slot: that of its name, else its kind's, else the name."""
    if slot.kind not in (KINDS[""], *OWN):
        return slot.kind.example
    text = EXAMPLES.get(slot.name, slot.kind.example or f"({slot.name})")
    return Template(str(text))() if slot.kind is KINDS[""] else text


def filled(template: Template) -> Phrase:
    return template(**{name: example(slot) for name, slot in template.slots.items()})


def test_all_sentences_are_written_for_reading() -> None:
    """`var/sentences.md` has each as a forge shows it, in the order of the source."""
    lines = [f"- `{name}`: {to_markdown(filled(t), cell=True).strip()}" for name, t in ALL.items()]
    (ROOT / "var").mkdir(exist_ok=True)
    (ROOT / "var/sentences.md").write_text("\n".join(lines) + "\n")
    assert len(lines) > 50


@each
def test_a_sentence_reads_well(template: Template) -> None:
    text = to_plain(filled(template))
    assert "  " not in text
    assert not re.search(r" [,;:]| \.(?!\w)|\.\.|,,|\[|\]", text), text


def attacked(slot: Slot, text: str) -> object:
    """The value of a slot whose words somebody else chooses, as the kind of the slot gets them.

    A message is ours, with what it cites in backticks. Prose and titles are of those who may write
    to the base branch or accept a change.
    """
    value = example(slot)
    if isinstance(value, SpecLine):
        return SpecLine(text, 3, text, (SpecLine(text, 4, text),))
    if not isinstance(value, str) or slot.kind in (*OWN, *PEOPLE):
        return value
    if slot.kind is KINDS["name"]:
        return value  # of the operator's documents
    return f"It says {in_backticks(text)}." if slot.kind is KINDS["message"] else text


def markdown_voice(markdown: str) -> str:
    """The text of Markdown outside of code, as a reader shows it."""
    reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    children = reader.parseInline(markdown)[0].children or []
    assert not {token.type for token in children} & {"image", "html_inline"}, children
    return "".join(token.content for token in children if token.type == "text")


def voices(phrase: Phrase) -> Iterator[str]:
    """The words of a phrase outside of code in each form: comment, page, title, terminal."""
    yield markdown_voice(to_markdown(phrase))
    yield re.sub(r"<code>.*?</code>", "", str(to_html(phrase)))
    yield re.sub("`[^`]*`", "", to_text(phrase))
    console = Console(file=io.StringIO(), color_system=None, width=100_000)
    show(console, terminal_text(phrase, console))
    yield re.sub("`[^`]*`", "", console.file.getvalue())


texts_of_others = st.one_of(
    st.sampled_from(
        ["Approved", "approved-by-security", "all good", "`Approved`", "\u202eok\x1b[1m"]
    ),
    st.text(alphabet="Approved by`|\\@#<>[]*_\n", min_size=1, max_size=40),
    st.text(min_size=1, max_size=40),
)


@settings(max_examples=10, deadline=None)
@given(text=texts_of_others)
@each
def test_the_bots_voice_has_no_words_of_others(template: Template, text: str) -> None:
    """In no form: outside of code stands the same whatever they are, and nothing unprintable."""

    def outside(words: str) -> list[str]:
        values = {name: attacked(slot, words) for name, slot in template.slots.items()}
        return list(voices(template(**values)))

    assert outside(text) == outside("x")
    assert all(voice.rstrip("\n").isprintable() for voice in outside(text))


@each
def test_nothing_in_a_slot_is_active(template: Template) -> None:
    """Not even the words of those who may accept a change."""
    values = {
        name: HOSTILE if slot.kind in PEOPLE else attacked(slot, HOSTILE)
        for name, slot in template.slots.items()
    }
    phrase = template(**values)
    markdown_voice(to_markdown(phrase))
    assert "<b>" not in str(to_html(phrase))


def uses() -> list[tuple[str, str, set[str] | None]]:
    """Each `say.name` in `bot`: place, name with its folder, keywords where it is called there."""
    calls = []
    for path in SOURCES:
        source = path.read_text()
        if "say" not in source:
            continue
        tree = ast.parse(source)
        folder = (
            path.parent.name if path.parent.name in ("chat", "engine", "objectives") else "report"
        )
        called = {n.func: n for n in ast.walk(tree) if isinstance(n, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "say":
                call = called.get(node)
                keywords = {k.arg or "**" for k in call.keywords} if call else None
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                calls.append((place, f"{folder}.{node.attr}", keywords))
    return calls


def test_every_call_fills_the_slots_that_its_sentence_has() -> None:
    names_used = uses()
    assert len(names_used) > 100
    for place, name, keywords in names_used:
        assert name in ALL, f"{place}: there is no sentence {name}"
        if keywords is not None:
            assert keywords == ALL[name].slots.keys(), f"{place}: {name}"


def test_every_sentence_is_used() -> None:
    used = {name for _, name, _ in uses()}
    # Found by a value: `say[f"outcome_{...}"]`.
    by_value = ("report.outcome_", "report.turn_", "objectives.since_",
                "objectives.not_drifted_")  # fmt: skip
    assert {name for name in ALL.keys() - used if not name.startswith(by_value)} == set()


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("{n:# image} {n:is|are} new", {"n": 1}, "1 image is new"),
        ("{n:# image} {n:is|are} new", {"n": 3}, "3 images are new"),
        ("a[ and {n:# more image}]", {"n": 0}, "a"),
        ("a[ and {n:#} more]", {"n": 2}, "a and 2 more"),
        ("{p:package}[ ({why:prose})]", {"p": "perl", "why": ""}, "`perl`"),
        ("{p:package}[ ({why})]", {"p": "perl", "why": plain("old")}, "`perl` (old)"),
        ("{s:size}, {d:delta}", {"s": None, "d": 2_000_000}, "not known, +2 MB"),
        ("**New**: `/x help`", {}, "**New**: `/x help`"),
        ("{u:link The page}.", {"u": "https://bot/1"}, "[The page](<https://bot/1>)."),
        ("{u:link The page}.", {"u": "javascript:x"}, "The page."),
    ],
)
def test_a_template_writes_its_values(text: str, values: dict[str, object], shown: str) -> None:
    assert to_markdown(Template(text)(**values)) == shown


def test_a_template_refuses_other_slots_and_other_values() -> None:
    template = Template("{package:package} takes {size:size}")
    with pytest.raises(TypeError, match="has the slots"):
        template(package="perl")
    with pytest.raises(TypeError, match="has the slots"):
        template(package="perl", size=1, more=2)
    with pytest.raises(TypeError, match="size is"):
        template(package="perl", size="1 MB")
    with pytest.raises(TypeError, match="package is"):
        template(package=plain("perl"), size=1)
    with pytest.raises(ValueError, match="has no known kind"):
        Template("{package:pakcage}")


def test_a_figure_and_its_unit_stay_on_one_line_of_a_cell() -> None:
    (phrase,) = (Template("{a:size} of {b:package}")(a=30_000_000, b="30 MB"),)
    assert to_markdown(phrase, cell=True) == "30\N{NO-BREAK SPACE}MB of `30 MB`"
