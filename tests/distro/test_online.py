"""`minimize config check --online`: what each repository answers, and whose fault the rest is."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.failover import RetryPolicy
from bot.distro.online import ask_repositories
from bot.model.package import Reference, RepositoryAccess
from tests.distro.servers import Served, make_authority, serve

pytestmark = pytest.mark.usefixtures("quick")
ONCE = RetryPolicy(1, 30, 60, 120)
QUICK = RetryPolicy(1, 30, 0.5, 120)
NOW = 1_700_000_000 + 7_200
PRIMARY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common"'
    b' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1125"></metadata>\n'
)


@pytest.fixture
def root(tmp_path, make_repository):
    make_repository(tmp_path / "web/r", {"primary": PRIMARY})
    return tmp_path / "web"


def document(url: str, **fields) -> RepositoryDocument:
    access = fields.pop("access", RepositoryAccess())
    source = RepoSource("main", "Main", (url,), access=access)
    return RepositoryDocument("d", "D", "", "", "9", ("x86_64",), (source,), **fields)


def answers_to(*documents: RepositoryDocument, retry_policy: RetryPolicy = ONCE):
    return ask_repositories(documents, retry_policy=retry_policy, now=lambda: NOW)


def test_a_repository_that_answers(root):
    with serve(Served(root=root)) as served:
        (answer,) = answers_to(document(f"{served.url}/r/"))
    assert answer.reachable
    assert (answer.document, answer.repository, answer.arch) == ("d", "main", "x86_64")
    assert (answer.age, answer.timestamp) == (7_200, "2023-11-14T22:13:20Z")
    assert (answer.packages, answer.signed, answer.cause) == (1125, None, None)


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".bz2", ".zst"])
def test_packages_are_counted_in_whatever_wrapping(tmp_path, make_repository, suffix):
    filler = b"".join(b"<package>%d</package>" % n for n in range(60_000))
    make_repository(
        tmp_path / "r",
        {"primary": PRIMARY.replace(b"</metadata>", filler + b"</metadata>")},
        suffix=suffix,
    )
    (answer,) = answers_to(document((tmp_path / "r").as_uri()))
    assert answer.packages == 1125


def test_each_architecture_is_asked_where_the_repository_has_it(root):
    two = replace(document((root / "r").as_uri()), architectures=("x86_64", "riscv64"))
    limited = RepoSource("only", "Only", ((root / "r").as_uri(),), limit_arches=("riscv64",))
    two = replace(two, repos=(*two.repos, limited))
    answers = [(a.repository, a.arch) for a in answers_to(two)]
    assert answers == [("main", "x86_64"), ("main", "riscv64"), ("only", "riscv64")]
    answers = ask_repositories([two], arches=["riscv64"], retry_policy=ONCE)
    assert [a.arch for a in answers] == ["riscv64", "riscv64"]


def test_what_is_wrong_is_an_answer_with_its_place(root, make_repository):
    (root / "html/repodata").mkdir(parents=True)
    (root / "html/repodata/repomd.xml").write_text("<html>Log in</html>")
    make_repository(root / "odd", {"primary": b"<html>Log in</html>"})
    with serve(Served(root=root)) as served:
        answers = answers_to(
            *(document(f"{served.url}/{name}/") for name in ("html", "odd", "none"))
        )
    assert [a.cause for a in answers] == ["surroundings"] * 3
    assert "html/repodata/repomd.xml is refused: it is not a repomd.xml" in answers[0].error
    assert "it is not a primary.xml" in answers[1].error
    assert "none/repodata/repomd.xml could not be read: HTTP status 404" in answers[2].error


def test_a_server_that_hangs_is_an_answer(root):
    released = threading.Event()
    with serve(Served(root=root, answer=lambda _handler: bool(released.wait(30)))) as served:
        (answer,) = answers_to(document(f"{served.url}/r/"), retry_policy=QUICK)
        released.set()
    assert "could not be read" in answer.error
    assert answer.cause == "surroundings"


def test_certificates_passwords_and_proxies_are_used(root, tmp_path, monkeypatch):
    authority = make_authority(tmp_path / "ca")
    tls = RepositoryAccess(
        sslcacert=str(authority.certificate),
        sslclientcert=str(authority.client),
        sslclientkey=str(authority.key),
    )
    monkeypatch.setenv("ONLINE_USER", "me")
    basic = RepositoryAccess(username=Reference("env", "ONLINE_USER"))
    with (
        serve(Served(root=root), authority.server) as guarded,
        serve(Served(root=root, password="Basic bWU6")) as named,
        serve(Served()) as proxy,
    ):
        answers = answers_to(
            document(f"{guarded.url}/r/", access=tls),
            document(f"{guarded.url}/r/", access=RepositoryAccess(sslcacert=tls.sslcacert)),
            document(f"{named.url}/r/", access=basic),
            document(f"{named.url}/r/"),
            document(f"{named.url}/r/", access=replace(basic, proxy=proxy.url)),
        )
    assert [a.reachable for a in answers] == [True, False, True, False, True]
    assert "`sslclientcert`" in answers[1].hint
    assert "`username`" in answers[3].hint
    assert proxy.requests


def test_missing_credentials_are_the_configurations_unless_nobody_uses_them(root):
    access = RepositoryAccess(username=Reference("env", "ONLINE_NOT_SET"))
    mine = document("http://127.0.0.1:9/", access=access)
    answers = answers_to(mine, replace(mine, default=False))
    assert [a.cause for a in answers] == ["configuration", "not asked"]
    assert "ONLINE_NOT_SET" in answers[0].error


DOCUMENT = """document: feedback-pipeline-repository
version: 2
data:
  name: Distro
  description: One repository
  maintainer: me
  source:
    repos:
      main:
        baseurl: {url}
    releasever: 9
    architectures: [x86_64]
"""


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("", 0),
        ("none/", 1),
        ("\n        username: {env: ONLINE_NOT_SET}", 2),
        ("\n        x: [", 2),
    ],
)
def test_the_command_and_its_exit_codes(tmp_path, root, change, code):
    (tmp_path / "config").mkdir()
    with serve(Served(root=root)) as served:
        text = DOCUMENT.format(url=f"{served.url}/r/{change}")
        (tmp_path / "config/distro.yaml").write_text(text)
        line = ["config", "check", "--online", "--config", str(tmp_path / "config")]
        ran = CliRunner().invoke(cli, [*line, "--format", "json"], standalone_mode=False)
        shown = CliRunner().invoke(cli, line, standalone_mode=False)
    assert ran.return_value == shown.return_value == code
    answers = json.loads(ran.stdout)["repositories"]
    if code == 0:
        assert answers[0] == {
            "document": "distro",
            "repository": "main",
            "arch": "x86_64",
            "reachable": True,
            "url": f"{served.url}/r/",
            "timestamp": "2023-11-14T22:13:20Z",
            "age": answers[0]["age"],
            "signed": None,
            "packages": 1125,
            "error": None,
            "hint": "",
            "cause": None,
        }
        assert "distro main x86_64" in shown.stdout
        assert "1125 packages" in shown.stdout
