"""`minimize doctor`: what this machine gives strangers' code, and what helps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bot.cli import main
from bot.errors import SurroundingsError
from bot.sandbox import cgroup, emulation, isolation, run
from bot.sandbox.isolation import inspect_isolation
from bot.sandbox.run import sandbox_available
from bot.sandbox.values import RunResult, SandboxError

pytestmark = pytest.mark.skipif(
    sandbox_available() is not None or cgroup.hierarchy() is None,
    reason=f"no sandbox or no control groups here: {sandbox_available()}",
)
HOME = Path(__file__).parents[2]
PARTS = ["programs", "namespaces", "system calls", "/proc", "memory", "user ids", "disk"]


def doctor(capsys, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return int(ended.value.code or 0), capsys.readouterr().out


def settings(directory: Path, **more: object) -> str:
    secret = {"env": "SECRET"}
    forge = {"type": "github", "token": secret, "webhook_secrets": [secret]}
    file = directory / "bot.yaml"
    file.write_text(yaml.safe_dump({"forges": {"github": forge}, **more}))
    return str(file)


def test_a_machine_that_gives_all_runs_strangers_code(tmp_path: Path) -> None:
    found = inspect_isolation(tmp_path / "not/yet/there")
    assert [part.name for part in found.parts] == PARTS
    assert found.strangers == "run"
    assert {part.name for part in found.missing} <= {"user ids"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_home_that_is_another_user_s_has_no_cache(tmp_path: Path) -> None:
    """As `runuser -u minimize -- minimize doctor` is: HOME stays root's."""
    tmp_path.chmod(0o700)
    other = ["setpriv", "--reuid=61999", "--regid=61999", "--clear-groups"]
    if subprocess.run([*other, "test", "-r", str(HOME / "bot")], check=False).returncode != 0:
        pytest.skip(f"other users cannot read {HOME}")
    doctor = [sys.executable, "-m", "bot", "doctor"]
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": str(HOME)}
    for more, said in (
        ((), "/var/cache/minimize is for the cache, and this user cannot write at /var"),
        (("--cache", str(tmp_path / "c")), f"{tmp_path}/c is for the cache, and this user"),
    ):
        done = subprocess.run(
            [*other, *doctor, *more],
            env=env, cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert said in done.stdout, done.stderr
        assert "name another directory with --cache" in done.stdout


def test_without_control_groups_the_settings_decide(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(isolation, "hierarchy", lambda: None)
    code, text = doctor(capsys, "--cache", str(tmp_path))
    assert code == 1
    assert "missing  memory        no control group can be made" in text
    assert "Delegate=yes" in text or "--privileged" in text
    assert "Strangers' code is not run here.\n" in text
    words = {"without_memory_limit": "run strangers' code anyway"}
    code, text = doctor(capsys, "--settings", settings(tmp_path, sandbox=words))
    assert code == 1
    assert "without a memory limit, as the settings say" in text


def test_its_json_says_each_part(tmp_path: Path, capsys) -> None:
    builds = {"builder": "mock"}
    arguments = ("--settings", settings(tmp_path, build=builds), "--format", "json")
    code, text = doctor(capsys, *arguments)
    value = json.loads(text)
    assert code == 1
    assert value["strangers"] == "run"
    assert [part["name"] for part in value["isolation"]] == [*PARTS, "builds"]
    assert value["isolation"][-1]["given"] is False
    assert "rpmbuild" in value["isolation"][-1]["remedy"]


def test_a_sandbox_that_cannot_start_has_its_remedy(monkeypatch, tmp_path: Path) -> None:
    def fails(*_: object, **__: object) -> RunResult:
        raise SandboxError("User namespaces are off.", "Turn them on.")

    monkeypatch.setattr(isolation, "run_sandboxed", fails)
    found = inspect_isolation(tmp_path)
    assert [(part.name, part.remedy) for part in found.missing][:1] == [
        ("namespaces", "Turn them on.")
    ]
    assert found.strangers == "refused"


def test_ids_that_cannot_be_taken_are_missing(monkeypatch, tmp_path: Path) -> None:
    """As under Ubuntu's profile for bwrap: the namespace is made, and its root may do nothing."""

    def answers(*_: object, **__: object) -> RunResult:
        return RunResult(127, b"", b"setpriv: setresuid failed: Operation not permitted", None, 0.1)

    run.require_sandbox.cache_clear()
    monkeypatch.setattr(isolation, "check_user_ids", lambda: "65,536 from 100000 on")
    monkeypatch.setattr(run, "run_sandboxed", answers)
    (part,) = [part for part in inspect_isolation(tmp_path).parts if part.name == "user ids"]
    assert not part.given
    assert "setresuid failed" in part.detail
    assert part.remedy


def test_a_sandbox_that_did_not_work_is_tried_again(monkeypatch) -> None:
    answers = [RunResult(code, b"", b"", None, 0.1) for code in (1, 0)]
    monkeypatch.setattr(run, "run_sandboxed", lambda *_, **__: answers.pop(0))
    run.require_sandbox.cache_clear()
    assert "failed in the sandbox" in (sandbox_available() or "")
    assert [sandbox_available(), sandbox_available()] == [None, None]  # kept once it has worked
    run.require_sandbox.cache_clear()


def test_what_a_program_reaches_inside_is_missing(monkeypatch, tmp_path: Path) -> None:
    reached = {"namespaces": False, "system calls": True, "/proc": False}

    def answers(*_: object, **__: object) -> RunResult:
        return RunResult(0, json.dumps(reached).encode(), b"", None, 0.1)

    monkeypatch.setattr(isolation, "run_sandboxed", answers)
    found = inspect_isolation(tmp_path)
    assert "system calls" in [part.name for part in found.missing]
    assert found.strangers == "refused"


def test_what_it_tries_is_reached_outside_of_the_sandbox(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "filters", lambda _user: ())
    found = inspect_isolation(tmp_path)
    assert [part.name for part in found.missing][:1] == ["system calls"]


def test_it_says_for_which_architectures_this_machine_builds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def runs(arch: str) -> SurroundingsError | None:
        return None if arch == "aarch64" else SurroundingsError(f"No {arch}.", "Install it.")

    monkeypatch.setattr(emulation, "native_architecture", lambda: "x86_64")
    monkeypatch.setattr(emulation, "why_not_run", runs)
    wanted = {"engine": {"architectures": ["x86_64", "s390x"]}, "build": {"emulated": ["aarch64"]}}
    code, text = doctor(capsys, "--settings", settings(tmp_path, **wanted), "--format", "json")
    found = {
        one["arch"]: (one["builds"], one["wanted"]) for one in json.loads(text)["architectures"]
    }
    assert found == {
        "x86_64": ("native", True),
        "aarch64": ("emulated", False),
        "ppc64le": (None, False),
        "s390x": (None, True),
    }
    assert code == 1
    code, text = doctor(capsys, "--settings", settings(tmp_path, **wanted))
    assert code == 1
    assert "none     s390x     No s390x\n                   Install it.\n" in text
    assert "emulated aarch64   qemu-user, and the settings allow it\n" in text
