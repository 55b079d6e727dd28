"""What may be read is on the Internet: decided before a connection is made, on every way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from bot.distro import connections, http
from bot.distro.connections import PrivateAddressError, Reach, is_public, public_addresses
from bot.distro.failover import FEW
from bot.distro.mirrors import read_mirrorlist
from bot.errors import SurroundingsError
from bot.model.package import NO_ACCESS
from tests.distro.servers import Served, serve

PUBLIC = ("8.8.8.8", "2606:4700::1", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8")
OTHERS = (
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.8"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "ff0e::1", "2001::1"),
    *("::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
    *("2002:7f00:1::1", "2002:a9fe:a9fe::", "3fff::1", "5f00::1", "2001:db8::1"),
)


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_on_the_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", OTHERS)
def test_an_address_of_a_local_network_is_not_however_it_is_written(text: str) -> None:
    assert not is_public(ip_address(text))


@contextmanager
def port(*, open_: bool) -> Iterator[tuple[int, list[object]]]:
    """A port of this machine, and the connections that were made to it."""
    connections: list[object] = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if open_:
            server.listen()

            def accept() -> None:
                try:
                    while True:
                        connections.append(server.accept())
                except OSError:
                    return

            threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], connections
        server.shutdown(socket.SHUT_RDWR) if open_ else None


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_open_and_closed_ports_answer_alike_and_see_no_connection(
    scheme: str, tmp_path: Path
) -> None:
    texts = []
    for open_ in (True, False):
        with port(open_=open_) as (number, connections):
            url = f"{scheme}://localhost:{number}/x"
            with pytest.raises(PrivateAddressError) as caught:
                http.download(url, tmp_path / "x", 10, reach=Reach(public_only=True))
            texts.append(str(caught.value))
            assert connections == []
    assert texts[0] == texts[1]


def test_a_host_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [(0, 0, 0, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    with pytest.raises(PrivateAddressError, match=r"10\.0\.0\.1"):
        public_addresses("both.example", 80)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    (tmp_path / "file").write_bytes(b"secret")
    with serve(Served(root=tmp_path)) as first, serve(Served(root=tmp_path)) as second:
        first.redirects["/away"] = f"{second.url}/file"
        yield first, second


def test_a_server_on_the_internet_does_not_send_us_into_a_local_network(
    two: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    assert http.get(f"{first.url}/away", 10).content == b"secret"
    second.requests.clear()
    monkeypatch.setattr(connections, "is_on_internet", lambda _url: True)
    with pytest.raises(PrivateAddressError):
        http.get(f"{first.url}/away", 10, retry_policy=FEW)
    assert second.requests == []


def test_a_proxy_is_not_asked_for_a_local_network(
    two: tuple[Served, Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, _ = two
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    connections.close_connections()
    try:
        for host in ("10.0.0.1", "[64:ff9b::7f00:1]", "localhost", "metadata", "x.internal"):
            with pytest.raises(SurroundingsError, match="not read"):
                http.download(f"http://{host}/x", tmp_path / "x", 10, reach=Reach(public_only=True))
        assert proxy.requests == []
    finally:
        monkeypatch.undo()
        connections.close_connections()


def test_a_list_of_mirrors_does_not_send_us_to_our_own_disk(two: tuple[Served, Served]) -> None:
    first, _ = two
    assert first.root is not None
    (first.root / "list").write_text("file:///etc/\nhttps://mirror.example/r/\n")
    mirrors = read_mirrorlist(f"{first.url}/list", NO_ACCESS, FEW)
    assert mirrors.base_urls == ("https://mirror.example/r/",)
