"""Nothing that comes from a change or a repository becomes markup, a mention or a reference."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.model.closure import Edge, RepositoryState, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import (
    Added,
    ChangedPackage,
    CheckResult,
    ConfigurationChange,
    FieldChange,
    FileProblem,
    ImageResult,
    JudgedImage,
    ObjectiveResult,
    Side,
)
from bot.model.spec import BuildNote, SpecLine
from bot.model.suggestion import Saving, Suggestion
from bot.report.phrase import (
    code,
    code_span,
    link,
    message,
    name,
    plain,
    prose,
    to_html,
    to_markdown,
    visible,
)
from bot.report.reasons import chains_graph
from bot.report.render import render_check_html, render_comment, status_line
from tests.report.hostile_texts import forge_link

ATTACKS = [
    "@octocat and @org/team",
    "fixes #123, owner/repo#1, GH-7, !12, $3, %4, ~bug, &5, ^alert#1",
    "https://evil.example/x www.evil.example mail@evil.example",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)><script>alert(1)</script><!-- -->",
    "</details></summary><b>bold",
    "`` ` ``` ~~~ ```",
    "a | b \\| c \\\\| d",
    "\\",
    "`",
    "| --- |",
    "*bold* _it_ **x** __y__ ~~z~~",
    "\n\n# heading\n\n/close\n/approve",
    "/close",
    "- [ ] task",
    "1. list",
    "> quote",
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    "deadbeef",
    "\u202eevil\u202c \u200b \x1b[31mred \x00",
    "&lt;b&gt; &#64;octocat &commat;octocat",
    ":smile: $`x`$ $$x$$",
    "%%{init: {}}%% \"] --> n9[\" #quot; end",
    "<https://evil.example> <a@b.example>",
    "[x]: https://evil.example\n[x]",
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "--> --- ===",
    "CVE-2024-1 RHEL-1234",
    "\ud800 lone surrogate",
    "x" * 5000,
    "",
    " ",
]  # fmt: skip

# Links that forges make by themselves are found by forge_links: linkify-it makes more and others.
READER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
# Tags that the report's own texts are made of.
OURS = re.compile(
    r"<details><summary>[A-Za-z ,()0-9]*</summary>|</details>|<!-- minimize:comment -->"
    r"|<sub>|</sub>|<br>"
)
# What forges act upon when it stands in plain text.
REFERENCE = re.compile(
    r"[@#!$%~^&][\w\"]|(?i:\bgh-\d)|\b[0-9a-f]{7,40}\b|https?://|www\.|:[a-z_]+:|\w@\w"
)


def hostile(text):
    """A result in which every foreign text is `text`."""
    key = ImageKey(text or "w", text or "e", text or "r", "x86_64")
    nevra = Nevra(text or "n", 0, text or "1", text or "1", "x86_64")
    other = Nevra(text + "2", 0, "1", "1", "noarch")
    line, package = SpecLine(text, 3, text), Package(nevra, text, text, installed_size=9)
    edge = Edge(other, text, nevra, "requires")
    image = ImageResult(
        key=key,
        snapshot=SnapshotState(text, (RepositoryState(text, text, text, text),)),
        changed=True,
        evidence="rebuilt",
        base=Side("ok", (text,), packages=1, installed_size=10_000_000, known_size=10_000_000),
        head=Side("ok", (text,), packages=2, installed_size=30_000_000, known_size=30_000_000),
        added=(Added(package, False, ((edge,),), line, (line,)),),
        removed=(package,),
        changed_packages=(ChangedPackage(text, text, nevra, other, 5),),
        objectives=(
            ObjectiveResult(
                name=text,
                metric=f"unwanted:{text}",
                before=0,
                value=1,
                limit=0,
                met=False,
                worse=True,
                reason=text,
            ),
        ),
    )
    broken = replace(
        image, key=replace(key, arch="s390x"), head=Side("unsolvable", (text, text)), added=()
    )
    # A commit id is linked on purpose.
    commit = f"{text} x" if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", text) else text
    return CheckResult(
        base=commit,
        head=commit,
        merge_base=commit,
        specs=(text, "other.spec"),
        verdict="failure",
        images=(image, broken),
        suggestions=(Suggestion(line, text, (Saving(key, 1, 5),)),),
        problems=(text,),
        notes=(text, text, text),
        builds=(BuildNote("head", text, text, "head-failed", text, text, 1.0),),
        configuration=ConfigurationChange(
            text,
            "changed",
            fields=(FieldChange(text, text, text), FieldChange(text, None, text)),
            more=(key,),
            fewer=(key,),
            verdict="failure",
            images=(JudgedImage(key, True, image.objectives),),
            notes=(text,),
        ),
    )


def hostile_file(text):
    """The same with a `.minimize.yaml` that is wrong."""
    problem = FileProblem(3, text, text)
    return replace(
        hostile(text), configuration=ConfigurationChange(text, "added", problems=(problem,))
    )


def assert_harmless(markdown):
    """Reads `markdown` as a forge does, and looks at what is active in it."""
    for token in READER.parse(markdown):
        if token.type == "html_block":
            assert OURS.sub("", token.content).strip() == "", token.content
        assert token.type not in ("blockquote_open", "ordered_list_open", "code_block")
        assert forge_link(token.children or ()) is None
        inside_link = False
        for child in token.children or ():
            assert child.type != "image"
            if child.type == "html_inline":
                assert OURS.fullmatch(child.content), child.content
            if child.type == "link_open":
                assert child.attrs["href"].startswith("https://bot/")
            if child.type in ("link_open", "link_close"):
                inside_link = child.type == "link_open"
            if child.type == "text" and not inside_link:
                match = REFERENCE.search(child.content)
                assert match is None, (match, child.content)
    for number, text in enumerate(markdown.splitlines()):
        # GitLab's quick actions, and a heading of somebody else's.
        assert not text.startswith("/")
        assert number == 1 or not text.startswith("#")


def cells(markdown):
    """The number of cells in each row of each table, as the reader splits them."""
    counts, row = [], 0
    for token in READER.parse(markdown):
        if token.type in ("tr_open", "table_open"):
            row = 0
        if token.type in ("th_open", "td_open"):
            row += 1
        if token.type == "tr_close":
            counts.append(row)
    return counts


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_foreign_text_is_active_in_a_comment(attack):
    markdown = render_comment(hostile(attack), page_url="https://bot/checks/1")
    assert_harmless(markdown)
    assert cells(markdown) == cells(render_comment(hostile("x"), page_url="https://bot/checks/1"))
    for result in (hostile(attack), hostile_file(attack)):
        assert_harmless(status_line(result)[1])
    assert_harmless(render_comment(hostile_file(attack)))


foreign = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="`|\\@#<>[]()!*_~&$%^:/.- \n\"'{}aAfw1", max_size=60),
    st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=3).map(" ".join),
)


@settings(max_examples=60, deadline=None)
@given(foreign)
def test_no_text_at_all_is_active_in_a_comment(text):
    markdown = render_comment(hostile(text))
    assert_harmless(markdown)
    assert len(markdown) <= 65_536


@settings(max_examples=300, deadline=None)
@given(foreign)
def test_a_code_span_is_one_whatever_is_in_it(text):
    shown = visible(text) or "x"
    children = READER.parseInline(f"a {code_span(shown)} b")[0].children
    assert [c.type for c in children] == ["text", "code_inline", "text"]
    assert children[1].content == shown


@settings(max_examples=300, deadline=None)
@given(foreign)
def test_a_code_span_stays_in_its_cell(text):
    shown = visible(text) or "x"
    table = f"| a | b |\n|---|---|\n| {code_span(shown, cell=True)} | end |\n"
    inline = [t for t in READER.parse(table) if t.type == "inline"]
    assert [t.content for t in inline if t.content == "end"] == ["end"]
    assert len(inline) == 4
    (span,) = inline[2].children
    assert span.type == "code_inline"
    assert span.content.replace("\N{ZERO WIDTH SPACE}", "") == shown


@settings(max_examples=300, deadline=None)
@given(foreign)
def test_phrases_are_harmless_in_markdown_and_html(text):
    for phrase in (
        *(prose(text), message(text), code(text), plain(text)),
        *(name(text), name(text, strong=True)),
    ):
        if phrase == plain(text) and ("\n" in text or "\r" in text):
            continue  # our own words have no line ends
        children = READER.parseInline(to_markdown(phrase))[0].children
        assert forge_link(children) is None
        for child in children:
            assert child.type not in ("link_open", "image", "html_inline")
        html = str(to_html(phrase))
        assert re.sub(r"</?(?:code|strong)>", "", html).count("<") == 0


@pytest.mark.parametrize("text", ["A.PW", "evil.example", "nginx.spec", "a.b/c", "x:y.z"])
def test_a_bare_domain_is_no_link_on_any_forge_and_stays_as_it_is(text):
    assert to_markdown(plain(text)) == text
    assert forge_link(READER.parseInline(text)[0].children) is None


@pytest.mark.parametrize(
    "text",
    ["www.a.b", "(www.a.b)", "*www.a.b", "ftp://a", "HTTPS://a.b", "git+ssh://a", "a@b.c", "a@-b.c",
     "a@.b", "a@_.b", "A.-+@b.c", "mailto:a@b.c", "xmpp:a@b.c/d", "a&#64;b.c"],
)  # fmt: skip
def test_what_a_forge_would_link_is_found_and_escaped(text):
    assert forge_link(READER.parseInline(text)[0].children) is not None
    assert forge_link(READER.parseInline(to_markdown(plain(text)))[0].children) is None


@pytest.mark.parametrize("text", ["@a", "#1", "!1", "$1", "%1", "~b", "^a", "&1", '&"an epic"'])
def test_references_in_plain_words_mean_nothing(text):
    (shown,) = READER.parseInline(to_markdown(plain(f"x {text}")))[0].children
    assert REFERENCE.search(shown.content) is None


@pytest.mark.parametrize("text", ["javascript:alert(1)", "https://a b", "https://a\">", "ftp://x",
                                  "https://a>x", "//x", "https://\u202ex"])  # fmt: skip
def test_only_plain_http_addresses_become_links(text):
    assert link("log", text) == plain("log")
    assert link("log", "https://bot/logs/1?a=b#c")[0].style == "link"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        (
            "nothing provides perl >= 5 needed by nginx-1:1.26-2.x86_64",
            "nothing provides `perl >= 5` needed by `nginx-1:1.26-2.x86_64`",
        ),
        ("it is off (sysctl kernel.x = 0).", "it is off (sysctl `kernel.x = 0`)."),
        ("(x86_64, aarch64).", "(`x86_64`, `aarch64`)."),
        ("needs libz.so.1()(64bit).", "needs `libz.so.1()(64bit)`."),
        ("30 MB for one script", "30 MB for one script"),
        ("it takes 3.5 MB", "it takes 3.5 MB"),
        ("1. first", "`1`. first"),
        ("ask @octocat", "ask `@octocat`"),
        ("a  b\nc", "a b c"),
    ],
)
def test_a_message_keeps_words_and_quotes_the_rest(text, markdown):
    assert to_markdown(message(text)) == markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("worth 3.5 MB in C++, 100 % sure", "worth 3.5 MB in C++, 100 % sure"),
        ("größer, TCP/IP (x86) no?", "größer, TCP/IP (x86) no?"),
        ("ask @octocat about `x y`: 50%", "ask `@octocat` about `x y`: 50%"),
        ("RHEL-1234 fixes #1, /usr/bin/perl", "`RHEL-1234` fixes `#1`, `/usr/bin/perl`"),
        ("see :smile: !2 %3 deadbeef", "see `:smile`: `!2 %3 deadbeef`"),
    ],
)
def test_prose_stays_but_for_what_a_forge_acts_upon(text, markdown):
    assert to_markdown(prose(text)) == markdown


def test_what_is_not_seen_is_shown_as_a_mark():
    assert visible("a\u202eb\x1b[0m\u200bc") == "a\ufffdb\ufffd[0m\ufffdc"
    assert visible("a \t\r\n b") == "a b"
    assert visible("x" * 500).endswith("…")
    assert len(visible("x" * 500)) == 240


@settings(max_examples=200, deadline=None)
@given(foreign)
def test_a_graph_label_cannot_end_itself(text):
    graph = chains_graph(hostile(text).images[:1])
    for row in graph.splitlines()[1:]:
        assert re.fullmatch(
            r'  (n\d+\["[^"\[\]{}|<>`%;&\\]*(?:#\d+;[^"\[\]{}|<>`%;&\\]*)*"\](:::added)?'
            r'|n\d+ -->\|"[^"\[\]{}|<>`%;&\\]*(?:#\d+;[^"\[\]{}|<>`%;&\\]*)*"\| n\d+'
            r'|s\d+\(\["[^"\[\]{}|<>`%;&\\]*(?:#\d+;[^"\[\]{}|<>`%;&\\]*)*"\]\):::line'
            r"|s\d+ -\.-> n\d+|classDef (added|line) fill:[#a-z0-9,:]+)",
            row,
        ), row


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_foreign_text_is_active_in_the_page(attack):
    html = str(render_check_html(hostile(attack)))
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z!][^\s/>]*)", html))
    assert tags <= {
        "article", "h2", "h3", "p", "section", "details", "summary", "table", "thead", "tbody",
        "tr", "th", "td", "ul", "li", "code", "strong", "pre", "footer", "a", "div",
    }  # fmt: skip
    assert "onerror=" not in re.sub(r">[^<]*<", "><", html)
