"""Every client of the bot: by a proxy, around it, and with a private authority's certificate.

A broker's connection is not HTTP's: it has no proxy, and the same authorities.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aio_pika.exceptions import AMQPError

from bot.build.copr import find_copr_builds
from bot.build.external import download_within
from bot.build.fetch import SourcePolicy, SourceStore, WantedSource
from bot.build.koji_hub import KojiHub
from bot.build.service_builds import ServiceBuild
from bot.distro import connections
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot
from bot.errors import MinimizeError
from bot.forge.github.manifest import exchange_code
from bot.forge.pagure.events import read_message
from bot.forge.protocol import open_forges
from bot.forge.sender import post_delivery
from bot.git.mirror import open_mirror
from bot.image.oci import MANIFEST, push_layout
from bot.outbound.authorities import CA_VARIABLE, tls_context
from bot.settings.forges import MessageSettings, SecretReference
from bot.settings.operation import BuildService
from bot.settings.values import Settings
from bot.store.deliveries import GroupWriter
from bot.store.store import open_store
from bot.telemetry.logs import working_on
from bot.telemetry.traces import span, start_traces, stop_traces
from bot.web import health
from bot.web.messages import Messages
from tests.distro.servers import NAME, Authority, QuietHandler, QuietServer, make_authority, running

PAIR = "operator:pass%2Fword"
BASIC = "Basic b3BlcmF0b3I6cGFzcy93b3Jk"


@dataclass
class World:
    """A TLS server that answers 404, and a proxy that takes every host to it."""

    port: int = 0
    proxy: str = ""
    answered: list[str] = field(default_factory=list)
    tunnels: list[str] = field(default_factory=list)
    # The header that the proxy insists on.
    required: str | None = None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("pki") / "ca")


@pytest.fixture
def world(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()

    class Server(QuietHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            world.answered.append(self.path)
            self.send_response(404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET

    class Proxy(QuietHandler):
        def do_CONNECT(self) -> None:
            if self.headers.get("Proxy-Authorization") != world.required:
                self.send_response(407)
                self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            world.tunnels.append(self.path)
            with socket.create_connection(("127.0.0.1", world.port)) as server:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_copy, args=(server, self.connection))
                back.start()
                _copy(self.connection, server)
                back.join()
            self.close_connection = True

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = authority.certificate.parent
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    server = QuietServer(("127.0.0.1", 0), Server)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)
    monkeypatch.setattr("bot.distro.http.BACKOFF", 0.0)
    monkeypatch.delenv(CA_VARIABLE, raising=False)
    with running(server), running(proxy):
        world.port = server.server_port
        world.proxy = f"127.0.0.1:{proxy.server_port}"
        yield world
    connections.close_connections()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def metadata(url: str, folder: Path) -> None:
    source = RepoSource("r", "R", (f"{url}/r/",))
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), (source,))
    open_snapshot(document, "x86_64", Cache(folder / "cache"))


def source(url: str, folder: Path) -> None:
    store = SourceStore(Cache(folder / "cache"), SourcePolicy(public_only=False))
    store.fetch(WantedSource("Source0", "a.tar", url=f"{url}/a.tar"), "a")


def strangers_source(url: str, folder: Path) -> None:
    store = SourceStore(Cache(folder / "cache"))
    store.fetch(WantedSource("Source0", "a.tar", url=f"{url}/a.tar"), "a")


def _login(kind: str, url: str) -> None:
    (forge,) = open_forges(
        Settings.model_validate(
            {
                "forges": {
                    "one": {
                        "type": kind,
                        "api_url": url,
                        "token": {"env": "FORGE_TOKEN"},
                        "webhook_secrets": [{"env": "FORGE_TOKEN"}],
                    }
                }
            }
        )
    ).values()

    async def login() -> None:
        try:
            await forge.login()
        finally:
            await forge.close()

    asyncio.run(login())


def github(url: str, folder: Path) -> None:
    _login("github", url)


def gitlab(url: str, folder: Path) -> None:
    _login("gitlab", url)


def forgejo(url: str, folder: Path) -> None:
    _login("forgejo", f"{url}/api/v1")


def gitea(url: str, folder: Path) -> None:
    _login("gitea", f"{url}/api/v1")


def pagure(url: str, folder: Path) -> None:
    _login("pagure", f"{url}/api/0")


def koji(url: str, folder: Path) -> None:
    service = {"type": "koji", "web_url": f"{url}/koji", "files_url": f"{url}/packages"}
    KojiHub(BuildService.model_validate(service)).task(1)


def copr(url: str, folder: Path) -> None:
    service = {"type": "copr", "web_url": url, "files_url": f"{url}/results"}
    wanted = ServiceBuild("copr", "a" * 40, chroot="fedora-43-x86_64", project="me/tool")
    find_copr_builds(BuildService.model_validate(service), wanted, ["tool"])


def external_build(url: str, folder: Path) -> None:
    download_within(f"{url}/repodata/repomd.xml", folder / "repomd.xml", 1000, (url,))


def new_app(url: str, folder: Path) -> None:
    async def exchange() -> None:
        connector = aiohttp.TCPConnector(ssl=tls_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            await exchange_code(session, url, "code")

    asyncio.run(exchange())


def readiness(url: str, folder: Path) -> None:
    problem = asyncio.run(health._forge_question("one", url)())
    if problem:
        raise MinimizeError(problem)


def webhook_send(url: str, folder: Path) -> None:
    post_delivery(f"{url}/webhook/github", "secret", "ping", b"{}", timeout=90)


def registry(url: str, folder: Path) -> None:
    manifest = b"{}"
    digest = hashlib.sha256(manifest).hexdigest()
    top = {"digest": f"sha256:{digest}", "mediaType": MANIFEST}
    (folder / "index.json").write_text(json.dumps({"manifests": [top]}))
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "blobs" / "sha256" / digest).write_bytes(manifest)
    push_layout(folder, f"{urlsplit(url).netloc}/web/nginx:1")


def git(url: str, folder: Path) -> None:
    open_mirror(folder / "cache", f"{url}/a.git").fetch("a" * 40, "b" * 40)


def traces(url: str, folder: Path) -> None:
    start_traces(f"{url}/v1/traces", "tester")
    with working_on(delivery="d"), span("fetch"):
        pass
    stop_traces()


CLIENTS = (
    metadata, source, strangers_source, github, gitlab, forgejo, gitea, pagure, koji, copr,
    external_build, new_app, readiness, webhook_send, registry, git, traces,
)  # fmt: skip
Client = Callable[[str, Path], None]


def ask(client: Client, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request of a client; the server's answer is none that it likes."""
    monkeypatch.setenv("FORGE_TOKEN", "token")
    with suppress(MinimizeError):
        client(url, folder)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.__name__)
def test_a_client_goes_by_the_proxy_and_trusts_the_authority(
    client: Client, world: World, authority: Authority, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    world.required = BASIC
    monkeypatch.setenv("HTTPS_PROXY", f"http://{PAIR}@{world.proxy}")
    monkeypatch.setenv(CA_VARIABLE, str(authority.certificate))
    ask(client, f"https://{NAME}", tmp_path, monkeypatch)
    assert world.answered
    assert set(world.tunnels) == {f"{NAME}:443"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.__name__)
def test_a_client_goes_around_the_proxy_where_no_proxy_has_the_network(
    client: Client, world: World, authority: Authority, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if client in (strangers_source, registry):
        pytest.skip("it goes to no address of this machine, or without TLS")
    monkeypatch.setenv("https_proxy", f"http://{world.proxy}")
    monkeypatch.setenv("NO_PROXY", "internal.example,127.0.0.0/8")
    monkeypatch.setenv(CA_VARIABLE, str(authority.certificate))
    ask(client, f"https://127.0.0.1:{world.port}", tmp_path, monkeypatch)
    assert world.answered
    assert world.tunnels == []


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.__name__)
def test_a_client_refuses_an_authority_that_nobody_named(
    client: Client, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{world.proxy}")
    ask(client, f"https://{NAME}", tmp_path, monkeypatch)
    assert world.tunnels
    assert world.answered == []


@pytest.mark.parametrize("named", [True, False])
async def test_a_broker_is_whoever_the_same_authorities_say(
    named: bool, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CA_VARIABLE, raising=False)
    if named:
        monkeypatch.setenv(CA_VARIABLE, str(authority.certificate))
    greetings: list[bytes] = []

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings.append(await reader.read(4))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = authority.certificate.parent
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    async with await asyncio.start_server(broker, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        (tmp_path / "url").write_text(f"amqps://guest:guest@127.0.0.1:{port}/")
        url = SecretReference(file=str(tmp_path / "url"))
        settings = MessageSettings(url=url, queue="q", topics=("#",))
        store = open_store(tmp_path)
        messages = Messages("it", settings, read_message, GroupWriter(store))
        with pytest.raises((OSError, AMQPError)):
            await messages._take_all()
        store.close()
    assert greetings == ([b"AMQP"] if named else [])
