"""The commands as a table for the README: the same rows that drive them."""

from __future__ import annotations

from bot.chat.commands import COMMANDS, WORD


def commands_table() -> str:
    """Markdown lines; a test holds the README's table against them."""
    rows = [
        f"| `{command.usage.removeprefix(WORD).strip()}` | {command.who.text} | {command.what} |"
        for command in COMMANDS.values()
    ]
    return "\n".join(["| command | who | what |", "|---|---|---|", *rows]) + "\n"
