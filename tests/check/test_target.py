"""Targets that cannot be evaluated: a document that cannot be read is one problem for architectures
that fail alike; a distribution whose rpm is another version than this host's, and is not there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from bot.build.buildroot import Buildroots
from bot.check.target import Inputs, Remarks, evaluating_rpm, open_target
from bot.cli.check import exit_code
from bot.demo.distribution.reference import write_repository
from bot.distro.documents import RepositoryDocument
from bot.errors import SurroundingsError
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import SPEC_LIMITS
from bot.spec.rpm_version import DistributionRpm, RpmVersion, host_rpm
from bot.spec.setting import SpecSetting
from tests.check.tiny import ARCHES, DOCUMENTS, TOOL, Bench


class Unreachable:
    """Pools whose repositories cannot be reached, for one architecture by a reason of its own."""

    def get(self, document: RepositoryDocument, arch: str) -> None:
        if arch == "s390x":
            raise SurroundingsError(f"https://example.org/{document.id}/ is no repository.")
        raise SurroundingsError(f"https://example.org/{arch}/ cannot be reached.", "Try later.")


def test_open_target_says_once_what_fails_alike_on_several_architectures() -> None:
    remarks = Remarks()
    unused = cast(Any, None)
    inputs = Inputs(unused, unused, cast(Any, Unreachable()), SPEC_LIMITS)
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64", "aarch64", "s390x"), ())
    assert open_target(inputs, document, document.architectures, remarks) is None
    assert remarks.interrupted
    assert remarks.problems == [
        "d x86_64, aarch64: not evaluated: https://example.org/x86_64/ cannot be reached. Try"
        " later.",
        "d s390x: not evaluated: https://example.org/d/ is no repository.",
    ]


needs_sandbox = pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")

RPM = "Name: rpm\nVersion: 99.0\nRelease: 1\nSummary: r\nLicense: MIT\n%description\n%files\n"
PYTHON = RPM.replace("Name: rpm\n", "Name: python3-rpm\n")


@pytest.fixture
def repositories(tiny_repositories: Path, tmp_path: Path) -> Path:
    """The tiny distribution with packages that are called rpm and python3-rpm, and are empty."""
    root = tmp_path / "repositories"
    for arch in ARCHES:
        shutil.copytree(tiny_repositories / arch, root / arch)
        for text in (RPM, PYTHON):
            spec = tmp_path / "it.spec"
            spec.write_text(text)
            command = ["rpmbuild", "-bb", "--quiet", "--target", arch, "--define"]
            command += [f"_topdir {tmp_path}/top", "--define", f"_rpmdir {root / arch}", str(spec)]
            subprocess.run(command, check=True, capture_output=True)
        write_repository(root / arch, sorted((root / arch).rglob("*.rpm")), revision=2)
    return root


def newer(bench: Bench, repositories: Path, document: str = DOCUMENTS["repo"]) -> Bench:
    bench_ = Bench(bench.root, repositories)
    bench_.document("repo", document)
    return bench_


@needs_sandbox
def test_what_the_hosts_rpm_alone_refuses_is_neutral_and_worth_another_try(
    bench: Bench, repositories: Path
) -> None:
    head = {"tool.spec": TOOL.replace("%description", "NotYetATag: x\n%description", 1)}
    result = newer(bench, repositories).check(head)
    assert (result.verdict, exit_code(result)) == ("neutral", 1)
    (problem,) = result.problems
    assert problem.startswith("tool.spec:9 (head): `This host's rpm ")
    assert f"rpm {host_rpm()} refuses" in problem and "distribution's rpm 99.0" in problem
    assert any("rpm 99.0" in note and "cannot be installed" in note for note in result.notes)
    assert result.rpm_versions == {"repo": str(host_rpm())}


@needs_sandbox
def test_packages_that_cannot_be_installed_are_not_tried_again(
    bench: Bench, repositories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = newer(bench, repositories).check({"tool.spec": TOOL + "\n"})
    monkeypatch.setattr(Buildroots, "hold", lambda *_: pytest.fail("tried again"))
    again = newer(bench, repositories).check({"tool.spec": TOOL + "\n\n"})
    assert first.notes == again.notes != ()


@needs_sandbox
@pytest.mark.parametrize("line", ["%if 1", "Requiers: perl"])
def test_what_every_rpm_refuses_fails_all_the_same(
    bench: Bench, repositories: Path, line: str
) -> None:
    head = {"tool.spec": TOOL.replace("%description", f"{line}\n%description", 1)}
    result = newer(bench, repositories).check(head)
    assert (result.verdict, exit_code(result)) == ("failure", 3)


@needs_sandbox
def test_an_rpm_that_nobody_signed_is_not_run_where_its_repository_has_keys(
    bench: Bench, repositories: Path
) -> None:
    (bench.root / "key").write_text("")
    document = DOCUMENTS["repo"].replace(
        '$basearch/"}', f'$basearch/", gpgkey: "file://{bench.root}/key"}}'
    )
    result = newer(bench, repositories, document).check({"tool.spec": TOOL + "\n"})
    assert any("rpm 99.0" in note and "is not signed" in note for note in result.notes)
    assert not list((bench.root / "cache").glob("rpm-roots/*"))


@needs_sandbox
def test_the_rpm_that_evaluates_is_the_distributions_where_it_is_there(tmp_path: Path) -> None:
    own = DistributionRpm(RpmVersion(99, 0), tmp_path)
    assert evaluating_rpm(SpecSetting(rpm=own)) == "99.0"
