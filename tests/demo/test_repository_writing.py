"""Writing rpm-md repositories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from bot.demo.distribution.reference import write_metadata
from bot.distro.repomd import createrepo


def _packages() -> Iterator[Any]:
    for name in ("one", "two"):
        package = createrepo().Package()
        package.name, package.arch = name, "noarch"
        package.epoch, package.version, package.release = "0", "1", "1"
        package.pkgId, package.checksum_type = name * 8, "sha256"
        package.requires = [("(a or b)", None, None, None, None, False)]
        package.files = [("", "/usr/bin/", name), ("", "/usr/share/doc/", name)]
        yield package


def test_the_same_packages_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for attempt in ("one", "two"):
        write_metadata(tmp_path / attempt, _packages, 2, 1_700_000_000)
        files = sorted((tmp_path / attempt / "repodata").iterdir())
        written.append([(file.name, file.read_bytes()) for file in files])
    assert written[0] == written[1]


def test_primary_lists_commands_and_filelists_everything(tmp_path: Path) -> None:
    write_metadata(tmp_path, _packages, 2, 1_700_000_000)
    primary, filelists = (_text(tmp_path, kind) for kind in ("primary", "filelists"))
    assert 'packages="2"' in primary
    assert '<rpm:entry name="(a or b)"/>' in primary
    assert "/usr/bin/one" in primary
    assert "/usr/share/doc/one" not in primary
    assert "/usr/share/doc/one" in filelists


def test_repomd_has_the_revision_as_every_time(tmp_path: Path) -> None:
    write_metadata(tmp_path, _packages, 2, 1_700_000_000)
    repomd = (tmp_path / "repodata/repomd.xml").read_text()
    assert "<revision>1700000000</revision>" in repomd
    assert repomd.count("<timestamp>1700000000</timestamp>") == 2


def test_writing_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    write_metadata(tmp_path, _packages, 2, 1_700_000_000)
    write_metadata(tmp_path, lambda: iter(()), 0, 1_700_000_001)
    assert len(list((tmp_path / "repodata").iterdir())) == 3


def _text(root: Path, kind: str) -> str:
    [path] = (root / "repodata").glob(f"*-{kind}.xml.zst")
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read().decode()
