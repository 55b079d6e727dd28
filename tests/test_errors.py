"""Errors say what to do about what happened."""

from __future__ import annotations

import errno

import pytest

from bot.errors import write_hint


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
