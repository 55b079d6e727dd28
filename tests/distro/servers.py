"""Servers on this machine that want to know who asks: TLS with a client's certificate, passwords,
proxies.
"""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Served:
    """A server of the files below `root`, with its recorded requests: paths and headers."""

    url: str = ""
    root: Path | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    password: str | None = None
    answer: Callable[[BaseHTTPRequestHandler], bool] = lambda _handler: False

    def headers(self, name: str) -> set[str | None]:
        """Return the values of this header in all requests."""
        return {headers.get(name) for _, headers in self.requests}


class QuietServer(ThreadingHTTPServer):
    """A server whose clients may hang up."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class QuietHandler(BaseHTTPRequestHandler):
    """A handler that keeps connections open and writes no log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serve(served: Served, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            served.requests.append((self.path, dict(self.headers)))
            if served.answer(self):
                return
            if served.password and self.headers.get("Authorization") != served.password:
                self._say(401, b"")
            elif self.path in served.redirects:
                self._say(302, b"", Location=served.redirects[self.path])
            elif self.path.startswith("http://"):
                opener = build_opener(ProxyHandler({}))
                with opener.open(Request(self.path, headers=_plain(self.headers))) as answer:
                    self._say(answer.status, answer.read())
            else:
                assert served.root is not None
                path = served.root / self.path.lstrip("/")
                self._say(200, path.read_bytes()) if path.is_file() else self._say(404, b"")

        def _say(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = QuietServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    with running(server):
        served.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
        yield served


@contextmanager
def running(server: HTTPServer) -> Iterator[str]:
    """Run a server in a thread for a block; yield its URL."""
    if isinstance(server, ThreadingHTTPServer):
        server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _plain(headers: Any) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower().startswith(("if-", "range", "auth"))}


# What a server's certificate is for, beside the address 127.0.0.1; nobody's on the Internet.
NAME = "server.example"


@dataclass(frozen=True)
class Authority:
    """A certificate authority of one's own; its files and a client's, and a server's TLS."""

    certificate: Path
    client: Path
    key: Path
    server: ssl.SSLContext


def make_authority(folder: Path) -> Authority:
    folder.mkdir()
    root_key, root = _issue("root", None, None, folder)
    _, server = _issue("server", root_key, root, folder)
    _issue("client", root_key, root, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    context.load_verify_locations(folder / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    assert server is not None
    return Authority(folder / "root.pem", folder / "client.pem", folder / "client-key.pem", context)


def _issue(name: str, key_of: Any, issuer: Any, folder: Path) -> tuple[Any, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName(NAME)]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is None:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        builder = builder.add_extension(
            x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True
        )
    else:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
    certificate = builder.sign(key_of or key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
    (folder / f"{name}-key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return key, certificate
