"""The ten commands of deploy/README.md, as they stand there: from an empty system to a comment.
Then those of an upgrade, a backup and its restoring.

In a root that debootstrap has just made (`MINIMIZE_BOOTSTRAP=trixie`, some ten minutes), all of
them; in the suite those that install nothing, in folders of the test's. What a person does there,
the test does: it answers `minimize setup`, edits the settings, and starts the program of the unit,
as its user, where no systemd runs. `MINIMIZE_UPGRADE_FROM` names the commit that is installed
before the upgrade; by default this checkout's. `MINIMIZE_IMAGE` names an image of deploy/container
that podman has (docker, with `MINIMIZE_CONTAINERS=docker`): those commands are followed in it that
it can run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import click
import pytest

from bot.cli import cli
from bot.demo.run.setup import free_port
from bot.sandbox.run import sandbox_available
from tests.deploy.following import operator
from tests.deploy.places import (
    AS_SERVICE,
    CLONE,
    IMAGE,
    UNIT,
    Here,
    Image,
    Root,
    commands,
    upkeep,
)

BOOTSTRAP = os.environ.get("MINIMIZE_BOOTSTRAP", "")
OLDER = os.environ.get("MINIMIZE_UPGRADE_FROM", "HEAD")


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
async def test_from_settings_to_a_comment_on_this_machine(tmp_path: Path) -> None:
    place = Here(tmp_path, free_port())
    async with operator(place, tmp_path) as made:
        followed = [
            one for one in commands() if "/opt/minimize" not in one and "apt-get" not in one
        ]
        assert len(followed) == 7
        for command in followed:
            await made.follow(command)
        assert "rpms/tool" in made.output
        kept = [one for one in upkeep() if "/opt/minimize" not in one]
        assert len(kept) == 7
        await made.keep_up(kept)
        assert (tmp_path / "var/lib/minimize.old").is_dir()


@pytest.mark.skipif(not IMAGE, reason="MINIMIZE_IMAGE names no image")
async def test_from_settings_to_a_comment_in_a_container(tmp_path: Path) -> None:
    async with operator(Image(tmp_path, free_port(), IMAGE), tmp_path) as made:
        for command in commands():
            if "/opt/minimize" not in command and "apt-get" not in command:
                await made.follow(command)
        assert "rpms/tool" in made.output
        assert "cannot be evaluated" not in made.log()


@pytest.fixture
def empty(tmp_path: Path) -> Root:
    """A Debian that has just been bootstrapped; MINIMIZE_BOOTSTRAP names its release."""
    if not BOOTSTRAP:
        pytest.skip("minutes long: MINIMIZE_BOOTSTRAP=trixie runs it")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed, or this is not root")
    root = tmp_path / "root"
    subprocess.run(["debootstrap", "--variant=minbase", BOOTSTRAP, str(root)], check=True)
    return Root(root, 8080)


@pytest.mark.timeout(3600)
def test_from_an_empty_debian_to_the_demo_and_a_test(empty: Root) -> None:
    empty.publish("HEAD")
    for command in (
        "apt-get install -y git",
        f"git clone {CLONE} /root/minimize",
        "/root/minimize/deploy/demo",
        "/root/minimize/deploy/test tests/test_import_direction.py",
    ):
        started = time.monotonic()
        done = empty.run(command)
        print(f"{time.monotonic() - started:7.1f} s  {command}", flush=True)
        assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-5000:]}"


@pytest.mark.timeout(3600)
async def test_from_an_empty_debian_to_a_comment(empty: Root, tmp_path: Path) -> None:
    place = empty
    place.publish(OLDER)
    async with operator(place, tmp_path) as made:
        for command in commands():
            started = time.monotonic()
            await made.follow(command)
            print(f"{time.monotonic() - started:7.1f} s  {command}", flush=True)
        place.publish("HEAD")
        started = time.monotonic()
        await made.keep_up(upkeep())
        print(f"{time.monotonic() - started:7.1f} s  upgrade, backup, restore", flush=True)


def test_there_are_ten_and_each_is_a_command_of_ours_with_its_options() -> None:
    given = commands()
    assert len(given) == 10
    ours = [one.removeprefix(AS_SERVICE) for one in given]
    ours = [one for one in ours if one.startswith("minimize ")]
    assert len(ours) == 4
    for _, name, *rest in map(shlex.split, ours):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), rest.pop(0))
            assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known


def test_the_units_that_are_enabled_are_those_that_are_installed() -> None:
    (enabled,) = [one for one in commands() if one.startswith("systemctl ")]
    for unit in shlex.split(enabled)[3:]:
        name = unit if "." in unit else f"{unit}.service"
        assert (UNIT.parent / name).is_file()
