"""From a comment to commands: what is asked, or which word is missing."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.chat.commands import COMMANDS, WORD, Argument, Command, Name
from bot.chat.lines import spoken_lines

# More in one comment are not obeyed: every one is answered, and some take seconds.
MOST_COMMANDS = 10
_LONGEST_WORD = 256
_LONGEST_LINE = 2_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that was understood. `values` are its arguments and options by their names.

    `text` is the line as it was written, with single spaces, `/minimize` and the command in small
    letters; the same text is the same command.
    """

    name: Name
    text: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def command(self) -> Command:
        """Its row in the table."""
        return COMMANDS[self.name]

    def one(self, name: str) -> str | None:
        """The value of the argument or option `name`, or null."""
        found = self.values.get(name, ())
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A line that begins with `/minimize` and is no command; `problem` says which word is wrong.

    `command` is the one that it seems to be, for its usage; null if it names none.
    """

    text: str
    problem: str
    command: Command | None = None


Said = Asked | NotUnderstood


class _UnclearError(Exception):
    """What is wrong with a line, as a sentence for whoever wrote it."""


def parse_comment(comment: str) -> tuple[Said, ...]:
    """The commands in `comment`, in order; the same line twice counts once.

    At most MOST_COMMANDS; where there are more, the last says so.
    """
    said: dict[str, Said] = {}
    for line in spoken_lines(comment, WORD):
        text = _told(line)
        if text in said:
            continue
        if len(said) == MOST_COMMANDS:
            said[text] = NotUnderstood(
                text, f"More than {MOST_COMMANDS} commands in one comment: the others were left."
            )
            break
        said[text] = parse_line(text)
    return tuple(said.values())


def parse_line(line: str) -> Said:
    """One line that begins with `/minimize`; that word and the command count in any case."""
    text = _told(line)
    words = text.split(" ")[1:]
    if not words:
        return NotUnderstood(text, f"A command is missing after {WORD}.")
    command = COMMANDS.get(words[0])
    if command is None:
        near = difflib.get_close_matches(words[0], COMMANDS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        return NotUnderstood(text, f"There is no command {words[0]}.{meant}")
    try:
        return Asked(command.name, text, _values(command, text, words[1:]))
    except _UnclearError as unclear:
        return NotUnderstood(text, str(unclear), command)


def _told(line: str) -> str:
    """The line with single spaces, its first two words in small letters."""
    words = line.split()
    return " ".join([*(word.lower() for word in words[:2]), *words[2:]])


def command_key(comment: str, said: Said) -> str:
    """The name of one command of one comment: it is obeyed once, however often it is delivered."""
    return hashlib.sha256(f"{comment}\0{said.text}".encode()).hexdigest()[:16]


def _values(command: Command, text: str, words: list[str]) -> dict[str, tuple[str, ...]]:
    if len(text) > _LONGEST_LINE:
        raise _UnclearError(f"The line is longer than {_LONGEST_LINE} characters.")
    free = any(argument.takes == "rest" for argument in command.arguments)
    values: dict[str, tuple[str, ...]] = {}
    if not free:
        words = _take_options(command, words, values)
        if any(len(word) > _LONGEST_WORD for word in words):
            raise _UnclearError(f"A word is longer than {_LONGEST_WORD} characters.")
    for index, argument in enumerate(command.arguments):
        words = _take(argument, words, values, command.arguments[index + 1 :])
    if words:
        raise _UnclearError(f"The word {words[0]} is one too many.")
    return values


def _take_options(
    command: Command, words: list[str], values: dict[str, tuple[str, ...]]
) -> list[str]:
    """Moves options to `values`; the words that are left."""
    left: list[str] = []
    options = {option.flag: option for option in command.options}
    remaining = iter(words)
    for word in remaining:
        if not word.startswith("-"):
            left.append(word)
            continue
        flag, equals, value = word.partition("=")
        option = options.get(flag)
        if option is None:
            known = f" {command.name} knows {', '.join(options)}." if options else ""
            raise _UnclearError(f"There is no option {flag}.{known}")
        if not equals:
            value = next(remaining, "")
        if not value:
            raise _UnclearError(f"A value is missing after {flag}.")
        if option.choices and value not in option.choices:
            raise _UnclearError(f"{flag} is one of {', '.join(option.choices)}, not {value}.")
        values[flag] = (*values.get(flag, ()), value)
    return left


def _take(
    argument: Argument,
    words: list[str],
    values: dict[str, tuple[str, ...]],
    later: tuple[Argument, ...],
) -> list[str]:
    """Moves the words of one argument to `values`; the words that are left."""
    if argument.keyword:
        if not words or words[0].lower() != argument.keyword:
            if argument.optional:
                return words
            raise _UnclearError(f"The word {argument.keyword} is missing.")
        words = words[1:]
    if argument.takes == "words":
        taken, words = words, []
    elif argument.takes == "rest":
        end = _end_of_rest(words, later)
        taken, words = words[:end], words[end:]
        taken = [" ".join(taken)] if taken else []
    else:
        taken, words = words[:1], words[1:]
    if taken:
        values[argument.name] = tuple(taken)
    elif not argument.optional or argument.keyword:
        raise _UnclearError(f"{argument.name} is missing.")
    return words


def _end_of_rest(words: list[str], later: tuple[Argument, ...]) -> int:
    """Where a text ends: before the last word that begins a later argument, else at the end."""
    for argument in later:
        for index in range(len(words) - 1, 0, -1):
            if words[index].lower() == argument.keyword:
                return index
    return len(words)
