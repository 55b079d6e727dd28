"""Where the sandbox cannot work, and what holds it: slots, control groups, remedies."""

from __future__ import annotations

import os

import pytest

from bot.sandbox import launch, slots
from bot.sandbox.cgroup import control_group
from bot.sandbox.remedies import namespace_remedy
from bot.sandbox.values import Limits, SandboxError

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
    monkeypatch.setattr(slots, "SLOTS", 1)
    monkeypatch.setattr(slots, "runtime_directory", lambda: tmp_path)
    with slots.uid_slot(), pytest.raises(SandboxError, match="same time"), slots.uid_slot():
        pass


def hierarchy(directory, controllers="cpu memory pids"):
    for path in (directory, directory / "minimize"):
        path.mkdir(exist_ok=True)
        (path / "cgroup.controllers").write_text(controllers)
        (path / "cgroup.subtree_control").write_text("")
    return directory


def test_without_the_controllers_there_is_no_control_group(tmp_path):
    with control_group("x", Limits(), hierarchy(tmp_path, "cpu")) as group:
        assert group.directory is None
        assert group.processes is None
        assert group.exceeded() is None
    with control_group("x", Limits(), tmp_path / "nothere") as group:
        assert group.directory is None


@as_root
def test_a_control_group_holds_the_limits_and_names_what_it_ended(tmp_path):
    # A directory in the place of the kernel's: what is written is what the kernel would be told.
    limits = Limits(memory=1000, tmp=24, processes=10)
    with control_group("run", limits, hierarchy(tmp_path)) as group:
        assert group.directory == tmp_path / "minimize/run"
        assert (group.directory / "memory.max").read_text() == "1024"
        assert int((group.directory / "pids.max").read_text()) >= 10
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"
        assert group.exceeded() is None
        (group.directory / "pids.events").write_text("max 3\n")
        assert group.exceeded() == "processes"
        (group.directory / "memory.events").write_text("low 0\noom_kill 1\n")
        assert group.exceeded() == "memory"
        for path in group.directory.iterdir():
            path.unlink()
        group.directory.rmdir()
        group.directory = None
