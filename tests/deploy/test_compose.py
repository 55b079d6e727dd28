"""The compose file, followed: settings by its commands, and a comment by a hook through its proxy.

`MINIMIZE_COMPOSE` is a command that reads compose files: podman-compose, or docker compose. It has
the images `minimize`, `docker.io/library/postgres:17` and `docker.io/library/caddy:2`, the ports 80
and 443 are free, and containers reach this machine by the address that its packets have.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.deploy.following import operator
from tests.deploy.places import AS_SERVICE, HOME, Here, commands

PROGRAM = shlex.split(os.environ.get("MINIMIZE_COMPOSE", ""))
FOLDER = HOME / "deploy/container"
ROOT_CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"
ENVIRONMENT = "MINIMIZE_HOST=localhost\nPOSTGRES_PASSWORD=of-the-test\n"


class Composed(Here):
    """The services of the compose file, in a copy of its folder; podman or docker runs them."""

    systemd = True  # the server is no process of the test's
    more: ClassVar[dict[str, object]] = {"engine": {"database": {"env": "MINIMIZE_DATABASE_URL"}}}
    public_url = "https://localhost"
    listens_at = "0.0.0.0"

    def __init__(self, top: Path) -> None:
        self.top, self.port, self.settings = top, 8080, top / "settings"
        shutil.copy(FOLDER / "compose.yaml", top)
        (top / ".env").write_text(ENVIRONMENT)
        shutil.copytree(HOME / "config", self.settings / "documents")
        (self.settings / "documents/bot.yaml").unlink()
        self.authority = top / "root.crt"
        self.address = own_address()

    def words(self, command: str) -> list[str]:
        command = command.removeprefix(AS_SERVICE)
        if command.startswith("minimize "):
            return [*PROGRAM, "run", "--rm", "-T", "server", *shlex.split(command)[1:]]
        if command.startswith("systemctl enable "):
            return [*PROGRAM, "up", "--detach"]
        if command.startswith("curl "):
            trusted = f"--cacert {self.authority}"
            asked = command.replace("http://127.0.0.1:8080", f"{trusted} {self.public_url}")
            made = f"{shlex.join(PROGRAM)} exec -T proxy cat {ROOT_CERTIFICATE} >{self.authority}"
            return ["bash", "-c", f"{made} && {asked}"]
        return [*PROGRAM, *shlex.split(command)]

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def folders(self) -> tuple[str, str]:
        return "/var/lib/minimize", "/var/cache/minimize"

    def log(self, file: Path) -> str:
        done = self.run("logs server worker")
        return done.stdout + done.stderr


def own_address() -> str:
    """The address of this machine that packets to elsewhere have; none is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(("192.0.2.1", 9))
        return str(asked.getsockname()[0])


@pytest.fixture
def composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Composed]:
    if not PROGRAM:
        pytest.skip("MINIMIZE_COMPOSE names no command that reads compose files")
    top = tmp_path / "compose"
    top.mkdir()
    place = Composed(top)
    monkeypatch.setenv("MINIMIZE_CA_FILE", str(place.authority))
    with contextlib.ExitStack() as stack:
        stack.callback(place.run, "down --volumes")
        yield place


@pytest.mark.timeout(1800)
async def test_from_settings_to_a_comment_by_compose(composed: Composed, tmp_path: Path) -> None:
    async with operator(composed, tmp_path) as made:
        for command in commands():
            if "/opt/minimize" not in command and "apt-get" not in command:
                await made.follow(command)
        assert "rpms/tool" in made.output
        # Server and worker are both of the one database.
        done = subprocess.run(
            composed.words("exec -T database psql -U minimize -tAc"
                           " 'select distinct executor_id from dbos.workflow_status'"),
            cwd=composed.top, capture_output=True, text=True, check=True,
        )  # fmt: skip
        print(done.stdout, made.log())
