"""Tiny repositories, and a local web server with faults set by the test."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bot.distro import connections
from bot.distro import http as distro_http
from bot.distro.cache import Cache
from bot.distro.documents import Configuration, RepositoryDocument, RepoSource
from bot.distro.load import load_configuration
from tests.distro.servers import QuietHandler, QuietServer, running

PACK = {
    "": lambda content: content,
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
}
PRIMARY = b'<metadata xmlns="http://linux.duke.edu/metadata/common" packages="0"></metadata>\n'
FILELISTS = (
    b'<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="0"></filelists>\n'
)


def write_repository(
    root: Path,
    files: dict[str, bytes] | None = None,
    *,
    suffix: str = ".gz",
    timestamp: int = 1_700_000_000,
    change: Callable[[str], str] = lambda text: text,
) -> bytes:
    """Write a repository of metadata files below `root`; return the content of its repomd.xml.

    `files` are contents by type; `change` may make repomd.xml say something else.
    """
    directory = root / "repodata"
    directory.mkdir(parents=True, exist_ok=True)
    records = []
    for type_, content in (files or {"primary": PRIMARY, "filelists": FILELISTS}).items():
        packed = PACK[suffix](content)
        checksum = hashlib.sha256(packed).hexdigest()
        name = f"{checksum}-{type_}.xml{suffix}"
        (directory / name).write_bytes(packed)
        opened = hashlib.sha256(content).hexdigest()
        records.append(
            f'<data type="{type_}"><checksum type="sha256">{checksum}</checksum>'
            f'<open-checksum type="sha256">{opened}</open-checksum>'
            f'<location href="repodata/{name}"/><timestamp>{timestamp}</timestamp>'
            f"<size>{len(packed)}</size><open-size>{len(content)}</open-size></data>"
        )
    text = (
        '<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo">'
        f"<revision>{timestamp}</revision>{''.join(records)}</repomd>"
    )
    content = change(text).encode()
    (directory / "repomd.xml").write_bytes(content)
    return content


@pytest.fixture
def make_repository() -> Callable[..., bytes]:
    return write_repository


@pytest.fixture
def pack() -> dict[str, Callable[[bytes], bytes]]:
    return PACK


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def document() -> Callable[..., RepositoryDocument]:
    """Return a repository document of the given sources: base URLs, or fields by keyword."""

    def make(*baseurls: str, **fields: Any) -> RepositoryDocument:
        if fields:
            sources = (RepoSource("main", "Main", tuple(baseurls), **fields),)
        else:
            sources = tuple(
                RepoSource(f"r{n}", f"R{n}", (url,)) for n, url in enumerate(baseurls, 1)
            )
        return RepositoryDocument("d", "D", "", "", "9", ("x86_64", "aarch64"), sources)

    return make


Answer = Callable[[BaseHTTPRequestHandler, bytes | None], None]


@dataclass
class Web:
    """A server of the files below `root`.

    `answers[path]` are responses set by the test: each is used for one request.
    """

    root: Path
    url: str = ""
    ranges: bool = True
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def requests_of(self, part: str) -> list[dict[str, str]]:
        """Return the headers of each request whose path contains `part`."""
        return [headers for path, headers in self.requests if part in path]

    def on(self, path: Path | str, *answers: Answer) -> None:
        name = str(path).removeprefix(str(self.root))
        self.answers.setdefault(name, []).extend(answers)


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _content: bytes | None) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang_up(handler: BaseHTTPRequestHandler, _content: bytes | None) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut(at: int) -> Answer:
    """Return an answer that states the whole length and ends after `at` bytes."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes | None) -> None:
        assert content is not None
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:at])
        handler.close_connection = True

    return answer


def body(content: bytes, *, length: bool = True) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _content: bytes | None) -> None:
        handler.send_response(200)
        if length:
            handler.send_header("Content-Length", str(len(content)))
        else:
            handler.close_connection = True
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@pytest.fixture
def misbehave() -> dict[str, Callable[..., Answer]]:
    return {"status": status, "cut": cut, "body": body, "hang_up": hang_up}


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(distro_http, "BACKOFF", 0.0)
    served = Web(tmp_path / "web")
    served.root.mkdir()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            served.requests.append((self.path, dict(self.headers)))
            path = served.root / self.path.lstrip("/")
            content = path.read_bytes() if path.is_file() else None
            if served.answers.get(self.path):
                served.answers[self.path].pop(0)(self, content)
            elif content is None:
                status(404)(self, None)
            else:
                self._file(content)

        def _file(self, content: bytes) -> None:
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            if self.headers.get("If-None-Match") == etag:
                self.send_response(304)
                self.end_headers()
                return
            start, end = 0, len(content)
            range_ = self.headers.get("Range")
            if range_ and served.ranges:
                first, _, last = range_.removeprefix("bytes=").partition("-")
                start, end = int(first), int(last) + 1 if last else end
                if start >= len(content):
                    status(416)(self, None)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(content[start:end])))
            self.end_headers()
            self.wfile.write(content[start:end])

    with running(QuietServer(("127.0.0.1", 0), Handler)) as served.url:
        yield served
    connections.close_connections()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retry without waiting and without proxies; close the connections after the test."""
    monkeypatch.setattr(distro_http, "BACKOFF", 0.0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield
    connections.close_connections()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes documents, by id, into one directory."""

    def write(**documents: str) -> Path:
        for name, text in documents.items():
            (tmp_path / f"{name.replace('_', '-')}.yaml").write_text(text)
        return tmp_path

    return write


@pytest.fixture
def load(folder: Callable[..., Path]) -> Callable[..., Configuration]:
    """A function that loads the configuration of documents, given by id."""
    return lambda **documents: load_configuration(folder(**documents))
