"""Shell text as commands, with the line of each word; nothing is run.

Quotes, variables with a known value, lists and pipes are read by the shell's grammar (POSIX, XCU
2). A word with any other expansion is unknown, and a command in `if`, a loop or `case`, or after `

`, is conditional. (bashlex reads more, and is under the GPL.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot import limits

_OPERATOR = re.compile(r"&&|\|\||;;|>>|<<-?|>&|<&|&>|[;&|()<>\n]")
_VARIABLE = re.compile(
    r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::?(?P<operator>[-+])(?P<other>[\w.*+@/=: -]*))?\})"
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPENING = {"if", "for", "while", "until", "case", "select"}
_CLOSING = {"fi", "done", "esac"}
_BETWEEN = {"then", "do", "else", "elif", "{", "}", "!"}
# Commands that only run their arguments.
_PREFIXES = {"sudo", "exec", "env", "time", "command"}
_TESTS = {"[", "[[", "test"}
_DIRECTIONS = {"<", ">", ">>", ">&", "<&", "&>", "<<", "<<-"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word as the command receives it, and its line; `known` is false if only a run can tell."""

    text: str
    line: int
    known: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command; `conditional` if another command's outcome decides whether it runs."""

    words: tuple[Word, ...]
    conditional: bool

    @property
    def name(self) -> str:
        """The command's name, without directories."""
        return self.words[0].text.rpartition("/")[2]


@dataclass(slots=True)
class _Token:
    """An operator, or the pieces of a word: text, and whether it is quoted."""

    line: int
    operator: str = ""
    pieces: list[tuple[str, bool]] = field(default_factory=list)
    known: bool = True
    bare: bool = True


def read_commands(text: str, values: Mapping[str, str], first_line: int = 1) -> list[Command]:
    """Return the simple commands of a shell text, in order; `values` are its variables' values.

    Lines that end in a backslash continue in the next one. Assignments define values for later
    words.
    """
    variables = dict(values)
    commands: list[Command] = []
    depth = 0
    previous = ""
    for tokens, operator in _simple_commands(_tokens(text, first_line)):
        words = [word for token in tokens for word in _words(token, variables)]
        bare = [token.bare for token in tokens for _ in _words(token, variables)]
        while words and bare[0] and words[0].text in _OPENING | _CLOSING | _BETWEEN:
            if words[0].text in _OPENING:
                depth += 1
                # `for x in a b`: the words are no command.
                if words[0].text in ("for", "case", "select"):
                    words, bare = [], []
                    break
            elif words[0].text in _CLOSING:
                depth = max(0, depth - 1)
            words, bare = words[1:], bare[1:]
        while words and (_ASSIGNMENT.match(words[0].text) or words[0].text in _PREFIXES):
            name, is_set, value = words[0].text.partition("=")
            if is_set and len(words) == 1 and words[0].known and not depth and previous != "||":
                variables[name] = value
            elif is_set and len(words) == 1:
                variables.pop(name, None)
            words = words[1:]
        if words:
            is_tested = previous == "&&" and bool(commands) and commands[-1].name in _TESTS
            commands.append(Command(tuple(words), depth > 0 or previous == "||" or is_tested))
        previous = operator
    return commands


def _simple_commands(tokens: Iterator[_Token]) -> Iterator[tuple[list[_Token], str]]:
    """Yield the words between operators, without redirections, and the operator after them."""
    words: list[_Token] = []
    directed = False
    for token in tokens:
        if token.operator in _DIRECTIONS:
            directed = True
            # `2>`: the number is the descriptor's.
            if words and len(words[-1].pieces) == 1 and words[-1].pieces[0][0].isdigit():
                words.pop()
        elif token.operator:
            yield words, token.operator
            words, directed = [], False
        elif directed:
            directed = False
        else:
            words.append(token)
    yield words, ""


def _words(token: _Token, variables: Mapping[str, str]) -> Iterator[Word]:
    """Yield the words of a token: an unquoted variable may be several, or none."""
    parts = [""]
    known = token.known
    solid = False
    for text, quoted in token.pieces:
        expanded, sure = _expand(text, variables) if text != "\0" else ("", False)
        known = known and sure
        solid = solid or quoted or not text.startswith("$")
        if quoted or "$" not in text:
            parts[-1] += expanded
        else:
            first, *rest = re.split(r"\s+", expanded)
            parts[-1] += first
            parts += rest
    for part in parts:
        if part or solid or not known:
            yield Word(part, token.line, known)


def _expand(text: str, variables: Mapping[str, str]) -> tuple[str, bool]:
    """Return a piece with its variables' values, and whether all are known; `\\$` is a dollar."""
    known = True
    length = 0

    def value(match: re.Match[str]) -> str:
        nonlocal known, length
        content = known_value(match) if length <= limits.REQUEST_VALUE else None
        known = known and content is not None
        length += len(content or "")
        return content or ""

    def known_value(match: re.Match[str]) -> str | None:
        name = match["plain"] or match["name"]
        operator, alternative = match["operator"], match["other"]
        if operator == "+":
            return (alternative or "") if variables.get(name) else ""
        if name in variables and (variables[name] or operator is None):
            return variables[name]
        return (alternative or "") if operator == "-" else None

    expansion = _VARIABLE.sub(value, text)
    # Values in values could grow without limit.
    if length > limits.REQUEST_VALUE:
        return "", False
    return expansion.replace("\1", "$"), known and "$" not in expansion


def _tokens(text: str, line: int) -> Iterator[_Token]:
    """Yield the operators and words of a text; `\\1` stands for a dollar without a variable."""
    position, word = 0, None
    while position < len(text):
        char = text[position]
        operator = _OPERATOR.match(text, position)
        if text.startswith("\\\n", position):
            line, position = line + 1, position + 2
            continue
        if operator is not None or char.isspace():
            if word is not None:
                yield word
                word = None
            if operator is not None:
                yield _Token(line, ";" if char == "\n" else operator[0])
            line += char == "\n"
            position += len(operator[0]) if operator is not None else 1
            continue
        if char == "#" and word is None:
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
            continue
        word = word or _Token(line)
        position, line = _piece(text, position, line, word)
    if word is not None:
        yield word


def _piece(text: str, position: int, line: int, word: _Token) -> tuple[int, int]:
    """Read one piece of a word; return where the next one begins, and its line."""
    char = text[position]
    if char == "'":
        end = text.find("'", position + 1)
        word.known &= end >= 0
        end = len(text) if end < 0 else end
        word.pieces.append((text[position + 1 : end].replace("$", "\1"), True))
        word.bare = False
        return end + 1, line + text.count("\n", position, end)
    if char == '"':
        return _quoted(text, position + 1, line, word)
    if char == "\\":
        word.pieces.append((text[position + 1 : position + 2].replace("$", "\1"), True))
        word.bare = False
        return position + 2, line
    if char == "`" or text.startswith("$(", position):
        end = _substitution_end(text, position)
        word.pieces.append(("\0", False))
        word.known = False
        return end, line + text.count("\n", position, end)
    if char == "$":
        match = _VARIABLE.match(text, position)
        end = match.end() if match is not None else position + 1
        word.known &= match is not None
        word.pieces.append((text[position:end], False))
        word.bare = False
        return end, line
    end = position + 1
    while end < len(text) and text[end] not in "'\"\\`$;&|()<> \t\r\n":
        end += 1
    # `{a,b}` would be two words in a shell.
    if "{" in text[position:end] and "," in text[position:end]:
        word.known = False
    word.pieces.append((text[position:end], False))
    return end, line


def _quoted(text: str, position: int, line: int, word: _Token) -> tuple[int, int]:
    """Read to the end of double quotes."""
    piece = ""
    word.bare = False
    while position < len(text) and text[position] != '"':
        if text.startswith("\\\n", position):
            line, position = line + 1, position + 2
        elif text[position] == "\\" and position + 1 < len(text):
            escaped = text[position + 1]
            piece += escaped.replace("$", "\1") if escaped in '$`"\\' else f"\\{escaped}"
            position += 2
        elif text[position] == "`" or text.startswith("$(", position):
            end = _substitution_end(text, position)
            word.known = False
            line += text.count("\n", position, end)
            position = end
        else:
            line += text[position] == "\n"
            piece += text[position]
            position += 1
    word.known &= position < len(text)
    word.pieces.append((piece, True))
    return position + 1, line


def _substitution_end(text: str, position: int) -> int:
    """Return the end of a command substitution that begins at `position`."""
    if text[position] == "`":
        end = text.find("`", position + 1)
        return len(text) if end < 0 else end + 1
    depth, position = 0, position + 1
    while position < len(text):
        depth += (text[position] == "(") - (text[position] == ")")
        position += 1
        if depth == 0:
            break
    return position
