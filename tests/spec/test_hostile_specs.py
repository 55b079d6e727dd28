"""Hostile spec files: each ends in a clear message within its limit, and the next one works."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.run import sandbox_available
from bot.sandbox.values import Limits
from bot.spec.evaluate import evaluate_spec

pytestmark = pytest.mark.skipif(
    sandbox_available() is not None, reason=f"no sandbox here: {sandbox_available()}"
)

MEBIBYTE = 1024 * 1024
LIMITS = Limits(
    seconds=90.0,  # much more than any needs, also where the machine is busy
    memory=256 * MEBIBYTE,
    processes=48,
    output=MEBIBYTE,
    file_size=16 * MEBIBYTE,
    tmp=16 * MEBIBYTE,
)
REST = """
Name: hostile
Version: 1
Release: 1
Summary: hostile
%{?said:Provides: x%{said}}
License: MIT
%description
%files
"""


def evaluate(directory: Path, text: str, limits: Limits = LIMITS):
    (directory / "hostile.spec").write_text(text + REST)
    return evaluate_spec(directory, "hostile.spec", ["x86_64"], limits=limits)["x86_64"]


def assert_still_works(directory: Path) -> None:
    assert isinstance(evaluate(directory, ""), SpecEvaluation)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%(while :; do :; done)", "longer than 1.5 s"),
        ("%{lua: while true do end}", "longer than 1.5 s"),
        ("%(sleep 1000)", "longer than 1.5 s"),
        ("%(trap '' TERM HUP INT; setsid sleep 1000 & while :; do sleep 1; done)", "longer than"),
        ("%(bash -c 'b() { b | b & }; b; sleep 60')", "more than 48 processes"),
        ("%(for i in $(seq 100); do sleep 60 & done; wait)", "more than 48 processes"),
        ("%(b() { b | b & }; b; sleep 60)", "was ended"),  # dash's bomb dies when it cannot fork
        ("%(yes >&2)", "more than 1 MiB of output"),
        ("%{lua: while true do io.stderr:write(string.rep('x', 65536)) end}", "MiB of output"),
        ("%(yes | tr -d '\\n')", "memory"),
        (
            "%{lua: local t = {} while true do t[#t + 1] = string.rep('x', 2^20) .. #t end}",
            "memory",
        ),
        ("%(head -c 3G /dev/zero | tail)", "256 MiB of memory"),
        ("%(for i in 1 2 3 4; do cat /dev/zero > /tmp/fill$i; done; sleep 60)", "temporary files"),
    ],
)
def test_a_limit_ends_it_with_its_name(tmp_path, text, words):
    limits = LIMITS
    if "longer than" in words or "was ended" in words:
        limits = Limits(1.5, *(getattr(LIMITS, name) for name in LIMITS.__slots__[1:]))
    found = evaluate(tmp_path, text, limits)
    assert isinstance(found, SpecFailure)
    assert found.cause in ("limit", "invalid")
    assert words in found.message
    assert_still_works(tmp_path)


def said(directory: Path, command: str) -> str:
    """What a shell command inside prints, carried out in a dependency's name."""
    (directory / "probe.sh").write_text(command)
    text = "%global said %(sh ./probe.sh 2>/dev/null | tr -cs a-zA-Z0-9 _)"
    found = evaluate(directory, text)
    assert isinstance(found, SpecEvaluation), found
    return found.packages[0].dependencies[0].dependency.capability


def test_it_reads_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIMIZE_SECRET", "tellmenot")
    assert "tellmenot" not in said(tmp_path, "env; cat /proc/*/environ 2>/dev/null")
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text("tellmenot")
    for path in ("/etc/shadow", "/root", str(Path.home()), str(secret), "/etc/hostname"):
        assert said(tmp_path, f"ls {path} >/dev/null 2>&1 && echo yes || echo no") == "xno_"


def test_a_link_in_the_checkout_leads_nowhere_outside(tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (tmp_path / "secret").write_text("tellmenot")
    (checkout / "link").symlink_to("../secret")
    (checkout / "etc").symlink_to("/etc")
    found = said(checkout, "cat link etc/shadow; ls; echo tellmewhat")
    assert found == "xhostile_spec_probe_sh_tellmewhat_"


def test_it_opens_no_connection(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        (tmp_path / "probe.py").write_text(
            "import socket\n"
            f"code = socket.socket().connect_ex(('127.0.0.1', {port}))\n"
            "names = [line.split(':')[0] for line in open('/proc/net/dev') if ':' in line]\n"
            "print(code, 'from', *names)\n"
        )
        found = said(tmp_path, "/usr/bin/python3 ./probe.py")
    assert found == f"x{errno.ECONNREFUSED}_from_lo_"


def test_it_writes_nothing_outside(tmp_path):
    targets = (
        "/usr/x",
        "/etc/x",
        "/x",
        "/dev/x",
        "/checkout/x",
        "/checkout/hostile.spec",
        "/var/x",
    )
    for target in targets:
        assert said(tmp_path, f"(echo x > {target}) && echo yes || echo no") == "xno_"
    assert (tmp_path / "hostile.spec").read_text().endswith(REST)


def test_noise_on_standard_output_disturbs_nothing(tmp_path):
    found = evaluate(tmp_path, "%{echo:noise}%{lua: print('') io.stdout:write('{}')}%(echo >&2 x)")
    assert isinstance(found, SpecEvaluation)


def test_a_forged_answer_is_no_more_than_a_strange_spec(tmp_path):
    out = "/proc/self/fd/$MINIMIZE_RESULT"
    for answer in ("[]", "{", "3", '{"x86_64": []}', '{"x86_64": {"packages": [{"name": 1}]}}'):
        found = evaluate(tmp_path, f"%(echo '{answer}' 1<> {out}; kill -9 -1)")
        assert isinstance(found, SpecFailure)
        assert found.cause == "invalid"
    found = evaluate(tmp_path, f"%(yes 1<> {out}; kill -9 -1)")
    assert isinstance(found, SpecFailure)
    assert_still_works(tmp_path)


def test_no_process_survives(tmp_path):
    evaluate(tmp_path, "%(setsid sleep 98765 >/dev/null 2>&1 & echo)")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                assert b"98765" not in (entry / "cmdline").read_bytes()
            except OSError:
                continue
