"""Konflux's lock files: exact packages by architecture, and what is none."""

from __future__ import annotations

import pytest

from bot.errors import ChangeError
from bot.requests.kinds import kind_of
from bot.requests.rpms_in import read_rpms_lock, request_of

TEXT = """\
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
    found = read_rpms_lock("rpms.lock.yaml", TEXT.encode()).packages
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
