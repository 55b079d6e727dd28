"""Functions called in a process of their own, and the limits of it."""

from __future__ import annotations

import importlib
import os
import re
import signal
import time
from pathlib import Path

import pytest

from bot.limited import call
from bot.limited.call import MEBIBYTE, CallLimits, LimitError, call_limited
from bot.limited.forker import READERS, UnreadableError

LIMITS = CallLimits(seconds=30.0, memory=32 * MEBIBYTE, answer=1000)


def joined(first: str, second: str) -> bytes:
    return f"{first} {second} {os.getpid()}".encode()


def first_bytes(size: int, descriptor: int) -> bytes:
    return os.pread(descriptor, size, 0)


def refusing() -> bytes:
    raise UnreadableError("it is no list")


def failing() -> bytes:
    raise KeyError("a fault of ours")


def growing() -> bytes:
    return b"".join(bytes(MEBIBYTE) for _ in range(1000))


def long_answer(size: int) -> bytes:
    return bytes(size)


def backtracking() -> bytes:
    re.match(r"(a+)+b", "a" * 60)
    return b""


def killed() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def effects(place: Path) -> bytes:
    found = []
    for effect in (lambda: place.write_text("x"), os.fork):
        try:
            effect()
        except OSError:
            found.append("refused")
        else:
            found.append("done")
    return ",".join(found).encode()


def test_a_function_is_called_with_its_arguments_in_another_process():
    first, second, process = call_limited(joined, "a", "b").split()
    assert (first, second) == (b"a", b"b")
    assert int(process) != os.getpid()


def test_it_reads_the_descriptors_that_it_is_given(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with (tmp_path / "file").open("rb") as stream:
        assert call_limited(first_bytes, 4, descriptors=[stream.fileno()]) == b"cont"


def test_a_refusal_arrives_with_its_words():
    with pytest.raises(UnreadableError, match=r"^it is no list$"):
        call_limited(refusing)


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (growing, (), "more than 32 MiB of memory"),
        (long_answer, (1002,), "more than 1000 bytes"),
        (killed, (), "or fails"),
        (failing, (), "or fails"),
    ],
)
def test_a_limit_ends_the_call_and_the_next_one_works(function, arguments, words):
    with pytest.raises(LimitError, match=words):
        call_limited(function, *arguments, limits=LIMITS)
    assert call_limited(long_answer, 1000, limits=LIMITS) == bytes(1000)


def test_what_does_not_end_is_ended_in_its_time():
    started = time.monotonic()
    with pytest.raises(LimitError, match=r"more than 0\.5 s"):
        call_limited(backtracking, limits=CallLimits(seconds=0.5))
    assert time.monotonic() - started < call._STARTING


def test_it_writes_no_file(tmp_path):
    answer = call_limited(effects, tmp_path / "new")
    assert answer.split(b",")[0] == b"refused"


def test_a_dead_forker_is_started_again():
    call_limited(long_answer, 1)
    process = call._FORKER._process
    assert process is not None
    process.kill()
    assert call_limited(long_answer, 1) == b"\0"


@pytest.mark.parametrize("name", READERS)
def test_the_modules_of_readers_are_there(name):
    importlib.import_module(name)
