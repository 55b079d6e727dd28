"""The lines of a comment that a reader sees as its own words: no quotes, code or HTML.

Read as CommonMark (markdown-it-py), not by matching lines: a fence may be unclosed, a quote may
go on lazily, a comment may span lines, and only a parser knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# Forges take comments of up to a million characters (GitLab); nobody writes commands beyond this.
_LONGEST = 100_000


def spoken_lines(comment: str, word: str) -> Iterator[str]:
    """Each line of `comment` that begins with `word` (in any case), as its reader sees it.

    Only lines of paragraphs (also those that an underline makes a heading, as under a mail's
    signature), outside of quotes. Code spans in a line are its words; HTML comments are not there.
    """
    if word not in comment.lower():
        return
    text = comment[:_LONGEST].replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    source = text.split("\n")
    quoted = 0
    spoken = False
    for token in _parser().parse(text):
        if token.type == "blockquote_open":
            quoted += 1
        elif token.type == "blockquote_close":
            quoted -= 1
        elif token.type == "heading_open":
            spoken = token.markup in ("-", "=")
        elif token.type == "paragraph_open":
            spoken = True
        elif token.type == "inline" and spoken and not quoted:
            first = source[token.map[0]] if token.map else ""
            # The mark of a list before it: a list of commands is a description of them.
            listed = not first.lstrip().lower().startswith(word)
            yield from _lines(token.children or [], word, skip_first=listed)


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
        # What was written: the marks belong to a text that is no prose.
        return token.markup
    return token.content if token.type == "image" else ""


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")
