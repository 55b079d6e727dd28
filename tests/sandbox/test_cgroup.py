"""Control groups: where they can be made, what they hold, what is left; waiting for descriptors."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bot
from bot.sandbox import cgroup
from bot.sandbox.cgroup import Hierarchy, control_group, find_hierarchy, hierarchy
from bot.sandbox.run import run_sandboxed, sandbox_available
from bot.sandbox.values import Limits, SandboxError
from bot.sandbox.watch import readable

needs_groups = pytest.mark.skipif(
    sandbox_available() is not None or hierarchy() is None, reason="no control groups here"
)
MEBIBYTE = 1024 * 1024
LIMITS = Limits(seconds=120, memory=160 * MEBIBYTE, processes=40, tmp=1024 * MEBIBYTE)


def proc(directory: Path, mounts: list[str], groups: str) -> Path:
    """A /proc/self with these mounts and groups."""
    made = directory / "self"
    made.mkdir()
    (made / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    (made / "cgroup").write_text(groups)
    return made


def mount(kind: str, root: str, place: Path, options: str) -> str:
    escaped = str(place).replace(" ", "\\040")
    return f"31 23 0:28 {root} {escaped} rw shared:1 - {kind} x {options}"


def group(path: Path, controllers: str = "cpu memory pids") -> Path:
    """A directory like one of version 2; what is written there, nobody reads."""
    path.mkdir(parents=True)
    (path / "cgroup.controllers").write_text(controllers)
    (path / "cgroup.subtree_control").write_text("")
    (path / "cgroup.procs").write_text("")
    return path


def test_version_two_as_a_container_has_its_own_group(tmp_path: Path) -> None:
    top = group(tmp_path / "with space")
    hierarchy = find_hierarchy(proc(tmp_path, [mount("cgroup2", "/", top, "rw")], "0::/\n"))
    assert hierarchy == Hierarchy(2, {"memory": top, "pids": top})
    assert (top / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_version_two_as_root_without_delegation_is_a_group_at_the_top(tmp_path: Path) -> None:
    top = group(tmp_path / "top")
    group(top / "system.slice/minimize.service")
    group(top / "minimize")
    lines = [mount("cgroup2", "/", top, "rw,nsdelegate")]
    hierarchy = find_hierarchy(
        proc(tmp_path, lines, "0::/system.slice/minimize.service\n"), root=True
    )
    assert hierarchy is not None
    assert hierarchy.parents["memory"] == top / "minimize"


def test_version_two_as_a_user_is_the_own_group_if_it_is_left_to_the_user(tmp_path: Path) -> None:
    top = group(tmp_path / "top")
    own = group(top / "user.slice/run-1.scope")
    group(own / "minimize-main")
    lines = [mount("cgroup2", "/", top, "rw")]
    groups = "0::/user.slice/run-1.scope/minimize-main\n"
    hierarchy = find_hierarchy(proc(tmp_path, lines, groups), root=False)
    assert hierarchy is not None
    assert hierarchy.parents == {"memory": own, "pids": own}


def test_version_one_has_a_hierarchy_for_each_controller(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("memory", "pids", "cpu")}
    for place in places.values():
        (place / "mine").mkdir(parents=True)
    lines = [mount("cgroup", "/", place, f"rw,{name}") for name, place in places.items()]
    groups = "4:memory:/mine\n8:pids:/mine\n0::/\n"
    files = proc(tmp_path, lines, groups)
    as_root, as_user = find_hierarchy(files, root=True), find_hierarchy(files, root=False)
    assert as_root == Hierarchy(1, {name: places[name] for name in ("memory", "pids")})
    assert as_user == Hierarchy(1, {name: places[name] / "mine" for name in ("memory", "pids")})


@pytest.mark.parametrize(("controllers", "groups"), [("cpu", "0::/\n"), ("", "0::/\n"), ("", "")])
def test_without_the_controllers_there_is_no_hierarchy(
    tmp_path: Path, controllers: str, groups: str
) -> None:
    top = group(tmp_path / "top", controllers)
    (top / "cgroup.subtree_control").unlink()
    (top / "cgroup.subtree_control").mkdir()  # the kernel refuses what is written
    lines = [mount("cgroup2", "/", top, "rw")] if groups else []
    assert find_hierarchy(proc(tmp_path, lines, groups)) is None
    assert find_hierarchy(tmp_path / "nothere") is None


def test_without_groups_nothing_is_run_unless_that_is_wanted(monkeypatch) -> None:
    monkeypatch.setattr(cgroup, "_required", True)
    refused = pytest.raises(SandboxError, match="to limit the memory")
    with refused as raised, control_group(LIMITS, None):
        pass
    assert "without_memory_limit: run strangers' code anyway" in raised.value.hint
    cgroup.run_without_control_groups()
    with control_group(LIMITS, None) as control:
        assert control.entrances == ()
        assert control.usage() is None
        assert control.exceeded() is None


def test_limits_of_version_two_are_exact(tmp_path: Path) -> None:
    parent = group(tmp_path / "top")
    where = Hierarchy(2, dict.fromkeys(("memory", "pids"), parent))
    with control_group(Limits(memory=1000, tmp=24, processes=10), where) as control:
        (entrance,) = control.entrances
        own = entrance.parent
        assert (own / "memory.max").read_text() == "1000"
        assert int((own / "pids.max").read_text()) >= 10
        assert control.exceeded() is None
        (own / "pids.events").write_text("max 3\n")
        assert control.exceeded() == "processes"
        (own / "memory.events").write_text("low 0\noom_kill 1\n")
        assert control.exceeded() == "memory"
        for path in own.iterdir():
            path.unlink()
    assert not own.exists()


# Each takes more memory than there may be, by another way; 64 MiB at a time where that is possible.
KINDS = {
    "anonymous": "while True: held.append(b'x' * (64 << 20))",
    "memfd": """
while True:
    held.append(os.memfd_create('x'))
    for _ in range(64): os.write(held[-1], b'x' * (1 << 20))
""",
    "files in /tmp": """
while True:
    with open(f'/tmp/{len(held)}', 'wb') as file:
        for _ in range(32): file.write(b'x' * (1 << 20))
    held.append(0)
""",
    "shared memory": """
import mmap
while True:
    held.append(mmap.mmap(-1, 64 << 20))
    for page in range(0, 64 << 20, 4096): held[-1][page] = 1
""",
    "sockets of unix": """
while True:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    held.append(pair); pair[0].setblocking(False)
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    try:
        while True: pair[0].send(b'x' * 65536)
    except BlockingIOError: pass
    if len(held) == 2000 and os.fork() == 0: held.clear()
""",
    "inodes": """
number = 0
while True:
    number += 1
    os.close(os.open(f'/tmp/{number}', os.O_CREAT | os.O_WRONLY))
""",
}


@needs_groups
@pytest.mark.parametrize("kind", KINDS)
def test_memory_of_every_kind_is_counted_together(kind: str) -> None:
    script = f"import os, socket\nheld = []\n{KINDS[kind]}"
    result = run_sandboxed(["/usr/bin/python3", "-c", script], limits=LIMITS)
    assert result.limit == "memory", result


@needs_groups
def test_processes_are_counted() -> None:
    script = "b() { b | b & }; b; sleep 60"
    assert run_sandboxed(["bash", "-c", script], limits=LIMITS).limit == "processes"


@needs_groups
def test_what_a_killed_process_left_is_ended_by_the_next_run(tmp_path: Path) -> None:
    where = hierarchy()
    assert where is not None
    script = (
        "import os, subprocess, time\n"
        "from bot.sandbox.cgroup import control_group, hierarchy\n"
        "from bot.sandbox.values import Limits\n"
        "with control_group(Limits(), hierarchy()) as group:\n"
        "    child = subprocess.Popen(['sleep', '86413'])\n"
        "    for entrance in group.entrances: entrance.write_text(str(child.pid))\n"
        "    print(group.entrances[0].parent, flush=True)\n"
        "    time.sleep(3600)\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(bot.__file__).parents[1]))
    starter = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    left = Path(starter.stdout.readline().strip())
    assert left.is_dir()
    # From here on a sandbox of another process may remove it, too.
    starter.kill()
    starter.wait()
    starter.stdout.close()
    with control_group(LIMITS, where) as mine:
        deadline = time.monotonic() + 60
        while left.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not left.exists()
        # One in use stays, for it is locked.
        with control_group(LIMITS, where):
            assert all(entrance.exists() for entrance in mine.entrances)


@needs_groups
def test_a_group_in_use_is_locked() -> None:
    with control_group(LIMITS, hierarchy()) as mine:
        handle = os.open(mine.entrances[0].parent, os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(handle)


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
