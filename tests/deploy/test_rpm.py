"""deploy/minimize.spec: built by rpmbuild, installed, removed, and checked by the bot itself.

The libraries here are those that `minimize --version` loads; deploy/rpm takes them all.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest

from bot.demo.distribution.reference import write_repository
from tests.check.tiny import Bench, documented, objective, workload
from tests.specs import build

HOME = Path(__file__).parents[2]
SPEC = HOME / "deploy/minimize.spec"
pytestmark = pytest.mark.skipif(
    shutil.which("rpmbuild") is None, reason="rpmbuild is not installed: deploy/test installs it"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="rpm --root is root's")
# A distribution that has what the package requires, and perl.
AROUND = """\
Name: around
Version: 1
Release: 1
Summary: s
License: MIT
%description
{packages}
"""
PACKAGE = """\
%package -n {name}
Version: {version}
Summary: s
{provides}
%description -n {name}
%files -n {name}
"""


def sources_module() -> ModuleType:
    place = importlib.util.spec_from_file_location("rpm_sources", HOME / "deploy/rpm_sources.py")
    assert place is not None and place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_what_is_installed_has_a_list_of_its_files() -> None:
    """The pip of Debian 12 writes none for a library without a wheel, unless it is made one."""
    lock = (HOME / "deploy/requirements-server.txt").read_text()
    names = [library.name for library in sources_module().libraries(lock)
             if library.read_text("RECORD") is None]  # fmt: skip
    assert names == []


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, with the library that its first command needs."""
    top = tmp_path_factory.mktemp("rpm")
    sources = top / "SOURCES"
    shutil.copytree(HOME / "deploy/systemd", sources)
    module = sources_module()
    lock = f"click=={distribution('click').version}\n"
    module.write_sources(HOME, sources, lock)
    command = ["rpmbuild", "-bb", "--quiet", "--nodeps", "--define", f"_topdir {top}"]
    command += ["--define", "_buildshell /bin/bash", str(SPEC)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = (top / "RPMS").rglob("*.rpm")
    return made


def rpm_query(package: Path, question: str) -> set[str]:
    done = subprocess.run(
        ["rpm", "-qp", f"--{question}", str(package)], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines())


def test_it_requires_what_the_bot_runs_and_this_python(package: Path) -> None:
    required = rpm_query(package, "requires")
    major, minor = sys.version_info[:2]
    assert {f"python3 >= {major}.{minor}", f"python3 < {major}.{minor + 1}"} <= required
    assert {"/usr/bin/bwrap", "/usr/bin/git", "/usr/bin/newuidmap", "python3-rpm"} <= required
    # Its libraries are inside: nobody else's are required, nor are they provided to anybody.
    assert not [one for one in required | rpm_query(package, "provides") if "dist(" in one]


def test_a_locked_library_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"click .* is in \.venv, and the lock names 0\.1"):
        sources_module().write_sources(HOME, tmp_path, "click==0.1\n")


def test_of_a_library_its_own_files_are_taken(tmp_path: Path) -> None:
    lock = f"click=={distribution('click').version}\n"
    sources_module().write_sources(HOME, tmp_path, lock)
    (archive,) = tmp_path.glob("*.tar")
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    assert "click/core.py" in names
    assert not [name for name in names if name.endswith(".pyc") or ".." in name]


@needs_root
def test_it_is_installed_and_removed_in_a_root(package: Path, tmp_path: Path) -> None:
    rpm = ["rpm", "--root", str(tmp_path)]
    subprocess.run([*rpm, "--initdb"], check=True, capture_output=True)
    subprocess.run([*rpm, "-i", "--nodeps", "--noscripts", str(package)], check=True)
    for place in ("usr/bin/minimize", "usr/lib/systemd/system/minimize.service"):
        assert os.path.lexists(tmp_path / place)
    documents = tmp_path / "etc/minimize/documents"
    assert (documents / "centos-stream-10.yaml").is_file()
    assert not (documents / "bot.yaml").exists()
    python = tmp_path / "usr/lib/minimize/bin/python"
    done = subprocess.run(
        [str(python), "-I", "-c", "from bot.cli import main; main(['--version'])"],
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.endswith(", version 0.1.0\n"), done.stderr
    (documents / "mine.yaml").write_text("# mine\n")
    subprocess.run([*rpm, "-e", "--noscripts", "minimize"], check=True)
    left = {
        path.relative_to(tmp_path)
        for path in tmp_path.rglob("*")
        if "minimize" in str(path.relative_to(tmp_path)) and not path.is_dir()
    }
    assert left == {Path("etc/minimize/documents/mine.yaml")}


@pytest.fixture
def bench(package: Path, tmp_path: Path) -> Bench:
    """The bot's package, published in a distribution of its own, and its spec file in git."""
    root = tmp_path / "published"
    arch = platform.machine()
    major, minor = sys.version_info[:2]
    needed = sorted(
        one.partition(" ")[0]
        for one in rpm_query(package, "requires")
        if not one.startswith(("python3 ", "rpmlib(", "config(", "user(", "group("))
    )
    packages = PACKAGE.format(name="python3", version=f"{major}.{minor}.2", provides="")
    packages += PACKAGE.format(
        name="base", version="1",
        provides="\n".join(f"Provides: {one}" for one in [*needed, "user(minimize)",
                                                         "group(minimize)"]),
    )  # fmt: skip
    packages += PACKAGE.format(name="perl", version="1", provides="")
    build(AROUND.format(packages=packages), arch, tmp_path / "work", root / arch)
    shutil.copy(package, root / arch)
    write_repository(root / arch, list((root / arch).rglob("*.rpm")), 1_700_000_000)
    made = documented(
        tmp_path,
        root,
        itself=workload("minimize"),
        small=objective("itself", architectures=[arch], limits={"packages": 3}),
    )
    made.start({"minimize.spec": SPEC.read_text()})
    return made


def test_the_bot_checks_its_own_package(bench: Bench) -> None:
    line = "Requires:       python3-rpm\n"
    head = SPEC.read_text().replace(line, f"{line}Requires: perl\n")
    result = bench.check({"minimize.spec": head}, arches=(platform.machine(),))
    (image,) = result.images
    assert [one.nevra.name for one in image.added] == ["perl"]
    assert result.verdict == "failure"
    assert [(one.value, one.limit, one.met) for one in image.objectives] == [(4, 3, False)]
