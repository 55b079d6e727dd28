"""Where the sandbox cannot work, and what holds it: slots, control groups, remedies."""

from __future__ import annotations

import os
import re

import pytest

from bot.sandbox import launch, slots
from bot.sandbox.remedies import namespace_remedy
from bot.sandbox.run import run_sandboxed, sandbox_available
from bot.sandbox.values import Bind, SandboxError

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def test_a_missing_bubblewrap_is_said_with_its_remedy(monkeypatch):
    monkeypatch.setattr(launch.shutil, "which", lambda name, path=None: None)
    with pytest.raises(SandboxError, match="bwrap is not installed") as raised:
        launch.program("bwrap")
    assert "apt-get install bubblewrap" in raised.value.hint
    assert "dnf install bubblewrap" in raised.value.hint


def test_a_container_that_forbids_namespaces_is_said_with_its_remedy():
    said = namespace_remedy("bwrap: Creating new namespace failed: Operation not permitted")
    assert "seccomp=unconfined" in said or "sysctl" in said


@as_root
def test_sandboxes_at_the_same_time_have_different_users():
    with slots.uid_slot() as first, slots.uid_slot() as second:
        assert first != second
    with slots.uid_slot() as third:
        assert third in range(slots.FIRST_UID, slots.FIRST_UID + slots.SLOTS)


@as_root
def test_there_is_an_end_to_users(monkeypatch, tmp_path):
    one = slots.OwnIds(range(slots.FIRST_UID, slots.FIRST_UID + 1), slots.IDS_BASE, slots.IDS)
    monkeypatch.setattr(slots, "own_ids", lambda: one)
    monkeypatch.setattr(slots, "runtime_directory", lambda: tmp_path)
    with slots.uid_slot(), pytest.raises(SandboxError, match="same time"), slots.uid_slot():
        pass


def test_the_table_of_mounts_takes_any_path(tmp_path):
    odd = tmp_path / "a b\tc#d\\e"
    odd.mkdir()
    (odd / "file").touch()
    table, places = launch.mount_table([odd, odd / "file"], tmp_path)
    assert places == [tmp_path / "0d", tmp_path / "1f"]
    assert places[0].is_dir() and places[1].is_file()
    sources = [line.split()[0] for line in table.splitlines()]
    assert [line.split()[1:] for line in table.splitlines()] == [
        [str(place), "none", "bind", "0", "0"] for place in places
    ]
    assert [re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), each) for each in sources] == [
        str(odd),
        str(odd / "file"),
    ]


@as_root
@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
def test_a_bind_of_an_odd_path_is_shown(tmp_path):
    odd = tmp_path / "a b#c"
    odd.mkdir()
    (odd / "file").write_text("hello")
    found = run_sandboxed(["cat", "/odd/file", "/dev/stdin"], binds=[Bind(odd, "/odd")])
    assert (found.stdout, found.stderr) == (b"hello", b"")
