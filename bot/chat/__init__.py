"""The `/minimize` commands in comments: what is said, who may say it, and the answers."""

from __future__ import annotations

from bot.chat.commands import COMMANDS, WORD, Command
from bot.chat.parser import Asked, NotUnderstood, Said, command_key, parse_comment
from bot.chat.permissions import may, refusal

__all__ = [
    "COMMANDS",
    "WORD",
    "Asked",
    "Command",
    "NotUnderstood",
    "Said",
    "command_key",
    "may",
    "parse_comment",
    "refusal",
]
