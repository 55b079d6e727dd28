"""Errors for a person: what happened, to what, what to do; with their exit codes.

Exit codes are CONTRACT's: 1 a failure around the program (worth another try), 2 usage or
configuration, 3 the packages or the change are at fault.
"""

from __future__ import annotations

import errno


class MinimizeError(Exception):
    """The base of every error that is meant for a person.

    `what` says what happened and to what, in one sentence; `hint` what to do about it, or "".
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".strip()


class SurroundingsError(MinimizeError):
    """A failure outside: network, mirror, disk, sandbox. Another try may help."""

    exit_code = 1


class UsageError(MinimizeError):
    """A command, a document or a setting is wrong."""

    exit_code = 2


class ChangeError(MinimizeError):
    """The packages or the change are at fault: another try gives the same error."""

    exit_code = 3


def write_hint(error: OSError, option: str) -> str:
    """Return the remedy where a file could not be written; `option` sets its directory."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"Free some space, or name another directory with {option}."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"Let this user write there, or name another directory with {option}."
    return f"Name another directory with {option}."


def in_backticks(words: str) -> str:
    """Return foreign words for a sentence, in which reports show them as code.

    They are on one line, without backticks of their own.
    """
    return f"`{' '.join(words.replace('`', chr(39)).split())}`"


def reason_of(error: Exception) -> str:
    """Return the reason of an error in words: Python's own messages are for programmers.

    For a KeyError it is `` `images` is missing``.
    """
    if isinstance(error, KeyError) and error.args:
        return f"`{error.args[0]}` is missing"
    return str(error) or type(error).__name__
