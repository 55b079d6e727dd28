"""How long `minimize check --ci` takes on CentOS Stream 9's metadata by HTTP: cold, and warm.

    ./deploy/test --benchmarks tests/benchmarks/test_ci_speed.py

What must be reached: with an empty cache in less than 60 s; with a warm one less than 5 s more than
`minimize check` of the same change.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.benchmarks.test_check_speed import (
    DATA,
    MINIMIZE,
    OPENSSL,
    repository,
    write_centos_stream_9,
)
from tests.distro.servers import running

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real metadata at {DATA}"),
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock, as a pipeline waits, and of the processor."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} s ({self.processor:.1f} of the processor)"


def seconds(command: list[str], folder: Path, **variables: str) -> Taken:
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return Taken(time.perf_counter() - start, used)


def test_a_check_in_ci_cold_and_warm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needed = "Requires: crypto-policies >= 20180730\n"
    head = OPENSSL.replace(needed, f"{needed}Requires: perl-interpreter\n")
    git = repository(tmp_path / "git", "openssl", OPENSSL, head)
    ids = [
        subprocess.run(
            ["git", "rev-parse", name], cwd=git, check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in ("main", "change")
    ]
    event = tmp_path / "event.json"
    pull = {"number": 1, "base": {"ref": "main", "sha": ids[0]}, "head": {"sha": ids[1]}}
    event.write_text(json.dumps({"pull_request": pull}))
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_SERVER_URL": "http://127.0.0.1:9",
        "GITHUB_API_URL": "http://127.0.0.1:9",
        "GITHUB_REPOSITORY": "rpms/openssl",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_TOKEN": "",
        "MINIMIZE_TOKEN": "",
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(DATA)))
    with running(server) as url:
        write_centos_stream_9(tmp_path / "config", url)
        shared = ["--no-build", "--config", str(tmp_path / "config")]
        shared += ["--cache", str(tmp_path / "cache"), "--data", str(tmp_path / "data")]
        in_ci = [str(MINIMIZE), "check", "--ci", *shared, "--sarif", str(tmp_path / "s.json")]
        plain = [str(MINIMIZE), "check", "--base", "main", "--head", "change", *shared]
        cold = seconds(in_ci, git, **variables)
        pairs = [(seconds(plain, git), seconds(in_ci, git, **variables)) for _ in range(3)]
    with capsys.disabled():
        print(f"\ncheck --ci, cold: {cold}")
        for check, ci in pairs:
            print(f"warm: {ci}, beside check: {check}")
    assert cold.clock < 60
    assert min(ci.clock - check.clock for check, ci in pairs) < 5
    assert "openssl" in (tmp_path / "summary.md").read_text()
