"""Errors a person sees: what happened, to what, what to do; and the exit code that goes with it.

Exit codes are CONTRACT's: 1 something around us failed (worth another try), 2 usage or
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
    """Something around us failed: network, mirror, disk, sandbox. Another try may help."""

    exit_code = 1


class UsageError(MinimizeError):
    """A command, a document or a setting is wrong."""

    exit_code = 2


class ChangeError(MinimizeError):
    """The packages or the change are at fault: another try gives the same."""

    exit_code = 3


def write_hint(error: OSError, option: str) -> str:
    """The remedy where a file could not be written; `option` names another directory (--cache)."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"Free some space, or name another directory with {option}."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"Let this user write there, or name another directory with {option}."
    return f"Name another directory with {option}."


def in_backticks(words: str) -> str:
    """Words that somebody else may have chosen, for a sentence: reports show them as code.

    On one line, and without backticks of their own.
    """
    return f"`{' '.join(words.replace('`', chr(39)).split())}`"


def reason_of(error: Exception) -> str:
    """The reason why something was not as expected, in words: Python's own say it for programmers.

    A KeyError's is `` `images` is missing``.
    """
    if isinstance(error, KeyError) and error.args:
        return f"`{error.args[0]}` is missing"
    return str(error) or type(error).__name__
