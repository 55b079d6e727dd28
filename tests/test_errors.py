"""Errors say what to do about what happened."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

import bot
from bot.errors import reason_of, write_hint


@pytest.mark.parametrize(
    ("number", "begins"),
    [
        (errno.ENOSPC, "Free some space, or"),
        (errno.EDQUOT, "Free some space, or"),
        (errno.EACCES, "Let this user write there, or"),
        (errno.EROFS, "Let this user write there, or"),
        (errno.EIO, "Name another directory with --cache."),
    ],
)
def test_write_hint_fits_the_reason(number: int, begins: str) -> None:
    hint = write_hint(OSError(number, "x"), "--cache")
    assert hint.startswith(begins)
    assert hint.casefold().endswith("name another directory with --cache.")


def test_the_reason_of_an_error_is_in_words() -> None:
    assert reason_of(KeyError("images")) == "`images` is missing"
    assert reason_of(ValueError("it is odd")) == "it is odd"
    assert reason_of(ValueError()) == "ValueError"


def test_no_message_has_an_error_as_python_writes_it() -> None:
    folder = Path(bot.__file__).parent
    written = re.compile(r"\{(error|e)!r\}|repr\((error|e)\)")
    found = [str(path) for path in folder.rglob("*.py") if written.search(path.read_text())]
    assert found == []
