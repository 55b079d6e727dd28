"""A parser, and the ways in which mutated bytes are given to one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser: what it is called with, the errors by which it refuses, inputs to begin with."""

    name: str
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    strangers: bool = True


@cache
def folder() -> Path:
    made = tempfile.TemporaryDirectory(prefix="minimize-fuzz-", dir="/dev/shm")
    _kept.append(made)
    return Path(made.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def in_file(content: bytes, name: str = "input") -> Path:
    path = folder() / name
    path.write_bytes(content)
    return path


def text_of(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def with_descriptor(content: bytes, read: Callable[[int], object]) -> object:
    descriptor = os.open(in_file(content), os.O_RDONLY)
    try:
        return read(descriptor)
    finally:
        os.close(descriptor)
