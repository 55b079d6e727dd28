"""An unsigned package of a repository with a key: no check runs it, and no image has it."""

from __future__ import annotations

import functools
import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from bot.cli import main
from bot.sandbox.run import sandbox_available
from tests.check.tiny import DOCUMENTS, Bench, workload
from tests.spec.macro_repository import MacroPackage, write_distribution
from tests.specs import tags

pytestmark = pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")

ARCH = platform.machine()
SPEC = tags("tool", "Requires: %{good}") + "%description\n%files\n"
DOCUMENT = DOCUMENTS["repo"].replace("[x86_64, aarch64]", f"[{ARCH}]")
Run = Callable[..., tuple[int, Mapping[str, Any], str]]


@functools.cache
def signer() -> Any:
    return pysequoia.Tsk.generate("Packager <p@example.org>")


@functools.cache  # a signature has its time: the same file twice
def sign(content: bytes) -> bytes:
    armored = pysequoia.sign(signer().signer(), content, mode=pysequoia.SignatureMode.DETACHED)
    return bytes(pysequoia.Sig.from_bytes(armored))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command on a distribution whose `rpm-build` is signed or not; everything else is."""

    def on(signed: bool, *arguments: str) -> tuple[int, Mapping[str, Any], str]:
        root = tmp_path / f"signed-{signed}"
        macros = {"/usr/lib/rpm/macros.d/macros.good": "%good base\n"}
        packages = [
            MacroPackage("base", signed=sign),
            MacroPackage("rpm-build", macros, signed=sign if signed else None),
        ]
        write_distribution(root / "repository", packages, [ARCH])
        (root / "key.asc").write_text(str(signer().extract_certificate()))
        bench = Bench(root, root / "repository")
        key = f'$basearch/", gpgkey: "{(root / "key.asc").as_uri()}"}}'
        bench.document("repo", DOCUMENT.replace('$basearch/"}', key))
        bench.document("minimal", DOCUMENTS["minimal"])
        bench.document("web", workload("rpm-build"))
        bench.start({"tool.spec": SPEC})
        bench.commit({"tool.spec": SPEC.replace("Summary: t", "Summary: tool")})
        options = {"--config": bench.config, "--cache": root / "cache", "--format": "json"}
        if arguments[0] == "check":
            options |= {"--git": root / "git", "--base": "HEAD~1", "--head": "HEAD"}
        else:
            options |= {"--arch": ARCH, "--output": f"oci:{root / 'image'}"}
        words = [str(word) for option in options.items() for word in option]
        with pytest.raises(SystemExit) as done:
            main([*arguments, *words])
        out, err = capsys.readouterr()
        return int(done.value.code or 0), json.loads(out) if out else {}, err

    return on


def test_evaluation_has_no_macros_of_it_and_the_report_says_so(run: Run) -> None:
    _, result, _ = run(True, "check", "--no-build")
    assert (result["verdict"], result["problems"]) == ("success", [])
    _, result, _ = run(False, "check", "--no-build")
    assert result["verdict"] == "neutral"
    assert any("good" in problem for problem in result["problems"]), result
    assert any("rpm-build-0:1-1.noarch" in n and "is not signed" in n for n in result["notes"])


def test_no_buildroot_has_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.check.test_unsigned.SPEC", SPEC.replace("%{good}", "base"))
    _, result, _ = run(False, "check")
    outcomes = {build["outcome"] for build in result["builds"]}
    assert outcomes == {"not-built"}
    assert all("is not signed" in build["message"] for build in result["builds"])


def test_no_image_has_it(run: Run, tmp_path: Path) -> None:
    code, output, errors = run(True, "image", "web")
    assert (code, len(output["packages"])) == (0, 2), errors
    code, output, errors = run(False, "image", "web")
    assert (code, output) == (1, {})
    assert "rpm-build-1-1.noarch" in errors and "is not signed" in errors
    assert not (tmp_path / "signed-False/image").exists()
