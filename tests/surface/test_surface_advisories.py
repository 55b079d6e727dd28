"""Security advisories are counted as a repository's updateinfo tells of them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import SurroundingsError
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.surface import Advisories
from bot.surface.advisories import count_advisories, read_advisories

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
    found = counted(
        tmp_path,
        update("A-1", "Critical"),
        update("A-2", "Important"),
        update("A-3", "medium"),
        update("A-4", "Low"),
        update("A-5", None),
        update("A-6", "None"),
    )
    assert found == Advisories(days=365, critical=1, important=1, moderate=1, low=1, unrated=2)
    assert found.total == 6


def test_an_id_counts_once_with_its_gravest_severity(tmp_path: Path) -> None:
    found = counted(tmp_path, update("A-1", "Low"), update("A-1", "Critical"))
    assert (found.total, found.critical) == (1, 1)


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
    with pytest.raises(SurroundingsError, match=r"updateinfo\.xml is no updateinfo"):
        read_advisories(path)


def test_a_check_imports_no_createrepo_before_an_updateinfo_is_read():
    # Its wheel's own rpm prints errors about the macros of a host's other rpm.
    code = "import sys, bot.check.run; print('createrepo_c' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
