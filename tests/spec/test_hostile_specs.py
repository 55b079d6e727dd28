"""Hostile spec files: each ends in a clear message within its limit, and the next one works."""

from __future__ import annotations

import errno
import json
import os
import socket
import tracemalloc
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
    result = evaluate(tmp_path, text, limits)
    assert isinstance(result, SpecFailure)
    assert result.cause in ("limit", "invalid")
    assert words in result.message
    assert_still_works(tmp_path)


def output_of(directory: Path, command: str) -> str:
    """What a shell command inside prints, carried out in a dependency's name."""
    (directory / "probe.sh").write_text(command)
    text = "%global said %(sh ./probe.sh 2>/dev/null | tr -cs a-zA-Z0-9 _)"
    result = evaluate(directory, text)
    assert isinstance(result, SpecEvaluation), result
    return result.packages[0].dependencies[0].dependency.capability


def test_it_reads_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIMIZE_SECRET", "tellmenot")
    assert "tellmenot" not in output_of(tmp_path, "env; cat /proc/*/environ 2>/dev/null")
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text("tellmenot")
    for path in ("/etc/shadow", "/root", str(Path.home()), str(secret), "/etc/hostname"):
        assert output_of(tmp_path, f"ls {path} >/dev/null 2>&1 && echo yes || echo no") == "xno_"


def test_a_link_in_the_checkout_leads_nowhere_outside(tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (tmp_path / "secret").write_text("tellmenot")
    (checkout / "link").symlink_to("../secret")
    (checkout / "etc").symlink_to("/etc")
    output = output_of(checkout, "cat link etc/shadow; ls; echo tellmewhat")
    assert output == "xhostile_spec_probe_sh_tellmewhat_"


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
        output = output_of(tmp_path, "/usr/bin/python3 ./probe.py")
    assert output == f"x{errno.ECONNREFUSED}_from_lo_"


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
        assert output_of(tmp_path, f"(echo x > {target}) && echo yes || echo no") == "xno_"
    assert (tmp_path / "hostile.spec").read_text().endswith(REST)


def test_noise_on_standard_output_disturbs_nothing(tmp_path):
    result = evaluate(tmp_path, "%{echo:noise}%{lua: print('') io.stdout:write('{}')}%(echo >&2 x)")
    assert isinstance(result, SpecEvaluation)


# Writes a text to whatever it finds open for writing in other processes, then ends them all.
FORGER = """import glob, os, signal, sys
text = open("forged.json", "rb").read() * int(sys.argv[1])
mine = f"/proc/{os.getpid()}/"
for place in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        pipe = os.readlink(place).startswith(("pipe:", "/memfd:"))
        if pipe and not place.startswith(mine) and not place.endswith(("/0", "/1", "/2")):
            with open(place, "wb", buffering=0) as stream:
                stream.write(text)
    except OSError:
        pass
os.kill(-1, signal.SIGKILL)
"""


def forged(directory: Path, answer: str, times: int = 1):
    (directory / "forged.json").write_text(answer)
    (directory / "forger.py").write_text(FORGER)
    return evaluate(directory, f"%(/usr/bin/python3 ./forger.py {times})")


def test_the_descriptor_of_the_answer_is_out_of_reach(tmp_path):
    look = "echo ${MINIMIZE_RESULT-unset}; ls -l /proc/*/fd /proc/*/map_files | grep -c memfd"
    assert output_of(tmp_path, look) == "xunset_0_"


def test_an_answer_of_64_mib_is_neither_kept_nor_parsed(tmp_path):
    evaluate(tmp_path, "")
    tracemalloc.start()
    try:
        result = forged(tmp_path, "[[], " + "[]," * 341 + "[]]", 64 * 1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(result, SpecFailure)
    assert peak < 8 * MEBIBYTE
    assert_still_works(tmp_path)


@pytest.mark.parametrize(
    "answer", ["[]", "{", "3", '{"x86_64": []}', '{"packages": [{"name": 1}]}', "[" * 100_000]
)
def test_a_forged_answer_of_another_form_is_refused(tmp_path, answer):
    result = forged(tmp_path, answer)
    assert isinstance(result, SpecFailure)
    assert result.cause == "invalid"
    assert_still_works(tmp_path)


PACKAGE = {
    "name": "forged",
    "epoch": None,
    "version": "9",
    "release": "1",
    "arch": "x86_64",
    "files": "/usr/bin/forged",
    "dependencies": [["requires", "perl", 0, ""]],
}
PARSED = {
    "packages": [PACKAGE],
    "source": "forged",
    "buildrequires": [],
    "exclusivearch": [],
    "excludearch": [],
    "conditions": [],
    "sources": [],
    "macros": [],
    "parsed": "Name: forged",
}


# Writes to the pipe of the process that parses, as its own Lua could, and ends that one alone.
CAREFUL_FORGER = """import os, pathlib, signal
def parent(process):
    return int(pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
parser = parent(os.getpid())
while "sh" in pathlib.Path(f"/proc/{parser}/comm").read_text():
    parser = parent(parser)
reader = parent(parser)
for name in os.listdir(f"/proc/{reader}/fd"):
    place = f"/proc/{reader}/fd/{name}"
    is_read = os.readlink(place).startswith("pipe:") and not os.lstat(place).st_mode & 0o200
    if is_read and int(name) > 2:
        with open(place, "wb", buffering=0) as stream:
            stream.write(open("forged.json", "rb").read())
os.kill(parser, signal.SIGKILL)
"""


def test_a_forged_answer_that_fits_is_no_more_than_another_spec(tmp_path):
    (tmp_path / "forged.json").write_text(json.dumps(PARSED))
    (tmp_path / "forger.py").write_text(CAREFUL_FORGER)
    result = evaluate(tmp_path, "%(/usr/bin/python3 ./forger.py)")
    assert isinstance(result, SpecEvaluation), result
    assert [str(package.nevra) for package in result.packages] == ["forged-0:9-1.x86_64"]
    assert [dependency.origin for dependency in result.packages[0].dependencies] == [None]
    assert_still_works(tmp_path)


def test_a_spec_file_beyond_its_limit_is_not_read(tmp_path):
    result = evaluate(tmp_path, "#" * (2 * MEBIBYTE))
    assert isinstance(result, SpecFailure)
    assert (result.cause, "more than 2 MiB" in result.message) == ("limit", True)


def test_no_process_survives(tmp_path):
    # Seconds that no other process of this machine sleeps.
    seconds = f"98765.{os.getpid()}"
    evaluate(tmp_path, f"%(setsid sleep {seconds} >/dev/null 2>&1 & echo)")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            assert seconds.encode() not in words
