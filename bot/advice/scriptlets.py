"""The unguarded commands of scriptlets: without a test for the program, and without `

:`.

Shell grammar is not parsed: lines are split at `;`, `&&` and `

`, and blocks of `if` are followed. Anything not understood counts as a command that must succeed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_TEST = re.compile(
    r"(?P<negated>!\s*)?(?<![\w-])-[xefsdhL]\s+[\"']?(?P<path>/[^\s\"'\]]+)"
    r"|(?:\bcommand\s+-v|\btype(?:\s+-\w+)?|\bwhich)\s+[\"']?(?P<name>[\w./+-]+)"
)
_SUCCEEDS = re.compile(r"\s*(?::|true|exit\s+0)\s*$")
_WORD = re.compile(r"(?:then|else|do|\{)(?:\s+|$)")
_CUTS = re.compile(r"(&&|\|\|)")

Gone = Callable[[str], bool]
"""Says whether a path or a program's name is one of those that would be missing."""


def bare_commands(scriptlet: str, gone: Gone) -> Iterator[str]:
    """Yield the commands that would fail, or no longer work, if they run something that is `gone`.

    Left out are those after a test for something that is gone, in a block or by `&&`, and those
    whose failure is ignored.
    """
    guards: list[bool] = []
    for statement in _statements(scriptlet):
        text = statement
        while word := _WORD.match(text):
            if word[0].startswith("else") and guards:
                guards[-1] = False
            text = text[word.end() :]
        first = text.partition(" ")[0]
        if first == "fi":
            if guards:
                guards.pop()
        elif first in ("if", "elif"):
            if first == "elif" and guards:
                guards.pop()
            yield from _bare(text.removeprefix(first), gone, guarded=any(guards))
            guards.append(_looks_for(text, gone))
        else:
            yield from _bare(text, gone, guarded=any(guards))


def _statements(scriptlet: str) -> Iterator[str]:
    for line in re.sub(r"\\\n", " ", scriptlet).splitlines():
        text = re.split(r"(?:^|\s)#", line)[0]
        yield from filter(None, (part.strip() for part in text.split(";")))


def _bare(statement: str, gone: Gone, *, guarded: bool) -> Iterator[str]:
    parts = _CUTS.split(statement)
    commands, joints = parts[::2], ["", *parts[1::2]]
    if guarded or (joints[-1] == "||" and _SUCCEEDS.match(commands[-1])):
        return
    for joint, command in zip(joints, commands, strict=True):
        guarded = guarded and joint == "&&"
        if not guarded:
            yield _TEST.sub(" ", command)
        guarded = guarded or _looks_for(command, gone)


def _looks_for(condition: str, gone: Gone) -> bool:
    """Return whether a condition is true only if something that is gone is there."""
    if "||" in condition:
        return False
    tests = _TEST.finditer(condition)
    return any(not test["negated"] and gone(test["path"] or test["name"]) for test in tests)
