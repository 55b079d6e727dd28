"""The wheel: its contents, and its commands outside a checkout."""

from __future__ import annotations

import email
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hatchling.builders.wheel import WheelBuilder

from bot.cli import cli
from bot.cli.server import _demo_error
from bot.distro.sharing import built_in_documents

HOME = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = WheelBuilder(str(HOME)).build(
        directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"]
    )
    return Path(next(made))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files in a folder of their own, which stands before the checkout on the path."""
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def minimize(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(folder / "c")}
    environment.pop("MINIMIZE_CACHE", None)
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_wheel_has_the_package_and_the_documents_and_no_demo(wheel: Path) -> None:
    found = {n for n in zipfile.ZipFile(wheel).namelist() if not n.startswith("minimize-")}
    sources = {
        str(path.relative_to(HOME))
        for path in (HOME / "bot").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    demo = {name for name in sources if name.startswith("bot/demo/")}
    documents = {f"bot/config/{path.name}" for path in (HOME / "config").iterdir()}
    assert found == (sources - demo) | documents
    assert len(demo) > 30
    kinds = {Path(name).suffix for name in found if "/" in name.removeprefix("bot/")}
    assert kinds == {".py", ".j2", ".css", ".svg", ".yaml", ".toml", ".md", ".json"}


def test_wheel_requires_python_debian_for_extras_alone(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    required = email.message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])
    extras = {r.partition("; ")[2] for r in required if r.startswith("python-debian")}
    assert extras == {"extra == 'demo'", "extra == 'test'"}


def test_config_check_outside_a_checkout_takes_the_built_in_documents(
    installed: Path, tmp_path: Path
) -> None:
    done = minimize(installed, tmp_path, "config", "check", "--format", "json")
    assert (done.returncode, json.loads(done.stdout)["errors"]) == (0, [])


def test_closure_outside_a_checkout_knows_the_built_in_images(
    installed: Path, tmp_path: Path
) -> None:
    done = minimize(installed, tmp_path, "closure", "no-such-workload", "--on", "fedora-45")
    assert done.returncode == 2
    assert "nginx" in done.stderr  # of the workloads that there are


def test_config_init_writes_the_built_in_documents_once(installed: Path, tmp_path: Path) -> None:
    done = minimize(installed, tmp_path, "config", "init")
    assert (done.returncode, done.stdout) == (0, "")
    assert "minimize config check" in done.stderr
    written = {p.name: p.read_bytes() for p in (tmp_path / "config").iterdir()}
    assert written == {p.name: p.read_bytes() for p in (HOME / "config").glob("*.yaml")}
    (tmp_path / "config/nginx.yaml").write_text("mine")
    again = minimize(installed, tmp_path, "config", "init")
    assert (again.returncode, "Nothing was written" in again.stderr) == (2, True)
    assert (tmp_path / "config/nginx.yaml").read_text() == "mine"


def test_demo_from_the_wheel_says_that_it_needs_a_checkout(installed: Path, tmp_path: Path) -> None:
    done = minimize(installed, tmp_path, "demo")
    assert done.returncode == 2
    assert done.stderr == (
        "error: The demo does not come with the installed package.\n"
        "       Clone the repository of minimize and run ./deploy/demo there.\n"
    )


def test_demo_without_python_debian_names_it_and_hides_no_other_error() -> None:
    error = _demo_error(ModuleNotFoundError("no debian", name="debian.deb822"))
    assert "python-debian" in error.what and "[demo]" in error.hint
    with pytest.raises(ModuleNotFoundError, match="aiohttp"):
        _demo_error(ModuleNotFoundError("no aiohttp", name="aiohttp"))


def test_built_in_documents_of_a_checkout_are_its_own() -> None:
    assert built_in_documents() == HOME / "config"


@pytest.mark.parametrize(
    "arguments", [("track",), ("objectives",), ("config", "check", "--config", "mine")]
)
def test_commands_that_record_or_name_a_folder_take_no_built_in_documents(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*arguments, "--data", str(tmp_path / "data")])
    assert "There is no folder of configuration documents" in str(result.exception)
    assert str(HOME / "config") in str(result.exception)


def test_the_same_tree_gives_the_same_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for zone in ("UTC", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        folder = str(tmp_path / zone.replace("/", "-"))
        built = WheelBuilder(str(HOME)).build(directory=folder, versions=["standard"])
        made.append(Path(next(built)))
    monkeypatch.undo()
    time.tzset()
    assert made[0].read_bytes() == made[1].read_bytes()
    assert {entry.date_time[0] for entry in zipfile.ZipFile(made[0]).infolist()} == {2023}
