"""A compute process starts though the server that forks it was killed at that moment."""

from __future__ import annotations

from multiprocessing import forkserver
from typing import Any

import pytest

from bot.engine.compute_process import ComputeProcess, RunStoppedError
from tests.engine.conftest import FakeChecker


def test_a_fork_server_that_is_killed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, killed = forkserver.read_signed, [EOFError("unexpected EOF")]  # type: ignore[attr-defined]

    def read_signed(fd: Any) -> Any:
        if killed:
            raise killed.pop()
        return plain(fd)

    monkeypatch.setattr(forkserver, "read_signed", read_signed)
    process = ComputeProcess(FakeChecker, "text")
    assert process.alive
    assert killed == []
    process.end(RunStoppedError("over"))
