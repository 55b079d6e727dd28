"""A RabbitMQ for the tests: an ordinary process, on ports of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.demo.run.setup import free_port

# Debian's command in /usr/sbin would change the user.
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_SECONDS = 240.0


@contextmanager
def rabbitmq() -> Iterator[str]:
    """The URL of a new RabbitMQ; skips where none is installed."""
    if not _SERVER.exists() or shutil.which("epmd") is None:
        pytest.skip("RabbitMQ is not installed (Debian's package rabbitmq-server)")
    with tempfile.TemporaryDirectory(prefix="rabbitmq-") as name:
        folder = Path(name)
        port, between_nodes, mapper = free_port(), free_port(), free_port()
        environment = _environment(folder, port, between_nodes, mapper)
        (folder / "plugins").write_text("[].")
        with (folder / "log").open("wb") as log:
            started = subprocess.Popen(
                [str(_SERVER)], env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder
            )
        try:
            _wait(started, folder / "log")
            yield f"amqp://guest:guest@127.0.0.1:{port}/"
        finally:
            started.terminate()
            started.wait()
            # Erlang's port mapper, which the server has started for this port.
            subprocess.run(["epmd", "-kill"], env=environment, check=False, capture_output=True)


def _environment(folder: Path, port: int, between_nodes: int, mapper: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # where its cookie is
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(between_nodes),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }


def _wait(started: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while b"Server startup complete" not in log.read_bytes():
        if started.poll() is not None or time.monotonic() > until:
            raise AssertionError(log.read_text(errors="replace")[-3000:])
        time.sleep(0.1)
