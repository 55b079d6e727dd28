"""Repositories whose servers want to know who asks: certificates, passwords, proxies; no leaks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from pathlib import Path

import pytest

from bot.distro import connections
from bot.distro.packages import fetch_header, fetch_package
from bot.distro.snapshot import open_snapshot, repository_file
from bot.errors import SurroundingsError, UsageError
from bot.model.nevra import Nevra
from bot.model.package import Location, Package, Reference, RepositoryAccess
from tests.distro.servers import Served, make_authority, serve

pytestmark = pytest.mark.usefixtures("quick")
SECRET = "pass-word/7"
RPM = b"\xed\xab\xee\xdb" + b"\0" * 96 + b"\x8e\xad\xe8" + b"\0" * 97
BASIC = f"Basic {base64.b64encode(f'maintainer:{SECRET}'.encode()).decode()}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("pki") / "ca")


@pytest.fixture
def root(tmp_path, make_repository):
    folder = tmp_path / "web"
    make_repository(folder / "r")
    (folder / "r/p.rpm").write_bytes(RPM)
    return folder


@pytest.fixture
def credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("REPOSITORY_USER", "maintainer")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return RepositoryAccess(
        username=Reference("env", "REPOSITORY_USER"),
        password=Reference("file", str(tmp_path / "secret")),
    )


def everything(document, cache, url: str, access: RepositoryAccess, *more: str) -> None:
    """Fetches all that there is of a repository: repomd.xml, metadata, a header, a package."""
    opened = open_snapshot(document(f"{url}/r/", *more, access=access), "x86_64", cache)
    (repository,) = opened.repositories
    assert repository_file(repository, "filelists") is not None
    package = Package(
        Nevra("p", 0, "1", "1", "noarch"), "p", "main",
        location=Location(
            f"{url}/r/p.rpm", "sha256", hashlib.sha256(RPM).hexdigest(), len(RPM), 100, 150,
            access=repository.access,
        ),
    )  # fmt: skip
    assert fetch_header(package, cache) == RPM[:150]
    assert fetch_package(package, cache).read_bytes() == RPM


def test_a_client_certificate_opens_every_door(authority, root, document, cache):
    access = RepositoryAccess(
        sslcacert=str(authority.certificate),
        sslclientcert=str(authority.client),
        sslclientkey=str(authority.key),
    )
    with serve(Served(root=root), authority.server) as served:
        everything(document, cache, served.url, access)
    kinds = ("repomd.xml", "primary", "filelists", "p.rpm")
    assert all(any(kind in path for path, _ in served.requests) for kind in kinds)


def test_without_the_certificate_the_error_says_what_may_be_missing(
    authority, root, document, cache
):
    with (
        serve(Served(root=root), authority.server) as served,
        pytest.raises(SurroundingsError, match=r"`sslclientcert`"),
    ):
        access = RepositoryAccess(sslcacert=str(authority.certificate))
        everything(document, cache, served.url, access)


def test_an_unknown_authority_is_refused_unless_nobody_looks(authority, root, document, cache):
    client = {"sslclientcert": str(authority.client), "sslclientkey": str(authority.key)}
    with serve(Served(root=root), authority.server) as served:
        with pytest.raises(SurroundingsError, match=r"certificate verify failed.*`sslcacert`"):
            everything(document, cache, served.url, RepositoryAccess(**client))
        everything(document, cache, served.url, RepositoryAccess(sslverify=False, **client))


def test_a_certificate_that_is_not_there_is_named(root, document, cache):
    access = RepositoryAccess(sslclientcert="/nowhere/entitlement.pem")
    with pytest.raises(UsageError, match=r"/nowhere/entitlement\.pem cannot be read"):
        everything(document, cache, "https://127.0.0.1:9", access)


def test_a_name_and_a_password_go_with_every_request(root, document, cache, credentials):
    with serve(Served(root=root, password=BASIC)) as served:
        everything(document, cache, served.url, credentials)
    assert len(served.requests) >= 5
    assert served.headers("Authorization") == {BASIC}


def test_a_server_that_wants_a_name_is_answered_with_what_to_do(root, document, cache):
    with (
        serve(Served(root=root, password=BASIC)) as served,
        pytest.raises(SurroundingsError, match=r"401 .*`username` and `password`"),
    ):
        everything(document, cache, served.url, RepositoryAccess())


def test_a_redirect_to_another_host_takes_no_credentials_along(
    authority, root, document, cache, credentials
):
    with serve(Served(root=root)) as other, serve(Served(root=root, password=BASIC)) as served:
        names = [p.name for p in (root / "r/repodata").iterdir()]
        for path in (*(f"/r/repodata/{name}" for name in names), "/r/p.rpm"):
            served.redirects[path] = f"{other.url}{path}"
        everything(document, cache, served.url, credentials)
    assert served.headers("Authorization") == {BASIC}
    assert len(other.requests) >= 5
    assert other.headers("Authorization") == {None}


def test_a_redirect_shows_no_client_certificate_to_another_host(
    tmp_path, authority, root, document, cache
):
    """The other host requires one: the request fails because none is shown."""
    access = RepositoryAccess(
        sslcacert=str(authority.certificate),
        sslclientcert=str(authority.client),
        sslclientkey=str(authority.key),
    )
    with (
        serve(Served(root=root), authority.server) as other,
        serve(Served(root=root), authority.server) as served,
    ):
        served.redirects["/r/repodata/repomd.xml"] = f"{other.url}/r/repodata/repomd.xml"
        with pytest.raises(SurroundingsError, match=r"could not be read"):
            everything(document, cache, served.url, access)
    assert other.requests == []


def test_mirrors_of_a_plain_list_get_no_credentials(root, document, cache, credentials):
    with serve(Served(root=root)) as mirror, serve(Served(root=root, password=BASIC)) as served:
        (root / "mirrors").write_text(f"{mirror.url}/r/\n")
        listed = document(mirrorlist=f"{served.url}/mirrors", access=credentials)
        open_snapshot(listed, "x86_64", cache)
    assert served.headers("Authorization") == {BASIC}
    assert mirror.headers("Authorization") == {None}


def test_a_proxy_is_asked_with_its_own_credentials(root, document, cache, credentials, monkeypatch):
    access = RepositoryAccess(
        proxy_username=credentials.username, proxy_password=credentials.password
    )
    with serve(Served(root=root)) as served, serve(Served()) as proxy:
        from dataclasses import replace

        everything(document, cache, served.url, replace(access, proxy=proxy.url))
    assert {path.partition("/r/")[0] for path, _ in proxy.requests} == {served.url}
    assert proxy.headers("Proxy-Authorization") == {BASIC}
    assert served.headers("Proxy-Authorization") == {None}


def test_no_proxy_at_all_beats_the_environments(root, document, cache, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    connections.close_connections()
    with serve(Served(root=root)) as served:
        everything(document, cache, served.url, RepositoryAccess(proxy=""))
        with pytest.raises(SurroundingsError) as raised:
            fetch_url(f"{served.url}/r/p.rpm")
    assert "its proxy does not answer: " in raised.value.what
    assert "Connection refused" in raised.value.what
    assert "object at" not in raised.value.what
    assert "('" not in raised.value.what


def fetch_url(url: str) -> None:
    from bot.distro.failover import BRIEF
    from bot.distro.transfer import read_small

    read_small(url, 1000, retry_policy=BRIEF)


def test_secrets_are_in_no_file_value_or_error(
    root, document, cache, credentials, tmp_path, caplog
):
    caplog.set_level("DEBUG")
    with serve(Served(root=root, password=BASIC)) as served:
        everything(document, cache, served.url, credentials)
        described = repr(
            open_snapshot(document(f"{served.url}/r/", access=credentials), "x86_64", cache)
        )
        with contextlib.suppress(FileNotFoundError):
            (root / "r/repodata/repomd.xml").unlink()
        stale = open_snapshot(document(f"{served.url}/r/", access=credentials), "x86_64", cache)
    assert stale.repositories[0].stale
    texts = [described, repr(credentials), str(stale.state), caplog.text]
    texts += [p.read_bytes().decode(errors="replace") for p in cache.root.rglob("*") if p.is_file()]
    texts += [str(p) for p in cache.root.rglob("*")]
    hidden = (SECRET, BASIC.partition(" ")[2])
    assert not [text for text in texts if any(h in text for h in hidden)]


def test_a_secret_that_is_not_there_is_named_by_its_reference(document, cache, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    access = RepositoryAccess(username=Reference("env", "NOT_SET"))
    with pytest.raises(UsageError, match=r"NOT_SET should hold the user name"):
        open_snapshot(document("http://127.0.0.1:9/r/", access=access), "x86_64", cache)


def test_a_renewed_certificate_is_taken_up(authority, root, document, cache, tmp_path):
    """A long-lived server's entitlement is replaced below it."""
    client, key = tmp_path / "c.pem", tmp_path / "k.pem"
    other = make_authority(tmp_path / "other")
    client.write_bytes(other.client.read_bytes())
    key.write_bytes(other.key.read_bytes())
    access = RepositoryAccess(
        sslcacert=str(authority.certificate), sslclientcert=str(client), sslclientkey=str(key)
    )
    with serve(Served(root=root), authority.server) as served:
        with pytest.raises(SurroundingsError):
            everything(document, cache, served.url, access)
        import os

        for path, source in ((client, authority.client), (key, authority.key)):
            path.write_bytes(Path(source).read_bytes())
            os.utime(path, (1, 1))
        everything(document, cache, served.url, access)
