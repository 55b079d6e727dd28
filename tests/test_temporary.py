"""Temporary directories of killed runs are swept; living ones and other people's are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.temporary import sweep_temporary_directories, temporary_directory

HOME = Path(__file__).parents[1]
HOLDS = """
import sys, time
from pathlib import Path
from bot.temporary import temporary_directory
with temporary_directory("change", Path(sys.argv[1])) as folder:
    (folder / "base").mkdir()
    print(folder, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_run_leaves_is_swept_and_not_before(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], cwd=HOME, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            left = Path(process.stdout.readline().strip())
            assert sweep_temporary_directories(tmp_path) == []
            assert (left / "base").is_dir()
        finally:
            process.kill()
    assert sweep_temporary_directories(tmp_path) == [left]
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_gone_afterwards_and_not_swept_in_its_own_run(tmp_path: Path) -> None:
    with temporary_directory("spec", tmp_path) as folder:
        assert folder.name.startswith("minimize-spec-")
        assert sweep_temporary_directories(tmp_path) == []
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_ours_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = ["minimize-demo-x", "minimize-specs", "other-spec-x"]
    for name in (*others, "minimize-spec-old"):
        (tmp_path / name).mkdir()
    (tmp_path / "minimize-change-file").touch()
    (tmp_path / "minimize-change-link").symlink_to(tmp_path / "other-spec-x")
    own = os.getuid()
    monkeypatch.setattr("bot.temporary.os.getuid", lambda: own + 1)
    assert sweep_temporary_directories(tmp_path) == []
    monkeypatch.setattr("bot.temporary.os.getuid", lambda: own)
    assert sweep_temporary_directories(tmp_path) == [tmp_path / "minimize-spec-old"]
    assert {path.name for path in tmp_path.iterdir()} == {
        *others, "minimize-change-file", "minimize-change-link",
    }  # fmt: skip
