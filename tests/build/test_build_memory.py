"""The memory of builds: by the machine's; out of it, once more, alone, in a larger slot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.build import builders
from bot.build.builders import larger, slot_memory, with_enough_memory
from bot.sandbox.values import Limit, Limits, RunResult

MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024**3


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

    def run(self, limits: Limits) -> RunResult:
        self.tries.append((limits.memory, self.held))
        ended = self.limit if limits.memory < self.needs else None
        return RunResult(0, b"", b"", ended, 1.0)

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


@pytest.mark.parametrize(
    ("machine", "slot", "more"), [(2, 1.0, 1.5), (8, 4.0, 6.0), (12, 6.0, 9.0), (64, 6.0, 12.0)]
)
def test_the_memory_of_a_build_follows_the_machine_s(
    machine: int, slot: float, more: float
) -> None:
    memory = slot_memory(machine * GIBIBYTE)
    assert memory == slot * GIBIBYTE
    larger_slot = larger(Limits(memory=memory), machine * GIBIBYTE)
    assert larger_slot is not None
    assert larger_slot.memory == more * GIBIBYTE


@pytest.mark.parametrize(
    ("kind", "options", "own", "name"),
    [
        ("cgroup2", "rw", "0::/box/minimize", "memory.max"),
        ("cgroup", "rw,memory", "4:memory:/box/minimize", "memory.limit_in_bytes"),
    ],
)
def test_a_container_s_limit_is_its_machine_s_memory(
    tmp_path: Path, kind: str, options: str, own: str, name: str
) -> None:
    mount, group = tmp_path / "cgroup", tmp_path / "cgroup/box/minimize"
    group.mkdir(parents=True)
    proc = tmp_path / "self"
    proc.mkdir()
    (proc / "mountinfo").write_text(f"31 23 0:28 / {mount} rw - {kind} x {options}\n")
    (proc / "cgroup").write_text(f"3:cpu:/\n{own}\n")
    assert builders._group_limits(proc) == []
    (group / name).write_text("max\n")
    (group.parent / name).write_text(f"{GIBIBYTE}\n")
    assert builders._group_limits(proc) == [GIBIBYTE]


def test_without_a_control_groups_limit_the_machines_memory_counts(monkeypatch) -> None:
    monkeypatch.setattr(builders, "_group_limits", list)
    assert builders.machine_memory.__wrapped__() == builders.psutil.virtual_memory().total
