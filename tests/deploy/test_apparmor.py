"""`deploy/install --apparmor`: a profile for bubblewrap, in the place of the distribution's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
PROFILE = HOME / "deploy/apparmor/minimize-bwrap"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the profile is root's to load")


def installed(
    folder: Path, tmp_path: Path, *, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    """`deploy/install --apparmor` with a parser that writes down what it is given."""
    programs = tmp_path / "bin"
    programs.mkdir()
    parser = programs / "apparmor_parser"
    status = 1 if fails else 0
    parser.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\nexit {status}\n')
    parser.chmod(0o755)
    return subprocess.run(
        [str(HOME / "deploy/install"), "--apparmor"],
        env={"PATH": f"{programs}:/usr/bin:/bin", "APPARMOR": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@needs_root
def test_the_profile_is_loaded_and_the_distribution_s_taken_out(tmp_path: Path) -> None:
    folder = tmp_path / "apparmor.d"
    folder.mkdir()
    (folder / "bwrap-userns-restrict").write_text("profile bwrap /usr/bin/bwrap {}\n")
    (folder / "of-the-site").write_text("  profile ours @{bin}/bwrap flags=(complain) {}\n")
    (folder / "flatpak").write_text("profile flatpak /usr/bin/flatpak {}\n# not /usr/bin/bwrap {\n")
    done = installed(folder, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{folder}/minimize-bwrap\n")
    assert (folder / "minimize-bwrap").read_bytes() == PROFILE.read_bytes()
    taken_out = {"bwrap-userns-restrict", "of-the-site"}
    assert {path.name for path in (folder / "disable").iterdir()} == taken_out
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"-R {folder}/bwrap-userns-restrict",
        f"-R {folder}/of-the-site",
        f"-r {folder}/minimize-bwrap",
    ]


@needs_root
def test_a_profile_that_the_kernel_refuses_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "apparmor.d"
    folder.mkdir()
    done = installed(folder, tmp_path, fails=True)
    assert done.returncode == 1
    assert "does not take" in done.stderr


def test_the_profile_allows_user_namespaces_to_bwrap() -> None:
    text = PROFILE.read_text()
    assert "profile minimize-bwrap /{usr/,}bin/bwrap flags=(unconfined) {" in text
    assert "\n  userns,\n" in text
