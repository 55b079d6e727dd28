"""Parsing a comment into commands, or into errors that name the missing word.

Only lines that a reader sees as the comment's own words count: no quotes, code, tables or HTML.
They are read as CommonMark with the extensions of both forges (markdown-it-py), not by matching
lines: a fence may be unclosed, a quote may continue lazily, a comment may span lines, and only a
parser recognises that.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bot import limits
from bot.chat.commands import COMMANDS, WORD, Argument, Command, Name, Option
from bot.report.phrase import Phrase, to_text
from bot.report.template import Sentences

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

say = Sentences(Path(__file__).with_name("sentences.toml"))
# Blocks whose lines are not commands: `>>>` alone on a line starts a quote on GitLab; elsewhere it
# is an empty quote, and its author means a quote.
_HIDING = frozenset({"blockquote", "container_quote", "table", "footnote"})


def spoken_lines(comment: str, word: str) -> Iterator[str]:
    """Yield each line of `comment` that begins with `word` (in any case), as its reader sees it.

    Only lines of paragraphs (also those that an underline makes a heading, as under a mail's
    signature), outside of quotes, tables and footnotes. Code spans in a line are part of it; HTML
    comments are left out. Of a comment that exceeds its limit only the whole lines within that are
    read.
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
            # After the mark of a list: a list of commands describes them.
            listed = not first.lstrip().lower().startswith(word)
            yield from _lines(token.children or [], word, skip_first=listed)


def goes_on_unread(comment: str, word: str) -> bool:
    """Return whether a line that begins with `word` is beyond the limit of a comment."""
    begins = re.compile(rf"^[^\S\n]*{re.escape(word)}(?!\S)", re.IGNORECASE | re.MULTILINE)
    return begins.search(_halves(comment)[1]) is not None


def _halves(comment: str) -> tuple[str, str]:
    """Split a comment at its limit, at a line end: the part that is read, and the rest."""
    text = comment.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) <= limits.COMMENT:
        return text, ""
    end = text.rfind("\n", 0, limits.COMMENT) + 1
    return text[:end], text[end:]


def _lines(children: list[Token], word: str, *, skip_first: bool) -> Iterator[str]:
    """Yield the lines of one paragraph that begin with `word`, as plain text."""
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
            # Emphasis, a link or a code span does not begin with the word: it is around it.
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


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed command.

    `values` are its arguments and options by their names. `text` is the line as written, with
    single spaces, `/minimize` and the command in lower case; equal texts are equal commands.
    """

    name: Name
    text: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def command(self) -> Command:
        """The command's row in the table."""
        return COMMANDS[self.name]

    def one(self, name: str) -> str | None:
        """Return the value of the argument or option `name`, or None."""
        values = self.values.get(name, ())
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A line that begins with `/minimize` and cannot be parsed; `problem` is a sentence.

    `command` is the one that it seems to be, for its usage; null if it names none. `beside` is true
    if not the line is wrong but the comment has too many or too much.
    """

    text: str
    problem: str
    command: Command | None = None
    beside: bool = False


ParsedCommand = Question | NotUnderstood


# Characters that keyboards and word processors insert for dashes, hyphens and quotes.
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011", "-"))
_QUOTES = {
    '"': '"',
    "'": "'",
    "\u201c": "\u201d\u201c",
    "\u201d": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u2018": "\u2019\u2018",
    "\u2019": "\u2019",
    "\u201a": "\u2018\u2019",
    "\u00ab": "\u00bb",
}


class _UnclearError(Exception):
    """The error in a line, as a sentence for its author."""

    def __init__(self, sentence: Phrase) -> None:
        super().__init__(to_text(sentence))


def parse_comment(comment: str) -> tuple[ParsedCommand, ...]:
    """Return the commands in `comment`, in order; equal lines count once.

    If there are more commands or characters than the limits allow, the last one is an error about
    them.
    """
    parsed: dict[str, ParsedCommand] = {}
    for line in spoken_lines(comment, WORD):
        text = _normalised(line)
        if text in parsed:
            continue
        if len(parsed) == limits.COMMENT_COMMANDS:
            problem = to_text(say.too_many(most=limits.COMMENT_COMMANDS))
            parsed[text] = NotUnderstood(text, problem, beside=True)
            break
        parsed[text] = parse_line(text)
    else:
        if goes_on_unread(comment, WORD):
            problem = to_text(say.too_long_comment(most=f"{limits.COMMENT:,}", word=WORD))
            parsed.setdefault(WORD, NotUnderstood(WORD, problem, beside=True))
    return tuple(parsed.values())


def parse_line(line: str) -> ParsedCommand:
    """Parse a line that begins with `/minimize`; this word and the command may be in any case."""
    text = _normalised(line)
    words = text.split(" ")[1:]
    if not words:
        return NotUnderstood(text, to_text(say.no_command(word=WORD)))
    command = COMMANDS.get(words[0])
    if command is None:
        problem = say.unknown_command(command=words[0], near=_nearest(words[0], COMMANDS))
        return NotUnderstood(text, to_text(problem))
    try:
        return Question(command.name, text, _values(command, text, words[1:]))
    except _UnclearError as unclear:
        return NotUnderstood(text, str(unclear), command)


def _normalised(line: str) -> str:
    """Return the line with single spaces, its first two words lower-case and with plain dashes."""
    words = line.split()
    first = (word.lower().translate(_HYPHENS) for word in words[:2])
    return " ".join([*first, *words[2:]])


def command_key(comment: str, parsed: ParsedCommand) -> str:
    """Return the id of one command of one comment, the same for each delivery of it."""
    return hashlib.sha256(f"{comment}\0{parsed.text}".encode()).hexdigest()[:16]


def _values(command: Command, text: str, words: list[str]) -> dict[str, tuple[str, ...]]:
    if len(text) > limits.COMMENT_LINE:
        raise _UnclearError(say.too_long_line(most=limits.COMMENT_LINE))
    # Free text may have anything in it; no capability begins with a dash.
    last = command.arguments[-1] if command.arguments else None
    values: dict[str, tuple[str, ...]] = {}
    if last is None or last.takes != "rest":
        words = _take_options(command, words, values)
        if any(len(word) > limits.COMMENT_WORD for word in words):
            raise _UnclearError(say.too_long_word(most=limits.COMMENT_WORD))
    for index, argument in enumerate(command.arguments):
        words = _take(argument, words, values, command.arguments[index + 1 :])
    if words:
        raise _UnclearError(say.word_too_many(word=words[0]))
    return values


def _unquoted(text: str) -> str:
    """A word without the quotes around it."""
    closing = _QUOTES.get(text[:1], "")
    return text[1:-1] if len(text) > 2 and text[-1] in closing else text


def _take_options(
    command: Command, words: list[str], values: dict[str, tuple[str, ...]]
) -> list[str]:
    """Move options to `values`; return the words that are left."""
    operands: list[str] = []
    options = {option.flag: option for option in command.options}
    remaining = iter(words)
    for word in remaining:
        if word[0] not in _DASHES:
            operands.append(_unquoted(word))
            continue
        flag, equals, value = word.partition("=")
        flag = "--" + flag.lstrip(_DASHES)
        option = options.get(flag)
        if option is None:
            known = ", ".join(options)
            raise _UnclearError(
                say.unknown_option(option=flag, command=command.name, options=known)
            )
        value = _unquoted(value if equals else next(remaining, ""))
        if not value:
            raise _UnclearError(say.no_value(option=flag))
        if option.choices and value not in option.choices:
            raise _UnclearError(_no_choice(option, value))
        values[flag] = (*values.get(flag, ()), value)
    return operands


def _no_choice(option: Option, value: str) -> Phrase:
    return say.no_choice(
        option=option.flag,
        choices=", ".join((*option.choices[:4], *("..." for _ in option.choices[4:5]))),
        value=value,
        near=_nearest(value, option.choices),
    )


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most similar; empty if there is none."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "")


def _take(
    argument: Argument,
    words: list[str],
    values: dict[str, tuple[str, ...]],
    later: tuple[Argument, ...],
) -> list[str]:
    """Move the words of one argument to `values`; return the words that are left."""
    if argument.keyword:
        if not words or words[0].lower() != argument.keyword:
            if argument.optional:
                return words
            raise _UnclearError(say.no_word(word=argument.keyword))
        words = words[1:]
    if argument.takes == "words":
        keywords = {argument_.keyword for argument_ in later if argument_.keyword}
        end = next((n for n, word in enumerate(words) if word.lower() in keywords), len(words))
        words_of, words = words[:end], words[end:]
    elif argument.takes == "rest":
        end = _end_of_rest(words, later)
        words_of, words = words[:end], words[end:]
        # A reason stays as written; a capability loses its quotes.
        text = " ".join(words_of)
        words_of = [_unquoted(text) if later else text] if words_of else []
    else:
        words_of, words = [_unquoted(word) for word in words[:1]], words[1:]
    if words_of:
        values[argument.name] = tuple(words_of)
    elif not argument.optional or argument.keyword:
        raise _UnclearError(say.no_argument(argument=argument.name))
    return words


def _end_of_rest(words: list[str], later: tuple[Argument, ...]) -> int:
    """Return the index of the last word that begins a later argument, else the number of words."""
    for argument in later:
        for index in range(len(words) - 1, 0, -1):
            if words[index].lower() == argument.keyword:
                return index
    return len(words)


# Among the first lines of each of our comments; see bot.report.COMMENT_MARKER.
_OURS = re.compile(r"^<!-- /?minimize[:\w -]*-->", re.MULTILINE)
_FIRST = 2_000


def answer_marker(asker: str, lines: Iterable[str]) -> str:
    """Return the marker of the answer to these lines of a user, the same for equal lines."""
    questions = sorted(" ".join(line.split()) for line in lines)
    exact = hashlib.sha256("\0".join((asker, *questions)).encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9]", "", asker)[:40]
    return f"<!-- minimize:answer {readable} {exact} -->"


def is_ours(body: str) -> bool:
    """Return whether a comment looks like one of our own, in which there are no commands.

    With a token we are an ordinary user, and the forge does not mark our comments as a bot's.
    """
    return _OURS.search(body[:_FIRST]) is not None
