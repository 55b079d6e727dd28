"""`.repo` files as a document's source: dnf's options, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.connections import read_reference
from bot.distro.load import check_configuration, load_configuration
from bot.model.package import Reference

DOCUMENT = """document: feedback-pipeline-repository
version: 2
data:
  name: Distro
  description: From its own files
  maintainer: me
  source:
    repofile: distro.repo
    releasever: 9
    variables: {stream: 9-stream}
"""
REPO = """# as a vendor ships it
[baseos]
name=BaseOS $stream
metalink=https://mirrors.example.org/metalink?repo=$stream&arch=$basearch
baseurl=https://a.example.org/$basearch/
        https://b.example.org/$basearch/, /srv/$basearch
gpgcheck=1
gpgkey=file:///etc/pki/key-1 file:///etc/pki/key-2
excludepkgs=kernel* bash
includepkgs=glibc*,bash
priority=10
cost=500
metadata_expire=6h
module_hotfixes=1
skip_if_unavailable=True
sslclientcert=/etc/pki/entitlement/1.pem
sslclientkey=/etc/pki/entitlement/1-key.pem
sslcacert=/etc/rhsm/ca.pem
sslverify=0
proxy=http://proxy.example.org:3128
username=me
password=hunter2

[source]
baseurl=https://a.example.org/src/
enabled=0

[plain]
mirrorlist=https://mirrors.example.org/list
gpgcheck=0
gpgkey=https://example.org/key
"""


@pytest.fixture
def written(tmp_path):
    def write(document: str = DOCUMENT, repo: str | None = REPO) -> Path:
        (tmp_path / "distro.yaml").write_text(document)
        if repo is not None:
            (tmp_path / "distro.repo").write_text(repo)
        return tmp_path

    return write


def test_the_options_of_a_repofile(written):
    folder = written()
    document = load_configuration(folder).repositories["distro"]
    baseos, plain = document.repos
    assert (baseos.id, baseos.name) == ("baseos", "BaseOS $stream")
    assert baseos.baseurl == (
        "https://a.example.org/$basearch/",
        "https://b.example.org/$basearch/",
        "file:///srv/$basearch",
    )
    assert baseos.metalink == "https://mirrors.example.org/metalink?repo=$stream&arch=$basearch"
    assert baseos.gpgkey == ("file:///etc/pki/key-1", "file:///etc/pki/key-2")
    assert (baseos.exclude, baseos.include) == (("kernel*", "bash"), ("glibc*", "bash"))
    assert (baseos.priority, plain.priority) == (10, 99)
    assert (baseos.module_hotfixes, baseos.skip_if_unavailable) == (True, True)
    access = baseos.access
    assert access.sslclientcert == "/etc/pki/entitlement/1.pem"
    assert access.sslclientkey == "/etc/pki/entitlement/1-key.pem"
    assert (access.sslcacert, access.sslverify) == ("/etc/rhsm/ca.pem", False)
    assert access.proxy == "http://proxy.example.org:3128"
    assert access.password == Reference(
        "repofile", str(folder / "distro.repo"), "baseos", "password"
    )
    assert read_reference(access.password, "the password") == "hunter2"
    # Where dnf checks no signature, its keys are not to be used.
    assert (plain.mirrorlist, plain.gpgkey) == ("https://mirrors.example.org/list", ())
    assert document.architectures == ("x86_64", "aarch64", "ppc64le", "s390x")
    assert document.variables == {"stream": "9-stream"}


def test_a_changed_repofile_is_noticed_and_its_secret_is_not_cached(written, tmp_path):
    cache = Cache(tmp_path / "cache")
    folder = written()
    assert load_configuration(folder, cache=cache) == load_configuration(folder, cache=cache)
    written(repo=REPO.replace("priority=10", "priority=11"))
    document = load_configuration(folder, cache=cache).repositories["distro"]
    assert document.repos[0].priority == 11
    cached = "".join(p.read_text() for p in cache.root.rglob("*.json"))
    assert "baseos" in cached
    assert "hunter2" not in cached


def test_repositories_are_chosen_by_globs(written):
    chosen = "    enablerepo: [sou*]\n    disablerepo: plain\n"
    document = load_configuration(written(DOCUMENT + chosen)).repositories["distro"]
    assert [repo.id for repo in document.repos] == ["baseos", "source"]


def test_what_the_document_says_goes_before(written):
    own = "    repos:\n      plain:\n        baseurl: https://mine.example.org/\n"
    repos = load_configuration(written(DOCUMENT + own)).repositories["distro"].repos
    assert [repo.baseurl for repo in repos if repo.id == "plain"] == [
        ("https://mine.example.org/",)
    ]


@pytest.mark.parametrize(
    ("repo", "message"),
    [
        (None, "distro.repo cannot be read: No such file"),
        ("[r]\nbaseurl=https://a/\nenabled=0\n", "distro.repo has no repository that is enabled"),
        ("[r]\nenabled=maybe\n", "distro.repo:1: [r] enabled is true or false, not `maybe`"),
        ("baseurl=https://a/\n", "distro.repo:1: it has a line outside a section"),
        ("[r]\nthis is nothing\n", "distro.repo:2: it has a line that is no option"),
        ("[r]\nname=x\n", "expected `baseurl`, `metalink` or `mirrorlist`"),
        ("[r]\nbaseurl=ftp://a/\n", "expected a URL that begins with https://"),
        ("[r]\nbaseurl=https://a/\npriority=high\n", "expected a whole number"),
    ],
)
def test_what_is_wrong_in_a_repofile_is_told_at_the_document(written, repo, message):
    folder = written(repo=repo)
    report = check_configuration(folder)
    assert [e.file for e in report.errors] == [str(folder / "distro.yaml")]
    assert message in report.errors[0].message


def test_a_variable_without_a_value_is_told_and_loads(written):
    report = check_configuration(written(DOCUMENT.replace("{stream: 9-stream}", "{}")))
    assert not report.errors
    assert any("`$stream` in `metalink` of `baseos` has no value" in p.message
               for p in report.unused)  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "username: maintainer",
        "password: hunter2",
        "proxy_password: hunter2",
        "baseurl: https://me:hunter2@example.org/",
        "proxy: http://me:hunter2@proxy.example.org/",
        "password: {value: hunter2}",
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(tmp_path, line):
    place = "    repos:\n      r:\n"
    if "baseurl" not in line:
        place += "        baseurl: https://example.org/\n"
    if "proxy_" in line:
        place += "        proxy: http://proxy.example.org/\n"
    text = DOCUMENT.replace("    repofile: distro.repo\n", f"{place}        {line}\n")
    (tmp_path / "distro.yaml").write_text(text)
    report = check_configuration(tmp_path)
    assert report.errors
    assert not [p for p in (*report.errors, *report.unused) if "hunter2" in str(p)]
