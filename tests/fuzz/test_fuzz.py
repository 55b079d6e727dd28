"""Each parser with some mutated inputs; `python -m tests.fuzz` goes on with more."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.parser import Parser
from tests.fuzz.parsers import parsers
from tests.fuzz.run import SECONDS, Corpus, fuzz

INPUTS = 150


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.name)
def test_whatever_it_gets_a_parser_reads_or_refuses(parser: Parser) -> None:
    found = list(fuzz(parser, Corpus(parser), 0, INPUTS))
    assert [(one.what, one.content[:200]) for one in found] == []


def parser(read) -> Parser:
    return Parser("broken", read, (ValueError,), (b"seed",))


def uncaught(content: bytes) -> None:
    raise KeyError("uncaught")


def refusing(content: bytes) -> None:
    raise ValueError("no")


def hungry(content: bytes) -> int:
    return len(b"x" * (80 << 20))


def slow(content: bytes) -> None:
    end = time.process_time() + SECONDS + 0.2
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(
    ("read", "words"),
    [(uncaught, "KeyError: 'uncaught'"), (hungry, r"takes \d+ MiB"), (slow, r"takes .* s$")],
)
def test_what_a_parser_must_not_do_is_found(read, words: str) -> None:
    broken = parser(read)
    found = list(fuzz(broken, Corpus(broken), 0, 0))
    assert len(found) == 1
    assert re.search(words, found[0].what)


def test_a_refusal_is_no_finding() -> None:
    refuses = parser(refusing)
    assert list(fuzz(refuses, Corpus(refuses), 0, 20)) == []


def test_what_the_first_input_alone_pays_for_is_no_finding() -> None:
    read = []

    def prepare_once(content: bytes) -> None:
        if not read:
            slow(content)
        read.append(content)

    prepares = parser(prepare_once)
    assert list(fuzz(prepares, Corpus(prepares), 0, 0)) == []


def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path, capsys) -> None:
    for inputs in ("20", "50"):
        assert main(["repository-file", "--corpus", str(tmp_path), "--inputs", inputs]) == 0
    assert "50 inputs" in capsys.readouterr().out
    # Inputs are stored that reach new lines, which Python counts from 3.12 on.
    stored = list((tmp_path / "repository-file").iterdir())
    assert bool(stored) is hasattr(sys, "monitoring")
