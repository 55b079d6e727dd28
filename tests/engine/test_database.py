"""The engine's database: its tables are created once, and its statements have few texts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.database import create_tables, database_engine
from bot.engine.engine import even_batches
from tests.databases import postgres

TOGETHER = 6


def test_processes_that_start_at_once_create_the_tables_once() -> None:
    with postgres() as url:
        engines = [database_engine(url) for _ in range(TOGETHER)]
        meeting = threading.Barrier(TOGETHER)

        def create(engine: sa.Engine) -> None:
            with engine.connect():
                meeting.wait()
            for number in range(20):
                tables = sa.MetaData()
                sa.Table(f"t{number}", tables, sa.Column("id", sa.Text, primary_key=True))
                create_tables(engine, tables)

        with ThreadPoolExecutor(TOGETHER) as threads:
            list(threads.map(create, engines))
        for engine in engines:
            engine.dispose()


@given(st.integers(0, 1000))
def test_all_ids_are_there_in_lists_of_few_lengths(count: int) -> None:
    ids = [str(number) for number in range(count)]
    batches = list(even_batches(ids))
    assert {len(batch) for batch in batches} <= {3, 30, 300}
    assert {each for batch in batches for each in batch} == set(ids)
