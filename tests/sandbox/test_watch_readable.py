"""Waiting for a descriptor, whatever its number."""

import os
import resource

import pytest

from bot.sandbox.watch import readable


def test_readable_says_when_there_is_something_to_read() -> None:
    reader, writer = os.pipe()
    assert not readable(reader, 0)
    os.write(writer, b"x")
    assert readable(reader, 0)
    os.close(reader)
    os.close(writer)


def test_readable_takes_a_descriptor_beyond_those_of_select() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1100:
        pytest.skip("this process may not open 1,100 files")
    reader, writer = os.pipe()
    high = os.dup2(reader, 1090)
    try:
        os.write(writer, b"x")
        assert readable(high, 0)
    finally:
        for descriptor in (reader, writer, high):
            os.close(descriptor)
