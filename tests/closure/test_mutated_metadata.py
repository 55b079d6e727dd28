"""Metadata with right checksums and wrong content: only our errors, whatever is in it."""

from __future__ import annotations

import pytest

from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.snapshot import open_snapshot, repository_file
from bot.errors import SurroundingsError
from tests.mutations import FOREIGN, mutated

MODULES = """---
document: modulemd
version: 2
data:
  name: web
  stream: "1.0"
  version: 20200101
  context: c0ffee
  arch: x86_64
  dependencies:
  - requires: {platform: [el9], db: ["5", "-6"]}
  artifacts:
    rpms: [a-0:1-1.x86_64]
  demodularized:
    rpms: [b]
...
---
document: modulemd-defaults
version: 1
data: {module: web, modified: 201906261200, stream: "1.0"}
...
"""
COMPS = (
    "<comps><group><id>core</id><packagelist><packagereq>a</packagereq>"
    "<packagereq type='conditional' requires='a'>b</packagereq></packagelist></group></comps>"
)


@pytest.fixture
def repository(tiny):
    repository = tiny.repository().package(
        "a-0:1-1.x86_64", requires=["b", "/usr/share/x"], files=["/usr/bin/a"]
    )
    repository.package("b-0:1-1.noarch", files=["/usr/share/x"])
    repository.modules, repository.comps = MODULES, COMPS
    return repository


@pytest.mark.parametrize("kind", ["primary", "modules", "group", "filelists"])
def test_only_errors_that_name_the_repository_come_of_it(tiny, h, repository, kind):
    url = repository.write()
    source = (RepoSource("base", "Base", (url,)),)
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), source, ("web:1.0",), "a:b")
    snapshot = open_snapshot(document, "x86_64", tiny.cache)
    original = repository_file(snapshot.repositories[0], kind).read_bytes()
    broken = tiny.root / "broken"
    good = 0
    for number, content in enumerate([*FOREIGN, *(mutated(original, n) for n in range(120))]):
        broken.write_bytes(content)

        def file_of(of, type_):
            return broken if type_ == kind else repository_file(of, type_)

        try:
            pool = open_pool(snapshot, Cache(tiny.root / f"cache{number}"), file_of=file_of)
            pool.solve(h.request("a", groups=["core"]))
            good += 1
        except SurroundingsError as error:
            assert "base" in str(error) or "comps" in str(error)
    assert good > 0


def test_a_header_that_begins_where_no_file_reaches_is_not_known(tiny, h, repository, monkeypatch):
    text = repository.packages[0].primary()
    monkeypatch.setattr(
        type(repository.packages[0]), "primary",
        lambda _self: text.replace('start="4504"', f'start="{"9" * 25}"'),
    )  # fmt: skip
    del repository.packages[1:]
    (package,) = tiny.pool(repository).published("a")
    assert package.location.header_start == 0
