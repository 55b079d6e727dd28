"""The lines of a comment that a reader sees as its own words: no quotes, code, tables or HTML.

Read as CommonMark with what both forges add to it (markdown-it-py), not by matching lines: a fence
may be unclosed, a quote may go on lazily, a comment may span lines, and only a parser knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# GitLab takes comments of a million characters; a parser may need minutes for what is made to be
# slow. Commands beyond this are answered with an error.
LONGEST_COMMENT = 100_000
# Blocks whose lines are not commands. `>>>` alone on a line fences a quote on GitLab; elsewhere it
# is an empty quote, and whoever writes it means one.
_HIDING = frozenset({"blockquote", "container_quote", "table", "footnote"})


def spoken_lines(comment: str, word: str) -> Iterator[str]:
    """Each line of `comment` that begins with `word` (in any case), as its reader sees it.

    Only lines of paragraphs (also those that an underline makes a heading, as under a mail's
    signature), outside of quotes, tables and footnotes. Code spans in a line are its words; HTML
    comments are left out. Of a comment that is longer than LONGEST_COMMENT only the whole lines
    within that are read.
    """
    if word not in comment.lower():
        return
    text, _ = _halves(comment)
    source = text.split("\n")
    hidden = 0
    spoken = False
    for token in _parser().parse(text):
        kind, _, way = token.type.rpartition("_")
        if kind in _HIDING:
            hidden += {"open": 1, "close": -1}.get(way, 0)
        elif token.type == "heading_open":
            spoken = token.markup in ("-", "=")
        elif token.type == "paragraph_open":
            spoken = True
        elif way == "close":
            spoken = False
        elif token.type == "inline" and spoken and not hidden:
            first = source[token.map[0]] if token.map else ""
            # The mark of a list before it: a list of commands is a description of them.
            listed = not first.lstrip().lower().startswith(word)
            yield from _lines(token.children or [], word, skip_first=listed)


def goes_on_unread(comment: str, word: str) -> bool:
    """Return whether a line that begins with `word` stands where a comment is too long to be
    read."""
    begins = re.compile(rf"^[^\S\n]*{re.escape(word)}(?!\S)", re.IGNORECASE | re.MULTILINE)
    return begins.search(_halves(comment)[1]) is not None


def _halves(comment: str) -> tuple[str, str]:
    """Split a comment at LONGEST_COMMENT, at a line end: the part that is read, and the rest."""
    text = comment.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) <= LONGEST_COMMENT:
        return text, ""
    end = text.rfind("\n", 0, LONGEST_COMMENT) + 1
    return text[:end], text[end:]


def _lines(children: list[Token], word: str, *, skip_first: bool) -> Iterator[str]:
    """The lines of one paragraph that begin with `word` as plain text."""
    line: list[str] = []
    plain_start = True
    skip = skip_first
    for token in (*children, None):
        if token is None or token.type in ("softbreak", "hardbreak"):
            text = "".join(line).strip()
            if plain_start and not skip and text.lower().split(maxsplit=1)[:1] == [word]:
                yield text
            line, plain_start, skip = [], True, False
            continue
        if not line:
            # An emphasis, a link or a code span does not begin with the word, it is around it.
            plain_start = token.type == "text" and token.level == 0
            if plain_start and not token.content.lstrip():
                continue
        line.append(_text(token))


def _text(token: Token) -> str:
    if token.type in ("text", "code_inline"):
        return token.content
    if token.type == "html_inline":
        return "" if token.content.startswith("<!--") else token.content
    if token.type in ("em_open", "em_close", "strong_open", "strong_close"):
        # The source text: emphasis marks belong to a command line.
        return token.markup
    return token.content if token.type == "image" else ""


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.container import container_plugin
    from mdit_py_plugins.footnote import footnote_plugin

    parser = MarkdownIt("commonmark").enable("table").use(footnote_plugin, inline=False)
    return parser.use(
        container_plugin, "quote", marker=">", validate=lambda text, _: not text.strip()
    )
