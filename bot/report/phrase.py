"""Phrases: text with foreign parts in it, rendered for Markdown, HTML and terminals.

A phrase is a tuple of pieces. Only text of our own is `plain`; text from a change, a repository or
a document is `code`, `name`, `prose` or `message`, so that no renderer has to guess what may be
trusted. The renderers escape every piece all the same; nowhere else does text become markup.
Sentences are templates (bot.report.template).

Markdown is GitHub's and GitLab's: CommonMark with tables and autolinks, and references that a forge
links or acts on (`@name`, `#1`, `!1`, commit ids, GitLab's `/commands` at line starts).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bot.errors import in_backticks

if TYPE_CHECKING:
    from markupsafe import Markup

# Characters; longer texts are truncated with an ellipsis.
_LONGEST = 240
# Names that are written without quotes: `minimal`, `nginx`, `python3`, `centos-stream-9`.
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
# Forges link seven and more hexadecimal digits to a commit, and `GH-1` to an issue: also where a
# bracket, a quotation mark or a dash stands beside them.
_REFERENCE = re.compile(r"(?i)(?<![0-9a-z])[0-9a-f]{7,}(?![0-9a-z])|(?<![0-9a-z])gh-\d")
# Verbatim parts in backticks, and the marks around such.
_SPAN = re.compile(r"(?<![^\s(\"'])`([^`]+)`(?=[\s.,;:!?)\"']|$)")
_CLOSING = re.compile(r"[.,;:!?)\"']+(?= |$)")
_OPENING = re.compile(r"(?:^|(?<= ))[(\"']+$")
# Words of a program: letters and small numbers, with ordinary punctuation around.
_WORD = re.compile(
    r"[(\"'\u201c]?[A-Za-z]+(?:['\u2019-][A-Za-z]+)*(?:[.,;!?]?[)\"'\u201d]?[.,;:!?]?)"
)
_NUMBER = re.compile(r"\(?\d{1,6}(?:\.\d{1,3})?[)]?[.,;:]?")
_COMPARISON = frozenset({"<", "<=", "=", ">=", ">"})
# Words of people: letters and digits of any script, and marks that mean nothing to a forge where
# they stand: no address, no emoji, no `%milestone`, no key of an issue tracker.
_MARKS = frozenset(".,;:!?()'\"-+%/\u2013\u2014\u2018\u2019\u201c\u201d\u2026")
_ACTIVE = re.compile(r"[:%!](?=[^\s.,;:!?)\"'])|^/|(?i:www\.)|(?<![0-9A-Za-z])[A-Z][A-Z0-9]+-\d")

# Rendering.
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


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a phrase; only a `link` has a `url`, absolute http(s).

    A `figure` is a number and its unit, which stay on one line.
    """

    style: Literal["plain", "figure", "code", "strong", "strong-figure", "strong-code", "link"]
    text: str
    url: str = ""


Phrase = tuple[Piece, ...]


def visible(text: str, longest: int = _LONGEST) -> str:
    """Return `text` on one line, without invisible characters, truncated after `longest`.

    White space becomes single spaces. Control, format (text direction, zero width), surrogate,
    private and unassigned characters become U+FFFD: they can hide or reorder what is shown.
    """
    line = printable(" ".join(text.split()))
    return line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def printable(text: str) -> str:
    """Return `text` with U+FFFD for invisible characters; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def printable_html(value: object) -> object:
    """Return a value as an HTML template prints it: without invisible characters, then escaped.

    Markup stays: it was made of such text.
    """
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value)
    return value


def plain(text: str) -> Phrase:
    """Our own words."""
    return (Piece("plain", text),)


def figure(text: str, *, strong: bool = False) -> Phrase:
    """A number with its unit, or a range of such, as bot.report.sizes writes them."""
    return (Piece("strong-figure" if strong else "figure", text),)


def code(text: str, *, strong: bool = False) -> Phrase:
    """A foreign text, verbatim: a capability, a package, a line of a spec file, a path."""
    return (Piece("strong-code" if strong else "code", visible(text) or "(empty)"),)


def name(text: str, *, strong: bool = False) -> Phrase:
    """A foreign name: as a word where it is a simple one, otherwise as code."""
    simple = _NAME.fullmatch(text) is not None and _REFERENCE.search(text) is None
    if strong:
        return (Piece("strong" if simple else "strong-code", visible(text) or "(empty)"),)
    return plain(visible(text)) if simple else code(text)


def strong(text: str) -> Phrase:
    """Our own words, with emphasis."""
    return (Piece("strong", text),)


def link(text: str, url: str) -> Phrase:
    """A link where `url` is absolute http(s), otherwise `text` alone."""
    safe = re.fullmatch(r"https?://[^\s<>\"'`\\^{}|\x00-\x1f\x7f-\U0010ffff]+", url)
    return (Piece("link", text, url),) if safe else plain(text)


def prose(text: str, longest: int = 1000) -> Phrase:
    """Return a text that a person wrote: a reason, a title.

    Words stay. What a forge could act on (mentions, references, addresses, markup) becomes code,
    neighbours together. Text between backticks becomes code without them.
    """
    return _spans(visible(text, longest), _is_prose)


def message(text: str, longest: int = 1000) -> Phrase:
    """Return a sentence of a program (a solver, rpm, a host, our own errors).

    Ordinary words and small numbers stay; everything else becomes code, neighbours together. Text
    between backticks becomes code without them.
    """
    return _spans(visible(text, longest), _is_word)


def _spans(text: str, is_word: Callable[[str], bool]) -> Phrase:
    together: list[Piece] = []
    for index, part in enumerate(_SPAN.split(text)):
        if index % 2:
            together.append(Piece("code", part))
            continue
        closing = _CLOSING.match(part) if index else None
        start = closing.end() if closing else 0
        opening = _OPENING.search(part, start)
        end = opening.start() if opening else len(part)
        before, after = Piece("plain", part[:start]), Piece("plain", part[end:])
        together += [before, *_words(part[start:end], is_word), after]
    return tuple(piece for piece in together if piece.text)


def _words(text: str, is_word: Callable[[str], bool]) -> list[Piece]:
    """The pieces of a text without code spans."""
    pieces: list[Piece] = []
    tokens = text.split(" ")
    for index, token in enumerate(tokens):
        neighbours = tokens[max(index - 1, 0) : index + 2]
        compared = any(neighbour in _COMPARISON for neighbour in neighbours)
        # A number with a mark after it would start a list.
        listed = index == 0 and not token.isdigit() and _NUMBER.fullmatch(token) is not None
        ordinary = is_word(token) and not compared and not listed
        before, core, after = (token, "", "") if ordinary else _core(token)
        _append(pieces, Piece("plain", (" " if index else "") + before))
        _append(pieces, Piece("code", core))
        _append(pieces, Piece("plain", after))
    return pieces


def joined(phrases: Iterable[Phrase], separator: str, last: str | None = None) -> Phrase:
    """`phrases` with our own `separator` between them, `last` before the last one."""
    listed = list(phrases)
    together: list[Piece] = []
    for index, phrase in enumerate(listed):
        if index:
            is_last = index == len(listed) - 1 and last is not None
            together.append(Piece("plain", last if is_last and last is not None else separator))
        together.extend(phrase)
    return tuple(together)


def listing(phrases: Iterable[Phrase]) -> Phrase:
    """`a`, `a and b`, `a, b and c`."""
    return joined(phrases, ", ", " and ")


def capitalised(phrase: Phrase) -> Phrase:
    """Return a phrase with its first own word capitalised."""
    if not phrase or phrase[0].style != "plain":
        return phrase
    first, *others = phrase
    return (replace(first, text=first.text[:1].upper() + first.text[1:]), *others)


def to_plain(phrase: Phrase) -> str:
    """Return the phrase without markup: for our own words, or where code is marked otherwise."""
    return "".join(piece.text for piece in phrase)


def to_line(phrase: Phrase) -> str:
    """Return the phrase without markup on one line of a terminal, at most 1,000 characters."""
    return visible(to_plain(phrase), 1000)


def to_text(phrase: Phrase) -> str:
    """Return the phrase as plain text, such as a title: code in backticks, nothing else marked.

    So foreign text is marked there too, and `message` can read the text back.
    """
    return "".join(
        in_backticks(piece.text) if piece.style.endswith("code") else piece.text for piece in phrase
    )


def shortened(text: str, longest: int) -> str:
    """Return a plain text of at most `longest` characters without an open backtick."""
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    if cut.count("`") % 2:
        cut = cut[:-1]
        cut += "`" if cut.count("`") % 2 else ""
    return f"{cut}\N{HORIZONTAL ELLIPSIS}"


def _core(token: str) -> tuple[str, str, str]:
    """Return opening marks, text and closing marks; brackets that belong to the text stay in it."""
    core = token.lstrip("\"'")
    while core.startswith("(") and core.count("(") > core.count(")"):
        core = core[1:]
    before = token[: len(token) - len(core)]
    whole = core
    while core and (
        core[-1] in ".,;:!?\"'" or (core[-1] == ")" and core.count(")") > core.count("("))
    ):
        core = core[:-1]
    return (before, core, whole[len(core) :]) if core else ("", token, "")


def _append(pieces: list[Piece], piece: Piece) -> None:
    """Append `piece`; a space between two codes is put into them, so that they become one."""
    if not piece.text:
        return
    styles = [previous.style for previous in pieces[-2:]] + [piece.style]
    if styles == ["code", "plain", "code"] and pieces[-1].text == " ":
        pieces[-2:] = [Piece("code", f"{pieces[-2].text} {piece.text}")]
    elif pieces and pieces[-1].style == "plain" == piece.style:
        pieces[-1] = Piece("plain", pieces[-1].text + piece.text)
    else:
        pieces.append(piece)


def _is_word(text: str) -> bool:
    """Return whether a token of a program's sentence is an ordinary word or a small number."""
    if text == "%" or _NUMBER.fullmatch(text):
        return True
    return _WORD.fullmatch(text) is not None and _REFERENCE.search(text) is None


def _is_prose(token: str) -> bool:
    """Return whether no forge gives a meaning to a token of a person's text."""
    ordinary = all(c.isalnum() or c in _MARKS for c in token)
    return ordinary and not _ACTIVE.search(token) and not _REFERENCE.search(token)


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
    from markupsafe import Markup

    return Markup("").join(_piece_html(piece) for piece in phrase)


def code_span(text: str, *, cell: bool = False) -> Markdown:
    """Return `text` as a code span that no back-tick in it can end.

    In a table cell a bar must be written `\\|`, in code too (GFM, 4.10); parsers differ on
    `\\\\|`, so a backslash before it is separated from it by a zero-width space.
    """
    # Foreign text must not match a search for our hidden markers.
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
    """Return text escaped so that nothing in it is markup, a mention, a reference or an address."""
    return _SPECIAL.sub(_escape_match, text)


def _escape_match(match: re.Match[str]) -> str:
    text = match[0]
    entity = _ENTITIES.get(text, text)
    if match.lastgroup is not None:
        return entity + _ZERO_WIDTH
    if text in _ENTITIES:
        return entity
    return text if text in "%@#:!^$" or len(text) > 1 else f"\\{text}"


def _piece_html(piece: Piece) -> Markup:
    from markupsafe import Markup, escape

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
