"""The first answer on one's own spec: one command, an empty cache, a folder with one spec file.

    python -m tests.benchmarks.first_answer ../shared/data [--build]

Serves CentOS Stream 9's metadata (the folders `centos-stream-9-baseos` and `-appstream` there) over
HTTP on this machine, writes a spec file into an empty folder without a commit, and runs `minimize
check` on a terminal of 80 columns with an empty cache. Prints what the terminal showed, each line
with its second, then the seconds to the end and the longest silence.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import termios
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_ESCAPE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|\r")
_SPINNER = " \N{BRAILLE PATTERN BLANK}⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SPEC = """\
Name: hello-web
Version: 1
Release: 1%{?dist}
Summary: A small service
License: MIT
Requires: httpd
Requires: python3

%description
A small service.

%files
"""
REPOSITORY = """\
document: feedback-pipeline-repository
version: 2
data:
  name: CentOS Stream 9
  description: Served on this machine
  maintainer: nobody
  source:
    repos:
      baseos: {{baseurl: "{url}/centos-stream-9-baseos/"}}
      appstream: {{baseurl: "{url}/centos-stream-9-appstream/"}}
    releasever: 9
    architectures: [x86_64]
    dist: .el9
    module_platform: platform:el9
"""
ENVIRONMENT = """\
document: feedback-pipeline-environment
version: 1
data:
  name: Minimal
  description: The smallest base
  maintainer: nobody
  repositories: [centos-stream-9]
  packages: [glibc-minimal-langpack, coreutils-single]
  labels: [application]
"""


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a log."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def main(data: Path, *more: str) -> int:
    """Run it; the exit code of `minimize check`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(data.resolve())))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("config", "hello-web"):
            (root / name).mkdir()
        url = f"http://127.0.0.1:{server.server_port}"
        (root / "config" / "centos-stream-9.yaml").write_text(REPOSITORY.format(url=url))
        (root / "config" / "minimal.yaml").write_text(ENVIRONMENT)
        (root / "hello-web" / "hello-web.spec").write_text(SPEC)
        command = [Path(sys.executable).with_name("minimize"), "check", "--config", root / "config",
                   "--cache", root / "cache"]  # fmt: skip
        if "--build" not in more:
            command.append("--no-build")
        return shown([str(part) for part in command], root / "hello-web")


def shown(command: list[str], folder: Path) -> int:
    """Run a command on a terminal of 80 columns, and print what it shows when."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(terminal)
    last, silence, first, before = began, 0.0, None, ""
    while True:
        if not select.select([controller], [], [], 0.2)[0]:
            continue
        try:
            text = os.read(controller, 65536)
        except OSError:
            break  # the terminal's other end is closed
        if not text:
            break
        now = time.monotonic()
        silence, last = max(silence, now - last), now
        first = first if first is not None else now - began
        for line in _ESCAPE.sub("", text.decode(errors="replace")).splitlines():
            words = line.strip(_SPINNER).rstrip()
            if words and words != before:
                print(f"[{now - began:5.1f} s] {words}", flush=True)
                before = words
    code = process.wait()
    used = os.times()
    print(
        f"\n{time.monotonic() - began:.1f} s to the end,"
        f" {used.children_user + used.children_system:.1f} s of processor, first shown after"
        f" {first or 0:.1f} s, longest silence {silence:.1f} s, exit code {code}"
    )
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
