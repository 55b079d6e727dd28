"""A parser of shell scriptlets: the common part of the POSIX grammar (XCU 2.10).

Loops, `case`, functions, here documents, arithmetic, nested substitutions and bash's extensions
raise UnreadableError. Libraries weighed in November 2026: bashlex is under the GPL;
tree-sitter-bash has no wheels for ppc64le and s390x, and continues after errors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_MOST_NESTED = 50
_VARIABLE = r"\$(?:\w+|[?#@*!$-]|\{[^{}'\"`\\$]*\}|\([^()'\"`\\$#]*\))|`[^`'\"\\$#()]*`"
_TOKEN = re.compile(
    r"(?P<blank>(?:[ \t\r]|\\\n)+|\#[^\n]*)"
    r"|(?P<direction>\d*(?:>>|>&|<&|>\||<>|>|<(?!<)))"
    r"|(?P<operator>&&|\|\||;;|[;&|()\n])"
    rf"|(?P<word>(?:[^\s;&|()<>'\"\\`$]|'[^']*'|\\[^\n]|\\\n|{_VARIABLE}"
    rf"|\"(?:[^\"\\`$]|\\[\s\S]|{_VARIABLE})*\")+)"
)
_RESERVED = re.compile(
    r"if|then|elif|else|fi|for|while|until|do|done|case|esac|in|[{}!]|\[\[|function|select"
)


class UnreadableError(ValueError):
    """A scriptlet uses grammar that this parser does not support."""


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: its words without quotes and redirections, and its source text."""

    words: tuple[str, ...]
    text: str
    redirected: bool


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One or more commands joined by `|`; `negated` by a `!` before them."""

    parts: tuple[Node, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """Two commands with `&&` or `||` between them."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class If:
    """A condition and its two branches; `elif` is an `If` in the other one."""

    condition: Body
    then: Body
    otherwise: Body


@dataclass(frozen=True, slots=True)
class Group:
    """Commands in braces, or in parentheses."""

    body: Body
    subshell: bool


Node = Command | Pipeline | AndOr | If | Group


@dataclass(frozen=True, slots=True)
class Body:
    """A list of commands; `background` has the indices of those that `&` ends."""

    nodes: tuple[Node, ...] = ()
    background: frozenset[int] = frozenset()


def parse_shell(text: str) -> Body:
    """Parse a scriptlet; raises UnreadableError for unsupported grammar."""
    parser = _Parser(list(_tokens(text)))
    body = parser.body(())
    if parser.kind:
        raise UnreadableError(parser.text)
    return body


def commands_in(node: Node | Body) -> Iterator[Command]:
    """Yield all simple commands below a node, in source order."""
    if isinstance(node, Command):
        yield node
    for each in _below(node):
        yield from commands_in(each)


def _below(node: Node | Body) -> Sequence[Node | Body]:
    match node:
        case Body():
            return node.nodes
        case Pipeline():
            return node.parts
        case AndOr():
            return node.left, node.right
        case If():
            return node.condition, node.then, node.otherwise
        case Group():
            return (node.body,)
    return ()


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise UnreadableError(text[at : at + 20])
        if token.lastgroup != "blank":
            yield token.lastgroup or "", token[0]
        at = token.end()


class _Parser:
    """A recursive descent parser over the tokens of a scriptlet."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def kind(self) -> str:
        """The kind of the next token; empty at the end."""
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    @property
    def text(self) -> str:
        """The next token; empty at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        text = self.text
        self._at += 1
        return text

    def _expect(self, text: str) -> None:
        if self.text != text:
            raise UnreadableError(f"{self.text} instead of {text}")
        self._at += 1

    def _skip_lines(self) -> None:
        while self.text == "\n":
            self._at += 1

    def body(self, ends: Collection[str]) -> Body:
        """Parse commands up to a word of `ends`, which is not consumed."""
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise UnreadableError("nested too deep")
        nodes: list[Node] = []
        background: set[int] = set()
        self._skip_lines()
        while self.kind and self.text not in ends:
            nodes.append(self._and_or())
            if self.text == "&":
                background.add(len(nodes) - 1)
            elif self.text not in (";", "\n") and self.text not in ends and self.kind:
                raise UnreadableError(self.text)
            if self.text in ("&", ";"):
                self._at += 1
            self._skip_lines()
        self._depth -= 1
        return Body(tuple(nodes), frozenset(background))

    def _some(self, *ends: str) -> Body:
        body = self.body(ends)
        if not body.nodes:
            raise UnreadableError(f"nothing before {self.text}")
        return body

    def _and_or(self) -> Node:
        left = self._pipeline()
        while self.text in ("&&", "||"):
            operator = self._next()
            self._skip_lines()
            left = AndOr(operator, left, self._pipeline())
        return left

    def _pipeline(self) -> Node:
        negated = self.text == "!"
        self._at += negated
        parts = [self._command()]
        while self.text == "|":
            self._at += 1
            self._skip_lines()
            parts.append(self._command())
        return parts[0] if len(parts) == 1 and not negated else Pipeline(tuple(parts), negated)

    def _command(self) -> Node:
        node: Node
        match self.text:
            case "if":
                self._at += 1
                node = self._if()
            case "{" | "(":
                closing = {"{": "}", "(": ")"}[self._next()]
                if self.text in (closing, "("):
                    raise UnreadableError("arithmetic")
                node = Group(self._some(closing), closing == ")")
                self._expect(closing)
            case _:
                return self._simple()
        self._redirections()
        return node

    def _redirections(self) -> None:
        """Skip redirections of a compound command; those that could fail are unsupported."""
        while self.kind == "direction":
            self._at += 1
            if self.text != "/dev/null" and not self.text.isdigit():
                raise UnreadableError(self.text)
            self._at += 1

    def _if(self) -> If:
        condition = self._some("then")
        self._expect("then")
        then = self._some("elif", "else", "fi")
        otherwise = Body()
        match self._next():
            case "elif":
                return If(condition, then, Body((self._if(),)))
            case "else":
                otherwise = self._some("fi")
                self._expect("fi")
        return If(condition, then, otherwise)

    def _simple(self) -> Command:
        if self.kind not in ("word", "direction") or _RESERVED.fullmatch(self.text):
            raise UnreadableError(self.text)
        words, texts, redirected = [], [], False
        while self.kind in ("word", "direction"):
            texts.append(self.text)
            if self.kind == "word":
                words.append(_unquoted(self._next()))
                continue
            redirected = True
            self._at += 1
            if self.kind != "word":
                raise UnreadableError(self.text)
            texts.append(self._next())
        if self.text == "(":
            raise UnreadableError("a function")
        return Command(tuple(words), " ".join(texts), redirected)


def _unquoted(word: str) -> str:
    """Return a word without its quotes; unchanged if the shell would expand something in it."""
    return word if "$" in word or "`" in word else re.sub(r"\\\n|[\"'\\]", "", word)
