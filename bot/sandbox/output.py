"""Destinations of a sandbox's output, with a limit on its size."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import IO, Protocol

_TAIL = 64 * 1024


class Sink(Protocol):
    """A destination of both streams."""

    def take(self, data: bytes, *, is_error: bool) -> bool: ...

    def result(self) -> tuple[bytes, bytes]: ...

    def __enter__(self) -> Sink: ...

    def __exit__(self, *_: object) -> None: ...


class OutputSink:
    """Stores both streams in memory, up to a total number of bytes."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._streams = (bytearray(), bytearray())

    def take(self, data: bytes, *, is_error: bool) -> bool:
        self._streams[is_error].extend(data[: max(self._left, 0)])
        self._left -= len(data)
        return self._left >= 0

    def result(self) -> tuple[bytes, bytes]:
        return bytes(self._streams[0]), bytes(self._streams[1])

    def __enter__(self) -> OutputSink:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Logged:
    """Writes both streams to a file as they arrive, and stores the end in memory."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._left = limit
        self._tail: deque[bytes] = deque()
        self._size = 0
        self._file: IO[bytes] | None = None

    def take(self, data: bytes, *, is_error: bool) -> bool:
        del is_error
        assert self._file is not None
        self._file.write(data[: max(self._left, 0)])
        self._file.flush()
        self._left -= len(data)
        self._tail.append(data)
        self._size += len(data)
        while self._size - len(self._tail[0]) >= _TAIL:
            self._size -= len(self._tail.popleft())
        return self._left >= 0

    def result(self) -> tuple[bytes, bytes]:
        return b"".join(self._tail)[-_TAIL:], b""

    def __enter__(self) -> Logged:
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
