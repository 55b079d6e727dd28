"""Sources that are fetched: checked, cached, refused."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bot.build.fetch import SourcePolicy, SourceStore, WantedSource, download_source
from bot.build.mock import MockBuilder
from bot.build.rpmbuild import RpmbuildBuilder
from bot.distro.cache import Cache
from bot.errors import SurroundingsError
from bot.spec.tree import LookasideFile, SourcesError

CONTENT = b"the tarball"
SHA512 = hashlib.sha512(CONTENT).hexdigest()
TEMPLATE = "https://look.example/{name}/{file}/{hashtype}/{hash}/{file}"
LISTED = WantedSource("Source0", "a.tar.gz", listed=LookasideFile("a.tar.gz", "sha512", SHA512))
BARE = WantedSource("Source0", "a.tar.gz", url="https://up.example/a.tar.gz")


class Web:
    """URLs and what they answer; `requests` has the URLs in order."""

    def __init__(self, **pages):
        self.pages = {f"https://{name}.example": page for name, page in pages.items()}
        self.requests = []

    def __call__(self, url, target, limit):
        self.requests.append(url)
        for start, page in self.pages.items():
            if url.startswith(start):
                if isinstance(page, Exception):
                    raise page
                target.write_bytes(page)
                return
        raise SourcesError(f"There is nothing at {url}.")


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_a_listed_source_comes_from_the_lookaside_once(cache):
    web = Web(look=CONTENT)
    store = SourceStore(cache, download=web)
    first = store.fetch(LISTED, "pkg", TEMPLATE)
    second = store.fetch(LISTED, "pkg", TEMPLATE)
    assert first.path == second.path
    assert first.path.read_bytes() == CONTENT
    assert web.requests == [f"https://look.example/pkg/a.tar.gz/sha512/{SHA512}/a.tar.gz"]


def test_the_url_serves_when_the_lookaside_has_nothing(cache):
    wanted = WantedSource("Source0", "a.tar.gz", listed=LISTED.listed, url=BARE.url)
    web = Web(up=CONTENT)
    assert SourceStore(cache, download=web).fetch(wanted, "pkg", TEMPLATE).path.is_file()
    assert len(web.requests) == 2


def test_other_content_than_listed_is_refused_and_not_kept(cache):
    store = SourceStore(cache, download=Web(look=b"evil"))
    with pytest.raises(SourcesError, match="sha512"):
        store.fetch(LISTED, "pkg", TEMPLATE)
    good = SourceStore(cache, download=Web(look=CONTENT))
    assert good.fetch(LISTED, "pkg", TEMPLATE).path.read_bytes() == CONTENT


def test_a_failing_network_is_not_the_changes_fault(cache):
    store = SourceStore(cache, download=Web(look=SurroundingsError("down")))
    with pytest.raises(SurroundingsError, match="down"):
        store.fetch(LISTED, "pkg", TEMPLATE)


def test_without_a_lookaside_the_setting_is_named(cache):
    with pytest.raises(SourcesError, match="lookaside"):
        SourceStore(cache, download=Web()).fetch(LISTED, "pkg")


def test_a_bare_url_is_recorded_and_a_later_change_is_reported(cache):
    store = SourceStore(cache, download=Web(up=CONTENT))
    first = store.fetch(BARE, "pkg")
    assert hashlib.sha256(CONTENT).hexdigest() in first.record
    assert "cached" in store.fetch(BARE, "pkg").record
    first.path.unlink()
    changed = SourceStore(cache, download=Web(up=b"other")).fetch(BARE, "pkg")
    assert "has changed" in changed.record
    assert changed.path.read_bytes() == b"other"


def test_local_files_are_read_only_where_that_is_allowed(cache, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(CONTENT)
    wanted = WantedSource("Source0", "a.tar.gz", url=(tmp_path / "a.tar.gz").as_uri())
    with pytest.raises(SourcesError, match="http and https"):
        SourceStore(cache).fetch(wanted, "pkg")
    allowed = SourceStore(cache, SourcePolicy(local_files=True))
    assert allowed.fetch(wanted, "pkg").path.read_bytes() == CONTENT


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("bot.distro.http.BACKOFF", 0.0)
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            if self.path == "/flaky" and len(seen) == 1:
                self.send_response(503)
                self.send_header("Content-Length", "0")
            elif self.path == "/gone":
                self.send_response(404)
                self.send_header("Content-Length", "0")
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            if self.path not in {"/gone"} and not (self.path == "/flaky" and len(seen) == 1):
                self.wfile.write(CONTENT)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", seen
        running.shutdown()
        thread.join()


def test_a_host_that_is_not_public_is_refused_before_anything_is_asked(server, tmp_path):
    base, seen = server
    with pytest.raises(SourcesError, match=r"127\.0\.0\.1, which is not public"):
        download_source(f"{base}/a", tmp_path / "a", 100, public_only=True)
    assert seen == []


def test_downloads_are_tried_again_and_limited(server, tmp_path):
    base, seen = server
    target = tmp_path / "a"
    download_source(f"{base}/flaky", target, 100, public_only=False)
    assert target.read_bytes() == CONTENT
    assert seen == ["/flaky", "/flaky"]
    with pytest.raises(SourcesError, match="more than the 4 allowed"):
        download_source(f"{base}/a", target, 4, public_only=False)
    with pytest.raises(SourcesError, match="404"):
        download_source(f"{base}/gone", target, 100, public_only=False)


@pytest.mark.parametrize("wanted", [LISTED, BARE])
def test_who_looks_for_kept_builds_alone_downloads_nothing(cache, wanted):
    web = Web(look=CONTENT, up=CONTENT)
    cached_only = SourceStore(cache, download=web, cached_only=True)
    with pytest.raises(SurroundingsError, match="not been built here"):
        cached_only.fetch(wanted, "pkg", TEMPLATE)
    assert web.requests == []
    SourceStore(cache, download=web).fetch(wanted, "pkg", TEMPLATE)
    assert cached_only.fetch(wanted, "pkg", TEMPLATE).path.read_bytes() == CONTENT
    assert len(web.requests) == 1


@pytest.mark.parametrize("make", [RpmbuildBuilder, MockBuilder])
def test_a_builder_that_only_looks_hands_that_on_to_its_sources(cache, make):
    with pytest.raises(SurroundingsError, match="not been built here"):
        make(cache, cached_only=True)._sources.fetch(BARE, "pkg")
