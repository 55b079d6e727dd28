"""A build that runs out of memory is tried once more, alone, in a larger slot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bot.build.memory import larger, with_enough_memory
from bot.sandbox.values import Finished, Limit, Limits

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("memory", "machine", "found"), [(100, 1000, 200), (100, 200, 150), (100, 160, None)]
)
def test_the_larger_slot_is_twice_as_large_or_most_of_the_machine(
    memory: int, machine: int, found: int | None
) -> None:
    limits = larger(Limits(memory=memory), machine)
    assert (limits and limits.memory) == found


class Build:
    """A build that needs so much memory; notes the memory of each try, and what was held then."""

    def __init__(self, needs: int, limit: Limit = "memory") -> None:
        self.needs, self.limit = needs, limit
        self.tries: list[tuple[int, bool]] = []
        self.held = False

    def run(self, limits: Limits) -> Finished:
        self.tries.append((limits.memory, self.held))
        ended = self.limit if limits.memory < self.needs else None
        return Finished(0, b"", b"", ended, 1.0)

    @contextmanager
    def alone(self) -> Iterator[None]:
        self.held = True
        yield
        self.held = False


@pytest.mark.parametrize(
    ("needs", "tries", "limit"),
    [
        (90, [(100, False)], None),
        (150, [(100, False), (200, True)], None),
        (900, [(100, False), (200, True)], "memory"),
    ],
)
def test_a_second_try_is_alone_and_the_last(
    needs: int, tries: list[tuple[int, bool]], limit: Limit | None
) -> None:
    build = Build(needs)
    finished, limits = with_enough_memory(build.run, Limits(memory=100), build.alone, 1000)
    assert build.tries == tries
    assert (finished.limit, limits.memory) == (limit, tries[-1][0])


def test_another_limit_is_no_reason_for_a_second_try() -> None:
    build = Build(900, "time")
    with_enough_memory(build.run, Limits(memory=100), build.alone, 1000)
    assert build.tries == [(100, False)]
