"""Who may say what: a role, as the forge gives it at this moment, against the table."""

from __future__ import annotations

from bot.chat.commands import Command
from bot.forge.values import ROLES, Role


def may(command: Command, role: Role, *, is_author: bool) -> bool:
    """Whether somebody with `role` in the repository may say `command` on this pull request.

    `is_author`: whether the pull request is theirs. Where it comes from, a fork or not, gives
    nobody more or less. Anyone who may comment has commented already, so `none` may ask too.
    """
    who = command.who
    if who.role is None or (who.author and is_author):
        return True
    return ROLES.index(role) >= ROLES.index(who.role)


def refusal(command: Command, user: str, role: Role) -> str:
    """Why not, with the role that is missing; for `prose`."""
    has = "no role" if role == "none" else f"the role {role}"
    needed = f"{command.name} needs the role {command.who.role} or above"
    author = ", or to be the author of this pull request" if command.who.author else ""
    return f"{user} has {has} in this repository: {needed}{author}."
