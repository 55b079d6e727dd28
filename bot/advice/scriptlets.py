"""The unguarded commands of scriptlets: without a test for their program, or `|| :` behind them.

A scriptlet is interpreted as a shell would run it without the missing files: a test for one fails
(`[ -x /usr/bin/ctl ] || exit 0` then ends the scriptlet with success). For other commands both
outcomes are followed. A scriptlet that cannot be parsed counts as one command that must succeed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from bot.advice.shell import (
    AndOr,
    Body,
    Command,
    Group,
    If,
    Node,
    Pipeline,
    UnreadableError,
    commands_in,
    parse_shell,
)

Gone = Callable[[str], bool]
"""Returns whether a path or a program's name would be missing."""

_SHELL = re.compile(r"#!\s*(?:/usr)?/bin/(?:ba|da)?sh(?:\s+-\w+)*\s*$")
_ERREXIT = re.compile(r"^#!.*\s-\w*e|\bset\b[^\n]*\s(?:-\w*e|-o\s+errexit)", re.MULTILINE)
_FILE_TESTS = frozenset(("-x", "-e", "-f", "-s", "-r", "-L", "-h", "-d"))
_FINDERS = frozenset((("command", "-v"), ("command", "-V"), ("type",), ("which",), ("hash",)))
# Built into the shell (POSIX, XCU 2.14 and 2.9.1; bash and dash).
_SPECIAL = re.compile(
    r":|\.|source|break|continue|eval|exec|exit|export|readonly|return|set|shift|times|trap|unset"
)
_BUILTIN = re.compile(
    rf"{_SPECIAL.pattern}|\[\[?|alias|bg|bind|builtin|caller|cd|chdir|command|compgen|complete|declare"
    r"|dirs|disown|echo|enable|false|fc|fg|getopts|hash|help|history|jobs|kill|let|local|logout"
    r"|mapfile|popd|printf|pushd|pwd|read|readarray|shopt|suspend|test|time|true|type|typeset"
    r"|ulimit|umask|unalias|wait"
)
# Builtins that change the effect of later commands.
_CHANGING = re.compile(
    r"\.|source|break|continue|eval|exec|export|readonly|return|set|shift|trap|unset|alias|cd"
    r"|declare|getopts|let|local|mapfile|popd|pushd|read|readarray|shopt|typeset|umask|unalias"
)
_ASSIGNED = re.compile(r"(?:^|\s)([A-Za-z_]\w*)=|\$\{([A-Za-z_]\w*):?=")
_VARIABLE = re.compile(r"\$\{?#?(\w+)")


class _Outcome(Enum):
    """The exit status of a command, compared with what it is today."""

    ZERO = "zero"
    FAILS = "not zero, for something is gone"
    MAY_FAIL = "perhaps not zero, for something is gone"
    AS_EVER = "as today"


_BAD = (_Outcome.FAILS, _Outcome.MAY_FAIL)
_Ended = bool


@dataclass(frozen=True, slots=True)
class _Place:
    """The context of a command: `gone` if it runs only because a file is missing, `ignored` if its
    failure is, `last` if it is the scriptlet's last one."""

    gone: bool = False
    ignored: bool = False
    last: bool = False


def bare_commands(scriptlet: str, gone: Gone) -> Iterator[str]:
    """Yield the commands that run without the files that are `gone` and whose failure counts.

    If a failing test would make the scriptlet itself fail, the test is one of them. An interpreter
    other than a shell is named in a first line `#!...`.
    """
    first = scriptlet.partition("\n")[0]
    try:
        body = parse_shell(scriptlet)
    except UnreadableError:
        body = None
    if body is None or (first.startswith("#!") and not _SHELL.match(first)):
        yield scriptlet
        return
    run = _Run(gone, errexit=_ERREXIT.search(scriptlet) is not None)
    outcome, _ = run.body(body, _Place(last=True))
    if outcome in _BAD:
        run.blame()
    yield from run.bare


@dataclass(slots=True)
class _Run:
    """One interpretation of a scriptlet; `bare` collects its unguarded commands."""

    gone: Gone
    errexit: bool
    bare: list[str] = field(default_factory=list)
    # The tests that fail, or hold, because something is gone.
    _tests: list[str] = field(default_factory=list)
    # Variables that may get another value than today, with the commands that are the reason.
    _changed: dict[str, list[str]] = field(default_factory=dict)
    # A command that ends the scriptlet today does not run, so later ones do.
    _goes_on: bool = False

    def blame(self) -> None:
        self.bare += self._tests

    def body(self, body: Body, place: _Place) -> tuple[_Outcome, _Ended]:
        outcome = _Outcome.ZERO
        final = len(body.nodes) - 1
        for number, node in enumerate(body.nodes):
            outcome, ended = self._node(node, replace(place, last=place.last and number == final))
            if number in body.background:
                outcome, ended = _Outcome.ZERO, False
            if self.errexit and outcome in _BAD:
                self.blame()
            if ended:
                self._skip(body.nodes[number + 1 :])
                return outcome, True
        return outcome, False

    def _node(self, node: Node, place: _Place) -> tuple[_Outcome, _Ended]:
        place = replace(place, gone=place.gone or self._goes_on)
        match node:
            case Command():
                return self._command(node, place)
            case Pipeline():
                return self._pipeline(node, place), False
            case AndOr():
                return self._and_or(node, place)
            case If():
                return self._if(node, place)
            case Group():
                outcome, ended = self.body(node.body, replace(place, last=False))
                return outcome, ended and not node.subshell

    def _command(self, command: Command, place: _Place) -> tuple[_Outcome, _Ended]:
        self._look_up(command)
        tested = self._tested(command)
        if tested is not None:
            self._tests.append(command.text)
            return tested, False
        if _succeeds(command):
            return _Outcome.ZERO, command.words[0] == "exit"
        if _exits(command):
            self.blame()  # with what status?
            self.bare.append(command.text)
            return _Outcome.AS_EVER, True
        name = _name(command)
        if _SPECIAL.fullmatch(name) or not place.ignored:
            self.bare.append(command.text)
        if place.ignored:
            self._change(command, [command.text])
        if place.gone:
            self._change(command, self._tests)
            if _CHANGING.fullmatch(name):
                self.blame()
        if name == "echo" and not command.redirected:
            return _Outcome.ZERO, False
        return _Outcome.MAY_FAIL if place.gone else _Outcome.AS_EVER, False

    def _look_up(self, command: Command) -> None:
        """Record the commands that may have changed the variables that a command uses."""
        if "$?" in command.text:
            self.blame()
        for name in _VARIABLE.findall(command.text):
            self.bare += self._changed.get(name, ())

    def _change(self, command: Command, blamed: Sequence[str]) -> None:
        for one, other in _ASSIGNED.findall(command.text):
            self._changed.setdefault(one or other, []).extend(blamed)

    def _tested(self, command: Command) -> _Outcome | None:
        """Return the outcome of a test for a missing file; None for any other command."""
        words = list(command.words)
        if words[:1] == ["["] and words[-1] == "]":
            words = ["test", *words[1:-1]]
        if words[:1] == ["test"]:
            negated = words[1:2] == ["!"]
            primary = words[1 + negated :]
            if len(primary) == 2 and primary[0] in _FILE_TESTS and self._is_gone(primary[1]):
                return _Outcome.ZERO if negated else _Outcome.FAILS
            return None
        if tuple(words[:-1]) in _FINDERS and not _BUILTIN.fullmatch(words[-1]):
            return _Outcome.FAILS if self.gone(words[-1]) else None
        return None

    def _is_gone(self, path: str) -> bool:
        return path.startswith("/") and self.gone(path)

    def _pipeline(self, pipeline: Pipeline, place: _Place) -> _Outcome:
        if len(pipeline.parts) == 1:
            outcome, ended = self._node(pipeline.parts[0], replace(place, last=False))
            if ended:
                self.blame()
            return {_Outcome.FAILS: _Outcome.ZERO, _Outcome.ZERO: _Outcome.AS_EVER}.get(
                outcome, outcome
            )
        self._all_bare(pipeline, place)
        return _Outcome.MAY_FAIL if place.gone else _Outcome.AS_EVER

    def _all_bare(self, node: Node | Body, place: _Place) -> None:
        for command in commands_in(node):
            self._look_up(command)
            if not place.ignored or _exits(command) or _SPECIAL.fullmatch(_name(command)):
                self.bare.append(command.text)
            else:
                self._change(command, [command.text])

    def _and_or(self, node: AndOr, place: _Place) -> tuple[_Outcome, _Ended]:
        both = node.operator == "&&"
        before = replace(place, last=False)
        if not both and self._ignores(node, place):
            before = replace(before, ignored=True)
        left, ended = self._node(node.left, before)
        if ended or left is (_Outcome.FAILS if both else _Outcome.ZERO):
            self._skip([node.right])
            return left, ended
        because = left is not _Outcome.AS_EVER
        right, ended = self._node(node.right, replace(place, gone=place.gone or because))
        if left is (_Outcome.ZERO if both else _Outcome.FAILS):
            return right, ended
        if right is (_Outcome.FAILS if both else _Outcome.ZERO):
            return right, False
        bad = left in _BAD or right in _BAD
        return _Outcome.MAY_FAIL if bad else _Outcome.AS_EVER, False

    def _ignores(self, node: AndOr, place: _Place) -> bool:
        """Return whether `|| :` stands behind what does not end the scriptlet itself."""
        if not (isinstance(node.right, Command) and _succeeds(node.right)):
            return False
        if node.right.words[0] == "exit" and not place.last:
            return False
        return not any(_name(command) == "exit" for command in commands_in(node.left))

    def _if(self, node: If, place: _Place) -> tuple[_Outcome, _Ended]:
        condition, ended = self.body(node.condition, replace(place, last=False))
        if ended:
            self._skip([*node.then.nodes, *node.otherwise.nodes])
            return condition, True
        within = replace(place, gone=place.gone or condition is not _Outcome.AS_EVER)
        if condition in (_Outcome.ZERO, _Outcome.FAILS):
            taken, other = node.then, node.otherwise
            if condition is _Outcome.FAILS:
                taken, other = other, taken
            self._skip(other.nodes)
            return self.body(taken, within)
        then, then_ended = self.body(node.then, within)
        otherwise, other_ended = self.body(node.otherwise, within)
        both = then_ended and other_ended
        if then is otherwise:
            return then, both
        bad = then in _BAD or otherwise in _BAD
        return _Outcome.MAY_FAIL if bad else _Outcome.AS_EVER, both

    def _skip(self, nodes: Iterable[Node]) -> None:
        """Record the effects that commands would have had that do not run."""
        for node in nodes:
            for command in commands_in(node):
                self._change(command, self._tests)
                if _CHANGING.fullmatch(_name(command)):
                    self.blame()
                self._goes_on = self._goes_on or _name(command) == "exit"


def _name(command: Command) -> str:
    """Return the program of a command, after its assignments; empty if there is none."""
    return next((word for word in command.words if not re.match(r"[A-Za-z_]\w*=", word)), "")


def _succeeds(command: Command) -> bool:
    """Return whether it is `:`, `true` or `exit 0`."""
    return command.words in ((":",), ("true",), ("exit", "0")) and not command.redirected


def _exits(command: Command) -> bool:
    return _name(command) == "exit"
