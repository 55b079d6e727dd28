"""Where the sandbox cannot work, and what holds it: slots, control groups, remedies."""

from __future__ import annotations

import os

import pytest

from bot.sandbox import launch, slots
from bot.sandbox.remedies import namespace_remedy
from bot.sandbox.values import SandboxError

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
