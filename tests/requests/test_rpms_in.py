"""Konflux's `rpms.in.yaml` and lock files: packages by architecture, the context, what is wrong."""

from __future__ import annotations

import pytest

from bot.errors import ChangeError
from bot.requests.kinds import kind_of
from bot.requests.rpms_in import read_rpms_in, read_rpms_lock, request_of
from bot.requests.values import WrittenImage

TEXT = """\
contentOrigin:
  repofiles: ["./ubi.repo"]
packages:
  - curl
  - name: perl
    arches: {only: [x86_64, s390x]}
  - name: tool
    arches: {not: x86_64}
  - "@core"
reinstallPackages: [bash]
context:
  image: registry.example.org/ubi9:latest
installWeakDeps: true
"""
FILES = {"web/Containerfile": b"FROM one AS a\nFROM two\nFROM a AS last\n"}


def read(text: str) -> WrittenImage:
    (image,) = read_rpms_in("rpms.in.yaml", {"rpms.in.yaml": text.encode(), **FILES})
    return image


def test_packages_have_their_lines_and_architectures() -> None:
    image = read(TEXT)
    assert [(e.kind, e.text, e.line.line, e.arches) for e in image.entries] == [
        ("package", "curl", 4, ()),
        ("package", "perl", 5, ("x86_64", "s390x")),
        ("package", "tool", 7, ("aarch64", "ppc64le", "s390x")),
        ("package", "@core", 9, ()),
        ("package", "bash", 10, ()),
        ("weak", "", 13, ()),
    ]
    assert (image.beneath, image.source_line.line, image.unread) == (image.source, 12, ())


def test_a_bare_context_begins_empty() -> None:
    image = read("packages: [a]\ncontext: {bare: true}\n")
    assert (image.beneath, image.unread) == ("", ())


@pytest.mark.parametrize(
    ("named", "base"),
    [
        ("web/Containerfile", "one"),
        ("{file: ./web/Containerfile, stageNum: 2}", "two"),
        ("{file: web/Containerfile, stageName: A}", "one"),
    ],
)
def test_a_containerfile_beside_says_what_it_is_built_on(named: str, base: str) -> None:
    image = read(f"packages: [a]\ncontext:\n  containerfile: {named}\n")
    assert (image.beneath, image.source_line.line, image.unread) == (base, 3, ())


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("packages: [a]\nmoduleEnable: [nodejs:18]\n", 2, "`moduleEnable` is not evaluated"),
        ("packages: ['@nodejs:18']\n", 1, "module streams are not evaluated"),
        ("packages: [a]\ncontext:\n  localSystem: true\n", 2, "the context `localSystem` is not"),
        ("context: {containerfile: no}\n", 1, "`no` does not exist"),
        ("packages: [a]\nstrange: 1\n", 2, "`strange` is no field of such a file"),
        ("packages: [[a]]\n", 1, "this is no package"),
        ("packages: a\n", 1, "`packages` is not a list"),
        ("- a\n", 1, "it is not a mapping"),
        ("packages: [\n", 2, "it is not YAML"),
    ],
)
def test_what_cannot_be_read_for_sure_is_named(text: str, line: int, why: str) -> None:
    found = read(text).unread
    assert found and found[0].line.line == line and found[0].why.startswith(why), found


def test_its_name_tells() -> None:
    found = kind_of("app/rpms.in.yaml", [{"app/rpms.in.yaml": b"packages: []"}])
    assert found is not None and found.name == "rpms.in"


LOCK = """\
lockfileVersion: 1
arches:
- arch: x86_64
  packages:
  - {url: "https://example.org/p/perl-5-1.x86_64.rpm", repoid: tiny, size: 7, name: perl,
     evr: "1:5-1", sourcerpm: perl-5-1.src.rpm}
  - {url: "https://example.org/p/data-1-1.noarch.rpm", name: data, evr: 1-1}
  source: []
- arch: s390x
"""


def test_packages_have_their_nevras_and_sizes() -> None:
    found = read_rpms_lock("rpms.lock.yaml", LOCK.encode()).packages
    assert [(str(p.nevra), p.source, p.repository, p.download_size) for p in found["x86_64"]] == [
        ("data-0:1-1.noarch", "data", "", None),
        ("perl-1:5-1.x86_64", "perl", "tiny", 7),
    ]
    assert found["s390x"] == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\n", "rpms.lock.yaml:1: it has no list `arches`"),
        ("arches:\n- 1\n", "rpms.lock.yaml:2: this names no architecture"),
        ("arches:\n- {arch: x, packages: [1]}\n", "rpms.lock.yaml:2: a package of x has no name"),
        ("arches: [\n", "rpms.lock.yaml:2: it is not YAML"),
    ],
)
def test_what_is_no_lock_file_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(ChangeError) as raised:
        read_rpms_lock("rpms.lock.yaml", text.encode())
    assert raised.value.what.startswith(why)


def test_its_name_tells_it_and_its_request() -> None:
    found = kind_of("a/rpms.lock.yaml", [{"a/rpms.lock.yaml": b""}])
    assert found is not None and found.name == "rpms.lock"
    assert request_of("a/rpms.lock.yaml") == "a/rpms.in.yaml"
