"""Downloads side by side: as many connections to one host as are allowed, and all that is asked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.distro import connections
from bot.distro.cache import Cache
from bot.distro.packages import fetch_packages
from bot.model.nevra import Nevra
from bot.model.package import Location, Package
from tests.distro.servers import running


class Busy:
    """How many connections are open, and were at once; answers wait until enough are there."""

    def __init__(self, wanted: int) -> None:
        self.guard = threading.Lock()
        self.open = self.most = 0
        self.enough = threading.Barrier(wanted)
        self.url = ""


@pytest.fixture
def busy() -> Iterator[Busy]:
    state = Busy(connections.CONNECTIONS)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def setup(self) -> None:
            super().setup()
            with state.guard:
                state.open += 1
                state.most = max(state.most, state.open)

        def finish(self) -> None:
            super().finish()
            with state.guard:
                state.open -= 1

        def do_GET(self) -> None:
            # All allowed connections are used at once, or this ends in an error.
            state.enough.wait(timeout=90)
            content = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as state.url:
        yield state
    connections.close_connections()


def test_one_host_gets_a_bounded_number_of_connections(busy: Busy, tmp_path: Path) -> None:
    def package(number: int) -> Package:
        content = f"/{number}.rpm".encode()
        location = Location(
            f"{busy.url}/{number}.rpm", "sha256", hashlib.sha256(content).hexdigest(), len(content)
        )
        return Package(Nevra(f"p{number}", 0, "1", "1", "noarch"), "p", "r", location=location)

    count = connections.CONNECTIONS * 4
    paths = fetch_packages(
        [package(n) for n in range(count)], Cache(tmp_path / "cache"), jobs=count
    )
    assert [path.read_bytes() for path in paths] == [f"/{n}.rpm".encode() for n in range(count)]
    assert busy.most == connections.CONNECTIONS
