"""Phrases as Markdown and as HTML: the only module in which text becomes markup.

Markdown is GitHub's and GitLab's: CommonMark with tables and autolinks, and references that a
forge links or acts upon (`@name`, `#1`, `!1`, commit ids, GitLab's `/commands` at line starts).
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from bot.report.phrase import Phrase, Piece

_ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"
_SPECIAL = re.compile(
    r"[\\|<>*\[\]`]"
    r"|[~!$^%@#&](?P<sigil>(?=\w|\"))?"  # what forges read as a reference
    # Forges link `www.`, any scheme before `://`, and e-mail addresses; never a bare domain. After
    # an `@` cmark-gfm takes hyphens and periods for the beginning of a domain as well.
    r"|(?<=@)(?P<domain>(?=[-.]))|:(?P<address>(?=//))|www(?P<host>(?=\.))"
    # An underscore between letters or digits is never emphasis (x86_64).
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_ENTITIES = {"\\": "&#92;", "|": "&#124;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINE_START = re.compile(r"^(?:([-+=/])|(\d+)([.)]))")


class Markdown(str):
    """Text that is Markdown already; the template turns any other string into a code span."""

    __slots__ = ()


def to_markdown(phrase: Phrase, *, cell: bool = False) -> Markdown:
    """`phrase` as one line of Markdown, for a table's cell if `cell`."""
    text = "".join(_piece_markdown(piece, cell) for piece in phrase)
    if not cell:
        text = _LINE_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", text)
    return Markdown(text)


def to_html(phrase: Phrase) -> Markup:
    """`phrase` as HTML."""
    return Markup("").join(_piece_html(piece) for piece in phrase)


def code_span(text: str, *, cell: bool = False) -> Markdown:
    """`text` as a code span that no back-tick in it can end.

    In a cell of a table a bar must be written `\\|`, in code too (GFM, 4.10); parsers differ on
    `\\\\|`, so a backslash before it is separated from it by a zero-width space.
    """
    # No foreign text may be found by a search for one of our hidden markers.
    text = text.replace("<!-- minimize", f"<!{_ZERO_WIDTH}-- minimize")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    if cell:
        text = text.replace("\\|", f"\\{_ZERO_WIDTH}|").replace("|", "\\|")
    return Markdown(f"{fence}{pad}{text}{pad}{fence}")


def _piece_markdown(piece: Piece, cell: bool) -> str:
    if piece.style == "code":
        return code_span(piece.text, cell=cell)
    if piece.style == "strong-code":
        return f"**{code_span(piece.text, cell=cell)}**"
    text = _escaped(piece.text)
    if cell and piece.style.endswith("figure"):
        # A figure and its unit stay on one line in narrow columns.
        text = "\N{NO-BREAK SPACE}".join(text.rsplit(" ", 1))
    if piece.style.startswith("strong"):
        return f"**{text}**"
    if piece.style == "link":
        return f"[{text}](<{piece.url}>)"
    return text


def _escaped(text: str) -> str:
    """Text escaped so that nothing in it is markup, a mention, a reference or an address."""
    return _SPECIAL.sub(_escape_match, text)


def _escape_match(match: re.Match[str]) -> str:
    found = match[0]
    shown = _ENTITIES.get(found, found)
    if match.lastgroup is not None:
        return shown + _ZERO_WIDTH
    if found in _ENTITIES:
        return shown
    return found if found in "%@#:!^$" or len(found) > 1 else f"\\{found}"


def _piece_html(piece: Piece) -> Markup:
    text = escape(piece.text)
    if piece.style == "code":
        return Markup("<code>{}</code>").format(text)
    if piece.style == "strong-code":
        return Markup("<strong><code>{}</code></strong>").format(text)
    if piece.style.startswith("strong"):
        return Markup("<strong>{}</strong>").format(text)
    if piece.style == "link":
        return Markup('<a href="{}">{}</a>').format(piece.url, text)
    return text
