"""Memory that is free goes back to the system, and SQLite's pages have a limit."""

from __future__ import annotations

import ctypes
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.engine.database import prepared_url
from tests.conftest import run_python
from tests.engine.conftest import settings_in

# 40 MB in small pieces below one that stays: the C library cannot shrink its heap by itself.
_FREE = """
import psutil
from bot.web.serve import give_back_memory
pieces = [bytes(20_000) for _ in range(2_000)]
stays = bytes(20_000)
del pieces
before = psutil.Process().memory_info().rss
give_back_memory()
print(before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not this C library: no malloc_trim"
)
def test_what_is_free_between_what_is_used_goes_back() -> None:
    done = run_python(_FREE)
    assert int(done.stdout) > 30_000_000


def test_the_pages_of_all_connections_have_one_limit(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as other:
        other.execute("pragma soft_heap_limit=0")
        prepared_url(settings_in(tmp_path))
        (limit,) = other.execute("pragma soft_heap_limit").fetchone()
    assert limit == 12_000_000
