"""The `/minimize` commands: the table for the parser, the refusals, `help` and the README.

What a command does is in `bot.chat.questions` and `bot.chat.answers` if it is a question about
images, else in `bot.engine.conversation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.forge.values import ROLES, Role
from bot.model.architecture import RPM_ARCHITECTURES

WORD = "/minimize"
Name = Literal[
    "check",
    "why",
    "what-if",
    "advise",
    "decline",
    "accept",
    "allow",
    "objectives",
    "cancel",
    "help",
]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a command, in order; a `keyword` comes before it, if there is one.

    `takes`: one `word`, all remaining `words`, or the `rest` of the line as one text.
    """

    name: str
    takes: Literal["word", "words", "rest"] = "word"
    keyword: str = ""
    optional: bool = False

    @property
    def usage(self) -> str:
        """`PACKAGE`, `[WORKLOAD...]`, `[from PACKAGE]`."""
        text = f"{self.keyword} {self.name}".strip() + ("..." if self.takes == "words" else "")
        return f"[{text}]" if self.optional else text


@dataclass(frozen=True, slots=True)
class Option:
    """`--flag VALUE`, any number of times; `choices` are the allowed values, empty for any."""

    flag: str
    name: str
    choices: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """`[--arch A]`."""
        return f"[{self.flag} {self.name}]"


@dataclass(frozen=True, slots=True)
class Who:
    """The permission: `role` and above (null: anyone who may comment), the `author` in any role.

    `others`: neither the author nor the pusher of the head, unless the settings allow it.
    """

    role: Role | None = None
    author: bool = False
    others: bool = False

    @property
    def text(self) -> str:
        """The permission as the tables show it."""
        if self.role is None:
            return "anyone who may comment"
        author = ", or the author" if self.author else ""
        others = ", not the author unless the settings say accept: anyone" if self.others else ""
        return f"{self.role} role and above{author}{others}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its syntax, permission and effect."""

    name: Name
    who: Who
    what: str
    examples: tuple[str, ...]
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()

    @property
    def usage(self) -> str:
        """`/minimize what-if drop CAPABILITY [from PACKAGE]`."""
        parts: tuple[Argument | Option, ...] = (*self.arguments, *self.options)
        return " ".join([WORD, self.name, *(part.usage for part in parts)])


_ANYONE = Who()
_RUNNER = Who("triage", author=True)
_WRITER = Who("write")
_COMMIT = "3d5f0c8a7f6a4f5d0e1b2c3d4e5f60718293a4b5"

COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command(
            "check",
            _RUNNER,
            "run again; with arguments, on these alone, or together with other pull requests (on"
            " GitLab: GROUP/PROJECT!N), answered in a comment of its own",
            (
                "/minimize check",
                "/minimize check nginx --arch s390x",
                "/minimize check with rpms/perl#12",
            ),
            (
                Argument("WORKLOAD", takes="words", optional=True),
                Argument("OWNER/REPO#N", takes="words", keyword="with", optional=True),
            ),
            (Option("--arch", "A", RPM_ARCHITECTURES),),
        ),
        Command(
            "why",
            _ANYONE,
            "why a package is in the images: the shortest chain from each requested package",
            ("/minimize why perl-libs", "/minimize why zlib-ng --workload nginx"),
            (Argument("PACKAGE"),),
            (Option("--workload", "W"),),
        ),
        Command(
            "what-if",
            _ANYONE,
            "what would leave if nothing required it, measured by solving again",
            ("/minimize what-if drop perl", "/minimize what-if drop /usr/bin/perl from nginx-core"),
            (
                Argument("CAPABILITY", takes="rest", keyword="drop"),
                Argument("PACKAGE", keyword="from", optional=True),
            ),
        ),
        Command(
            "advise",
            _ANYONE,
            "the smallest image for the same request, and the best edits up to K: 1, at most 3 (10"
            " on the command line)",
            ("/minimize advise", "/minimize advise nginx --edits 2"),
            (Argument("WORKLOAD", optional=True),),
            (Option("--edits", "K", ("0", "1", "2", "3")),),
        ),
        Command(
            "decline",
            Who("triage"),
            "this edit is not wanted; never proposed again",
            ("/minimize decline nginx:systemd The service needs its users.",),
            (Argument("EDIT"), Argument("REASON", takes="rest")),
        ),
        Command(
            "accept",
            Who("write", others=True),
            "accept that this head commit goes over a limit, with the reason on record",
            (f"/minimize accept {_COMMIT} The new TLS library is worth 2 MB.",),
            (Argument("SHA"), Argument("REASON", takes="rest")),
        ),
        Command(
            "allow",
            _WRITER,
            "build this head commit, whose author is not trusted; a new commit needs it again",
            (f"/minimize allow {_COMMIT}",),
            (Argument("SHA"),),
        ),
        Command(
            "objectives",
            _ANYONE,
            "the objectives of the images of this package, and their values",
            ("/minimize objectives",),
        ),
        Command("cancel", _RUNNER, "stop the run", ("/minimize cancel",)),
        Command("help", _ANYONE, "this table", ("/minimize help",)),
    )
}


def commands_table() -> str:
    """Return Markdown lines; a test compares the README's table with them."""
    rows = [
        f"| `{command.usage.removeprefix(WORD).strip()}` | {command.who.text} | {command.what} |"
        for command in COMMANDS.values()
    ]
    return "\n".join(["| command | who | what |", "|---|---|---|", *rows]) + "\n"


def may(command: Command, role: Role, *, is_author: bool) -> bool:
    """Return whether somebody with `role` in the repository may use `command` on this pull request.

    `is_author`: whether the pull request is theirs. Whether it comes from a fork makes no
    difference. Anyone who may comment has commented already, so role `none` may ask too.
    """
    who = command.who
    if who.role is None or (who.author and is_author):
        return True
    return ROLES.index(role) >= ROLES.index(who.role)


def refusal(command: Command, user: str, role: Role) -> str:
    """Return the refusal of a command, with the missing role; for `message`."""
    own_role = "no role" if role == "none" else f"the role {role}"
    requirement = f"{command.name} needs the role {command.who.role} or above"
    author = ", or to be the author of this pull request" if command.who.author else ""
    return f"{user} has {own_role} in this repository: {requirement}{author}."
