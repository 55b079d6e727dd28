"""What a run takes of a disk: its quota, and never the reserve."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.sandbox import disk
from bot.sandbox.disk import DiskRoom, used_bytes
from bot.sandbox.run import run_sandboxed, sandbox_available
from bot.sandbox.values import Bind, Limits, RunResult, SandboxError

needs_sandbox = pytest.mark.skipif(
    sandbox_available() is not None, reason=f"no sandbox here: {sandbox_available()}"
)
MEBIBYTE = 1024 * 1024
LARGE = Limits(seconds=300, file_size=1 << 40, disk=1 << 40, memory=1024 * MEBIBYTE)


def free(directory: Path) -> int:
    state = os.statvfs(directory)
    return state.f_bavail * state.f_frsize


def writing(tmp_path: Path, script: str, limits: Limits) -> RunResult:
    binds = [Bind(tmp_path, "/out", writable=True)]
    return run_sandboxed(["/usr/bin/python3", "-c", script], binds=binds, limits=limits)


# By writing as fast as two processes can, by preallocating, by pages of a mapping, by many files.
TAKING = {
    "writing": (
        "import os\nos.fork()\nfile = open(f'/out/{os.getpid()}', 'wb', 0)\n"
        "while True: file.write(b'x' * (4 << 20))"
    ),
    "preallocating": (
        "import os\nfile = open('/out/x', 'wb', 0)\n"
        "while True: os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, 1 << 30)"
    ),
    "mapping": (
        "import mmap, os\nfile = open('/out/x', 'w+b', 0)\nfile.truncate(1 << 34)\n"
        "pages = mmap.mmap(file.fileno(), 1 << 34)\n"
        "for page in range(0, 1 << 34, 4096): pages[page] = 1"
    ),
}


@needs_sandbox
@pytest.mark.parametrize("way", TAKING)
def test_the_reserve_of_a_disk_is_kept(tmp_path: Path, monkeypatch, way: str) -> None:
    # A busy machine looks late, and others write to the same disk meanwhile.
    monkeypatch.setattr(disk, "_MARGIN", 1536 * MEBIBYTE)
    reserve = free(tmp_path) - 2048 * MEBIBYTE
    monkeypatch.setattr(disk, "RESERVE_BYTES", reserve)
    found = writing(tmp_path, TAKING[way], LARGE)
    assert found.limit == "disk"
    assert free(tmp_path) > reserve
    for path in tmp_path.iterdir():
        path.unlink()


@needs_sandbox
def test_a_run_has_a_quota_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "before").write_bytes(b"x" * (8 * MEBIBYTE))
    script = (
        "import time\nfor name in range({count}):\n"
        "    with open(f'/out/{{name}}', 'wb') as file: file.write(b'x' * (1 << 20))\n"
        "    time.sleep(0.05)\n"
    )
    small, large = Limits(300, disk=16 * MEBIBYTE), Limits(300, disk=400 * MEBIBYTE)
    # It would write 2,000 MiB, and takes so long that a busy machine looks in time.
    assert writing(tmp_path, script.format(count=2000), small).limit == "disk"
    assert used_bytes(tmp_path) < 500 * MEBIBYTE
    assert writing(tmp_path, script.format(count=40), large).limit is None


@needs_sandbox
def test_a_disk_without_room_starts_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(disk, "RESERVE_BYTES", 2 * free(tmp_path))
    with pytest.raises(SandboxError, match="The disk of"):
        writing(tmp_path, "", LARGE)


def test_a_disk_that_is_nearly_full_is_looked_at_more_often(tmp_path: Path, monkeypatch) -> None:
    room = DiskRoom([tmp_path], MEBIBYTE)
    monkeypatch.setattr(disk, "RESERVE_BYTES", 0)
    often = room.pause()
    monkeypatch.setattr(disk, "RESERVE_BYTES", free(tmp_path))
    assert room.pause() < often
    assert DiskRoom([], 0).pause() == often
    assert DiskRoom([], 0).short() is None


def test_used_bytes_are_those_on_disk(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/sparse").touch()
    os.truncate(tmp_path / "below/sparse", 1 << 30)
    (tmp_path / "link").symlink_to("/usr")
    assert used_bytes(tmp_path) < MEBIBYTE
    (tmp_path / "below/full").write_bytes(os.urandom(2 * MEBIBYTE))
    assert 2 * MEBIBYTE <= used_bytes(tmp_path) < 3 * MEBIBYTE
    assert used_bytes(tmp_path / "nothere") == 0
