"""The `/minimize` commands in comments: what is said, who may say it, and the answers.

Names are imported when they are first used: solving is heavy to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.chat.answers import (
        Answer,
        compose,
        found_answer,
        help_answer,
        not_understood,
        sentence,
    )
    from bot.chat.commands import COMMANDS, WORD, Command
    from bot.chat.documentation import commands_table
    from bot.chat.markers import answer_marker, is_ours
    from bot.chat.parser import Asked, NotUnderstood, Said, command_key, parse_comment, parse_line
    from bot.chat.permissions import may, refusal
    from bot.chat.questions import Found, find_answer

_HOME = {
    "Answer": "answers",
    "compose": "answers",
    "found_answer": "answers",
    "help_answer": "answers",
    "not_understood": "answers",
    "sentence": "answers",
    "COMMANDS": "commands",
    "WORD": "commands",
    "Command": "commands",
    "commands_table": "documentation",
    "answer_marker": "markers",
    "is_ours": "markers",
    "Asked": "parser",
    "NotUnderstood": "parser",
    "Said": "parser",
    "command_key": "parser",
    "parse_comment": "parser",
    "parse_line": "parser",
    "may": "permissions",
    "refusal": "permissions",
    "Found": "questions",
    "find_answer": "questions",
}

__all__ = [
    "COMMANDS",
    "WORD",
    "Answer",
    "Asked",
    "Command",
    "Found",
    "NotUnderstood",
    "Said",
    "answer_marker",
    "command_key",
    "commands_table",
    "compose",
    "find_answer",
    "found_answer",
    "help_answer",
    "is_ours",
    "may",
    "not_understood",
    "parse_comment",
    "parse_line",
    "refusal",
    "sentence",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
