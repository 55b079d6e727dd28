"""Security advisories are counted as a repository's updateinfo tells of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.images import image_request
from bot.distro.snapshot import open_snapshot
from bot.errors import SurroundingsError
from bot.image.lock import ImageDescription, write_lock
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.surface import Advisories
from bot.surface.advisories import count_advisories, read_advisories, unapplied_advisories
from bot.surface.files import surface_of_headers
from tests.check.tiny import DOCUMENTS, Bench
from tests.conftest import run_python

NOW = datetime(2026, 11, 1, tzinfo=UTC)
UPDATE = """<update from="x" status="final" type="{type}" version="1"><id>{id}</id><title>t</title>
<issued date="{date}"/>{severity}<description>d</description><pkglist><collection short="c">
<name>c</name><package name="openssl-libs" version="3" release="1" epoch="0" arch="x86_64" {src}>
<filename>openssl-libs-3-1.x86_64.rpm</filename></package></collection></pkglist></update>"""


def update(
    id_: str,
    severity: str | None = "Moderate",
    date: str = "2026-06-01 10:00:00",
    type_: str = "security",
    src: str = 'src="openssl-3-1.src.rpm"',
) -> str:
    text = "" if severity is None else f"<severity>{severity}</severity>"
    return UPDATE.format(type=type_, id=id_, date=date, severity=text, src=src)


def counted(folder: Path, *updates: str, source: str = "openssl") -> Advisories:
    path = folder / f"{abs(hash(updates))}-updateinfo.xml"
    path.write_text(f'<?xml version="1.0"?><updates>{"".join(updates)}</updates>')
    package = Package(Nevra("openssl-libs", 0, "3", "1", "x86_64"), source, "baseos")
    return count_advisories(read_advisories(path), [package], NOW)


def test_each_severity_is_counted_also_none(tmp_path: Path) -> None:
    counts = counted(
        tmp_path,
        update("A-1", "Critical"),
        update("A-2", "Important"),
        update("A-3", "medium"),
        update("A-4", "Low"),
        update("A-5", None),
        update("A-6", "None"),
    )
    assert counts == Advisories(days=365, critical=1, important=1, moderate=1, low=1, unrated=2)
    assert counts.total == 6


def test_an_id_counts_once_with_its_gravest_severity(tmp_path: Path) -> None:
    counts = counted(tmp_path, update("A-1", "Low"), update("A-1", "Critical"))
    assert (counts.total, counts.critical) == (1, 1)


@pytest.mark.parametrize("date", ["2025-10-31 23:59:59", "2026-11-01 00:00:01"])
def test_older_than_a_year_and_later_than_the_snapshot_do_not_count(
    tmp_path: Path, date: str
) -> None:
    assert counted(tmp_path, update("A-1", date=date)).total == 0


def test_bug_fixes_and_other_sources_do_not_count(tmp_path: Path) -> None:
    assert counted(tmp_path, update("A-1", type_="bugfix")).total == 0
    assert counted(tmp_path, update("A-1"), source="other").total == 0


def test_where_the_file_names_no_source_the_packages_name_decides(tmp_path: Path) -> None:
    assert counted(tmp_path, update("A-1", src=""), source="whatever").total == 1


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "updateinfo.xml"
    path.write_text("<updates><update>")
    with pytest.raises(SurroundingsError, match=r"updateinfo\.xml cannot be read as updateinfo"):
        read_advisories(path)


def test_a_check_imports_no_createrepo_before_an_updateinfo_is_read():
    # Its wheel's own rpm prints errors about the macros of a host's other rpm.
    code = "import sys, bot.check.run; print('createrepo_c' in sys.modules)"
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("False\n", "")


def held(name: str, evr: str, arch: str = "x86_64") -> Package:
    version, _, release = evr.partition("-")
    return Package(Nevra(name, 0, version, release, arch), name, "baseos")


def unapplied(folder: Path, updates: str, *packages: Package) -> tuple[str, ...]:
    path = folder / f"{abs(hash(updates))}-updateinfo.xml"
    path.write_text(f'<?xml version="1.0"?><updates>{updates}</updates>')
    return unapplied_advisories(read_advisories(path), packages)


def test_a_pinned_package_that_is_older_than_its_fix_lacks_the_advisory(tmp_path: Path) -> None:
    text = update("A-1")  # fixed in openssl-libs-3-1
    assert unapplied(tmp_path, text, held("openssl-libs", "2.9-7")) == ("A-1",)
    assert unapplied(tmp_path, text, held("openssl-libs", "3-1")) == ()
    assert unapplied(tmp_path, text, held("openssl-libs", "3-2")) == ()
    assert unapplied(tmp_path, text, held("openssl-libs", "2-1", "i686")) == ()
    assert unapplied(tmp_path, text, held("openssl", "2-1")) == ()


def test_any_of_several_fixes_of_a_package_is_enough(tmp_path: Path) -> None:
    text = update("A-1")
    older = text.partition("<package")[2].partition("</package>")[0].replace('"3"', '"2"')
    both = text.replace("</collection>", f"<package{older}</package></collection>")
    assert unapplied(tmp_path, both, held("openssl-libs", "2-1")) == ()
    assert unapplied(tmp_path, both, held("openssl-libs", "1-1")) == ("A-1",)


def test_fixes_of_a_module_do_not_count_as_its_stream_is_not_known(tmp_path: Path) -> None:
    module = '<module name="n" stream="20" version="1" context="c" arch="x86_64"/>'
    text = update("A-1").replace("<name>c</name>", f"<name>c</name>{module}")
    assert unapplied(tmp_path, text, held("openssl-libs", "2-1")) == ()


@pytest.fixture
def updated(bench: Bench) -> Bench:
    """The bench's repository with an updateinfo, whose one advisory fixes `tool` in version 99."""
    text = update("A-1", date="2020-01-01 00:00:00").replace("openssl-libs", "tool")
    updates = bench.root / "updateinfo.xml"
    fixed = text.replace('version="3"', 'version="99"').replace("openssl-3", "tool-99")
    updates.write_text(f'<?xml version="1.0"?><updates>{fixed}</updates>')
    copied = replace(bench, repositories=bench.root / "copied")
    shutil.copytree(bench.repositories, copied.repositories)
    for id_, text in DOCUMENTS.items():
        copied.document(id_, text)
    for folder in copied.repositories.rglob("repodata"):
        command = [Path(sys.executable).with_name("modifyrepo_c"), updates, folder]
        subprocess.run(command, check=True, capture_output=True)
    return copied


def test_advisories_of_a_repository_are_those_of_its_updateinfo(updated: Bench) -> None:
    configuration, cache = updated.configuration(), Cache(updated.root / "cache")
    snapshot = open_snapshot(configuration.repositories["repo"], "x86_64", cache)
    key = ImageKey("web", "minimal", "repo", "x86_64")
    closure = open_pool(snapshot, cache).solve(image_request(configuration, key))
    assert "tool" in {package.nevra.name for package in closure.packages}
    surface = surface_of_headers(closure, snapshot, cache)
    assert surface is not None and surface.advisories is not None
    assert surface.unapplied == ("A-1",) and surface.unfixed is None
    # Issued more than a year before the repository's newest metadata.
    assert surface.advisories.total == 0


def test_the_fixes_that_a_lock_file_lacks_are_listed(updated: Bench, tmp_path: Path) -> None:
    configuration, cache = updated.configuration(), Cache(updated.root / "cache")
    snapshot = open_snapshot(configuration.repositories["repo"], "x86_64", cache)
    key = ImageKey("web", "minimal", "repo", "x86_64")
    closure = open_pool(snapshot, cache).solve(image_request(configuration, key))
    lock = tmp_path / "out.lock"
    write_lock(lock, [ImageDescription(key, snapshot.state, (), closure.packages)], "sha256:0")
    places = ["--config", str(updated.config), "--cache", str(cache.root)]
    text = CliRunner().invoke(cli, ["advisories", str(lock), *places])
    assert text.exit_code == 0, text.output
    assert "1 security fix of the repositories is not in it\n  A-1\n" in text.stdout
    whole = CliRunner().invoke(cli, ["advisories", str(lock), *places, "--format", "json"])
    (image,) = json.loads(whole.stdout)["images"]
    assert (image["workload"], image["unapplied"], image["unfixed"]) == ("web", ["A-1"], None)
