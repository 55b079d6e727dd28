"""Pushing to a registry that speaks OCI's distribution-spec, on this machine's loopback."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.distro.cache import Cache
from bot.errors import SurroundingsError, UsageError
from bot.image.compose import ComposedLayout, compose_images
from bot.image.lock import ImageDescription
from bot.image.oci import push_layout
from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from tests.distro.servers import running
from tests.image.crafted import File, write_rpm


class Registry:
    """What a registry holds; it refuses what its digest does not match, and lacking blobs."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.refusing = False


def _handler(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))

        def _answer(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self._answer(200)

        def do_HEAD(self) -> None:
            self._answer(200 if self.path.rpartition("/")[2] in registry.blobs else 404)

        def do_POST(self) -> None:
            self._body()
            self._answer(202, Location="/v2/web/nginx/blobs/uploads/1")

        def do_PUT(self) -> None:
            content = self._body()
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            parts = urlsplit(self.path)
            if "/blobs/uploads/" in parts.path:
                if registry.refusing or parse_qs(parts.query)["digest"] != [digest]:
                    return self._answer(400)
                registry.blobs[digest] = content
                return self._answer(201)
            reference = re.fullmatch(r"/v2/web/nginx/manifests/(.+)", parts.path)
            assert reference is not None
            document = json.loads(content)
            needed = [document.get("config"), *document.get("layers", [])]
            children = document.get("manifests", [])
            if any(one and one["digest"] not in registry.blobs for one in needed) or any(
                child["digest"] not in registry.manifests for child in children
            ):
                return self._answer(400)
            kind = self.headers["Content-Type"]
            for name in (reference[1], digest):
                registry.manifests[name] = (kind, content)
            return self._answer(201)

    return Handler


@pytest.fixture
def registry() -> Iterator[tuple[Registry, str]]:
    held = Registry()
    with running(ThreadingHTTPServer(("127.0.0.1", 0), _handler(held))) as url:
        yield held, url.removeprefix("http://")


def composed(tmp_path: Path, cache: Cache, *arches: str) -> ComposedLayout:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x")])
    images = [
        ImageDescription(
            ImageKey("nginx", "e", "r", arch),
            SnapshotState("s", ()),
            (),
            (package,),
            database=False,
        )
        for arch in arches
    ]
    return compose_images(images, cache, tmp_path / "image", tmp_path / "image.lock")


def test_an_image_and_its_bill_of_materials_are_sent(
    registry: tuple[Registry, str], tmp_path: Path, cache: Cache
) -> None:
    held, host = registry
    image = composed(tmp_path, cache, "x86_64")
    push_layout(image.layout, f"{host}/web/nginx:1.0")
    kind, content = held.manifests["1.0"]
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == image.digest
    assert kind == image.media_type
    artifacts = [json.loads(c) for _, c in held.manifests.values() if b"artifactType" in c]
    assert artifacts[0]["subject"]["digest"] == image.digest


def test_an_index_comes_after_its_images(
    registry: tuple[Registry, str], tmp_path: Path, cache: Cache
) -> None:
    held, host = registry
    image = composed(tmp_path, cache, "aarch64", "x86_64")
    push_layout(image.layout, f"{host}/web/nginx")
    assert held.manifests["latest"][0] == "application/vnd.oci.image.index.v1+json"
    assert {one.digest for one in image.images} <= held.manifests.keys()


def test_a_registry_that_refuses_is_named(
    registry: tuple[Registry, str], tmp_path: Path, cache: Cache
) -> None:
    held, host = registry
    held.refusing = True
    with pytest.raises(SurroundingsError, match="could not be sent"):
        push_layout(composed(tmp_path, cache, "x86_64").layout, f"{host}/web/nginx:1.0")
    assert held.manifests == {}


def test_a_registry_that_is_not_there_is_named_at_once(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(SurroundingsError, match="could not be sent"):
        push_layout(composed(tmp_path, cache, "x86_64").layout, "127.0.0.1:9/web/nginx:1.0")


def test_what_is_no_reference_is_refused(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(UsageError, match="REGISTRY/NAME:TAG"):
        push_layout(tmp_path, "")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{}", "KeyError: 'manifests'"),
        ('{"manifests": [{"digest": "sha256:../../x", "mediaType": "m"}]}', "no SHA-256 digest"),
        ('{"manifests": 1}', "TypeError"),
        ("[" * 9, "JSONDecodeError"),
    ],
)
def test_a_folder_that_is_no_layout_is_refused_before_anybody_is_asked(
    tmp_path: Path, index: str, words: str
) -> None:
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(UsageError, match="no OCI layout that can be sent: .*" + words):
        push_layout(tmp_path, "127.0.0.1:1/web/nginx:1")
