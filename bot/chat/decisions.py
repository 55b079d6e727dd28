"""Commands that decide about one head commit: the line that names it, and what is wrong with one.

A commit that was pushed between a maintainer's look and their comment is then never meant.
"""

from __future__ import annotations

import re

from bot.chat.commands import COMMANDS, WORD, Name
from bot.chat.parser import NotUnderstood, Question, say
from bot.report.phrase import to_text

# An id of git's, with SHA-1 or SHA-256, in full.
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def decides(name: Name) -> bool:
    """Return whether the command `name` is about one commit, which it names."""
    return any(argument.name == "SHA" for argument in COMMANDS[name].arguments)


def exact_line(name: Name, head: str, reason: str = "") -> str:
    """The line by which somebody decides about the commit `head`; `REASON` stands for a missing
    reason."""
    last = [reason or "REASON"] if name == "accept" else []
    return " ".join([WORD, name, head, *last])


def wrong_commit(question: Question, head: str) -> str:
    """The refusal of a decision that names another commit than `head`; empty where it names it."""
    named = (question.one("SHA") or "").lower()
    if named == head.lower():
        return ""
    reason = question.one("REASON") or ""
    if _COMMIT.fullmatch(named):
        line = exact_line(question.name, head, reason)
        return to_text(say.wrong_head(head=head, named=named, line=line))
    if not re.fullmatch(r"[0-9a-f]{4,64}", named):
        # Not an id at all: the reason began where the commit belongs.
        reason = " ".join(question.text.split(" ")[2:]) if question.name == "accept" else ""
    return _whole_id(question.name, head, reason)


def bare(unclear: NotUnderstood, head: str) -> str:
    """The answer to a decision that lacks its commit or its reason; empty for another line."""
    command = unclear.command
    if command is None or not decides(command.name) or unclear.beside:
        return ""
    return f"{unclear.problem} {_whole_id(command.name, head)}"


def _whole_id(name: Name, head: str, reason: str = "") -> str:
    line = exact_line(name, head, reason)
    return to_text(say.whole_id(command=name, line=line))
