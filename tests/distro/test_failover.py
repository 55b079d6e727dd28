"""A server that hangs costs seconds once, whatever is asked of it, where another answers."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bot.distro.failover import (
    BRIEF,
    FEW,
    MANY,
    AbsentError,
    FetchError,
    RefusedFileError,
    RetryPolicy,
    first_of,
    forget_avoided,
    rounds,
)
from bot.distro.keys import read_keys
from bot.distro.online import ask_repositories
from bot.distro.packages import fetch_package
from bot.distro.snapshot import open_snapshot, repository_file
from bot.errors import SurroundingsError
from bot.model.nevra import Nevra
from bot.model.package import Location, Package


@dataclass
class Hanging:
    """A server that takes connections and never answers; how many it had."""

    url: str
    connections: int = 0


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setattr("bot.distro.failover.BRIEF", RetryPolicy(1, 30, 1.0, 30))
    monkeypatch.setattr("bot.distro.failover.FEW", RetryPolicy(3, 30, 1.0, 30))
    monkeypatch.setattr("bot.distro.failover.MANY", RetryPolicy(5, 30, 1.0, 30))
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        hanging = Hanging(f"http://127.0.0.1:{server.getsockname()[1]}")

        def take() -> None:
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return
                hanging.connections += 1

        thread = threading.Thread(target=take)
        thread.start()
        yield hanging
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in accepted:
        connection.close()
    forget_avoided()


def test_a_first_fetch_waits_once_for_a_mirror_that_hangs(
    web, cache, document, make_repository, hanging
):
    for number, arch in enumerate(("x86_64", "aarch64")):
        make_repository(web.root / arch / "r", timestamp=1_700_000_000 + number)
    mirrors = document(f"{hanging.url}/$basearch/r/", f"{web.url}/$basearch/r/", priority=50)
    for arch in ("x86_64", "aarch64"):
        (repository,) = open_snapshot(mirrors, arch, cache).repositories
        assert repository.base_urls[0] == f"{web.url}/{arch}/r/"
        assert repository_file(repository, "filelists") is not None
    assert hanging.connections == 1


def test_a_list_of_mirrors_that_hangs_gives_way_to_base_urls(
    web, cache, document, make_repository, hanging
):
    make_repository(web.root / "r")
    both = document(f"{web.url}/r/", metalink=f"{hanging.url}/metalink")
    assert open_snapshot(both, "x86_64", cache).repositories[0].base_urls == (f"{web.url}/r/",)
    assert hanging.connections == 1


def test_a_package_comes_from_the_mirror_that_answers(web, cache, hanging):
    content = b"package"
    (web.root / "x.rpm").write_bytes(content)
    location = Location(
        f"{hanging.url}/x.rpm",
        "sha256",
        hashlib.sha256(content).hexdigest(),
        len(content),
        mirrors=(f"{web.url}/x.rpm",),
    )
    package = Package(Nevra("x", 0, "1", "1", "noarch"), "x", "r", location=location)
    assert fetch_package(package, cache).read_bytes() == content
    assert hanging.connections == 1


def test_a_key_that_hangs_is_left_out_where_another_is_there(web, hanging, caplog):
    (web.root / "key").write_text("key")
    keys = read_keys([f"{hanging.url}/key", f"{web.url}/key"])
    assert keys == [(f"{web.url}/key", b"key")]
    assert hanging.connections == 1
    assert f"A key is missing: {hanging.url}/key" in caplog.text


def test_repositories_are_asked_at_the_mirror_that_answers(web, document, make_repository, hanging):
    make_repository(web.root / "r")
    mirrors = document(f"{hanging.url}/r/", f"{web.url}/r/", priority=50)
    (answer,) = ask_repositories([mirrors], arches=["x86_64"])
    assert answer.reachable
    assert hanging.connections == 1


def test_first_of_asks_again_only_what_may_do_better():
    requests: list[tuple[str, int]] = []
    errors = {
        "http://a/": FetchError("http://a/", "no answer"),
        "http://b/": AbsentError("http://b/ is not there."),
        "http://c/": RefusedFileError("http://c/", "it is another file"),
        "http://d/": FetchError("http://d/", "HTTP status 503", 503),
        "http://e/": FetchError("http://e/", "HTTP status 403", 403),
    }

    def request(url: str, retry_policy: RetryPolicy) -> str:
        requests.append((url[7], retry_policy.tries))
        raise errors[url]

    with pytest.raises(RefusedFileError, match="another file"):
        first_of(list(errors), request, rounds(len(errors)))
    # The one that did not answer is last by now.
    assert "".join(name for name, tries in requests if tries == BRIEF.tries) == "abcde"
    assert "".join(name for name, tries in requests if tries == FEW.tries) == "da"
    forget_avoided()


def test_first_of_begins_nothing_once_time_is_over():
    with pytest.raises(SurroundingsError, match="the time limit had passed"):
        first_of(["http://a/"], lambda *_: pytest.fail("asked"), [BRIEF.with_deadline(-1)])


def test_one_place_is_asked_patiently_and_several_briefly_first():
    assert rounds(1) == (MANY,)
    assert rounds(2) == (BRIEF, FEW)
    assert rounds(3, BRIEF) == (BRIEF,)
    assert rounds(1, FEW) == (FEW,)
