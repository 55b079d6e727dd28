"""What a command in the sandbox may see and use, and how its end is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import bot
from bot.sandbox import supervise
from bot.sandbox.run import require_sandbox, result_file, run_sandboxed, sandbox_available
from bot.sandbox.values import Bind, Limits, SandboxError

needs_sandbox = pytest.mark.skipif(
    sandbox_available() is not None, reason=f"no sandbox here: {sandbox_available()}"
)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
MEBIBYTE = 1024 * 1024


def sh(command: str, **kwargs):
    return run_sandboxed(["/bin/sh", "-c", command], **kwargs)


@needs_sandbox
def test_output_and_status_come_back():
    result = sh("echo out; echo err >&2; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert result.limit is None
    require_sandbox()


@needs_sandbox
def test_the_view_is_minimal_and_read_only(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    result = sh("ls /; ls /etc; env | sort; id -u", env={"MINE": "1"})
    names = result.stdout.decode().split()
    assert "home" not in names and "root" not in names and "shadow" not in names
    assert "MINE=1" in names and "HOME=/tmp" in names
    assert not [name for name in names if name.startswith("SECRET")]
    assert names[-1] == "1000"
    for place in ("/", "/usr", "/etc", "/dev", "/usr/lib"):
        assert sh(f"echo x > {place}/x").returncode != 0
    assert sh("echo x > /tmp/x && echo x > /dev/shm/x && echo > /dev/null").returncode == 0


@needs_sandbox
def test_nothing_of_this_process_is_inherited(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("tellmenot")
    with secret.open() as handle:
        os.set_inheritable(handle.fileno(), True)
        result = sh("ls /proc/self/fd; cat /proc/*/cmdline | tr '\\0' ' '; cat /proc/*/environ")
    assert result.stdout.split(b"\n")[:4] == [b"0", b"1", b"2", b"3"]
    # bubblewrap's own descriptors (options, status) are out of reach: the status names a process.
    assert b"memfd" not in sh("ls -l /proc/*/fd").stdout
    assert str(tmp_path).encode() not in result.stdout


@needs_sandbox
def test_there_is_no_network_and_no_other_process():
    assert sh("cat /proc/net/dev | tail -n +3 | cut -d: -f1").stdout.split() == [b"lo"]
    assert len([n for n in sh("ls /proc").stdout.split() if n.isdigit()]) < 6


@needs_sandbox
def test_binds_are_seen_where_they_are_put(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shown, written = closed / "shown", closed / "written"
    shown.mkdir(mode=0o755)
    (shown / "file").write_text("hello")
    (shown / "file").chmod(0o644)
    written.mkdir()
    binds = [
        Bind(shown, "/a/shown"),
        Bind(written, "/written", writable=True),
        Bind(shown / "file", "/a/single"),
    ]
    result = sh(
        "cat /a/shown/file /a/single; echo x > /written/x; echo y > /a/shown/y; ls /a", binds=binds
    )
    assert result.stdout == b"hellohelloshown\nsingle\n"
    assert (written / "x").read_text() == "x\n"
    assert written.stat().st_uid == os.getuid()
    assert not (shown / "y").exists()


@needs_sandbox
def test_a_missing_bind_or_command_is_an_error_of_the_sandbox(tmp_path):
    with pytest.raises(SandboxError, match="nothere"):
        sh("true", binds=[Bind(tmp_path / "nothere", "/x")])
    with pytest.raises(SandboxError, match="nothere"):
        run_sandboxed(["nothere"])
    with pytest.raises(SandboxError, match="could not start"):
        sh("true", binds=[Bind(tmp_path, "/usr/nothere")])


def test_bubblewrap_s_own_message_ends_with_one_full_stop(monkeypatch):
    monkeypatch.setattr(supervise.os, "pread", lambda *_: b"")
    with pytest.raises(SandboxError) as raised:
        supervise._refuse_setup_failure(0, b"bwrap: No permissions. See <README>.\n")
    assert raised.value.what == "The sandbox could not start: bwrap: No permissions. See <README>."


@needs_sandbox
def test_a_command_cannot_pass_itself_off_as_the_sandbox():
    result = sh("echo 'bwrap: Creating new namespace failed' >&2; exit 1")
    assert result.returncode == 1


@needs_sandbox
@pytest.mark.parametrize(
    ("command", "limit"),
    [
        ("sleep 60", "time"),
        ("exec >/dev/null 2>&1; sleep 60", "time"),
        ("trap '' TERM; while :; do :; done", "time"),
        ("yes", "output"),
        ("cat /dev/zero >&2", "output"),
        ("bash -c 'b() { b | b & }; b; sleep 60'", "processes"),
        ("head -c 900M /dev/zero | tail; sleep 60", "memory"),
        (
            "for i in 1 2 3; do (head -c 60M /dev/zero | tail -c 60M | sleep 60) & done; wait",
            "memory",
        ),
        ("cat /dev/zero > /tmp/x", "disk"),
        ("for i in 1 2 3; do cat /dev/zero > /tmp/$i; done; sleep 60", "disk"),
    ],
)
def test_a_limit_ends_the_run_and_is_named(command, limit):
    limits = Limits(
        seconds=1.5 if limit == "time" else 90,
        memory=128 * MEBIBYTE,
        processes=32,
        output=MEBIBYTE,
        file_size=10 * MEBIBYTE,
        tmp=16 * MEBIBYTE,
    )
    result = sh(command, limits=limits)
    assert result.limit == limit, result
    assert len(result.stdout) + len(result.stderr) <= MEBIBYTE
    assert sh("echo fine").stdout == b"fine\n"


@needs_sandbox
def test_threads_count_as_processes():
    code = (
        "import threading, time\n"
        "for _ in range(60): threading.Thread(target=time.sleep, args=(30,)).start()"
    )
    result = run_sandboxed(["/usr/bin/python3", "-c", code], limits=Limits(120, processes=32))
    assert result.limit == "processes"


@needs_sandbox
def test_the_kernel_itself_refuses_more_processes_than_the_limit():
    code = (
        "import os, time\nn = 0\n"
        "try:\n  while n < 500:\n    n += 1\n    if os.fork() == 0: os._exit(0)\n"
        "except OSError: pass\nprint(n)"
    )
    # Zombies count, and live too shortly to be seen by a watcher only.
    result = run_sandboxed(["/usr/bin/python3", "-c", code], limits=Limits(120, processes=40))
    assert result.limit == "processes" or int(result.stdout) < 80


@needs_sandbox
def test_no_process_is_left_when_a_run_has_returned(tmp_path):
    """Not even dying: the next run's user may be the same, and its processes are counted."""
    bomb = "for i in $(seq 40); do (while :; do : > /out/x; done) & done; sleep 0.3; echo done"
    for seconds in (20.0, 0.2):
        binds = [Bind(tmp_path, "/out", writable=True)]
        sh(bomb, binds=binds, limits=Limits(seconds, processes=60))
        (tmp_path / "x").unlink(missing_ok=True)
        for _ in range(1000):
            assert not (tmp_path / "x").exists()


@needs_sandbox
def test_a_log_takes_both_streams_in_order(tmp_path):
    log = tmp_path / "log"
    result = sh("for i in 1 2 3; do echo out$i; echo err$i >&2; done", log=log)
    assert log.read_text() == "out1\nerr1\nout2\nerr2\nout3\nerr3\n"
    assert result.stdout == log.read_bytes() and result.stderr == b""
    many = sh("seq 1 200000", log=log, limits=Limits(output=8 * MEBIBYTE))
    assert many.stdout.endswith(b"\n199999\n200000\n") and len(many.stdout) <= 65536
    assert log.stat().st_size > 1_000_000


@needs_sandbox
def test_sandboxes_run_side_by_side():
    with ThreadPoolExecutor(6) as executor:
        results = list(executor.map(lambda n: sh(f"sleep 0.2; echo {n}"), range(12)))
    assert [int(each.stdout) for each in results] == list(range(12))


@needs_sandbox
def test_no_process_outlives_a_run_or_its_starter(tmp_path):
    # Seconds that no other process of this machine sleeps.
    first, second = f"76543.{os.getpid()}", f"76544.{os.getpid()}"
    sh(f"setsid sleep {first} >/dev/null 2>&1 &")
    script = (
        "from bot.sandbox.run import run_sandboxed\n"
        "from bot.sandbox.values import Limits\n"
        f"run_sandboxed(['sleep', '{second}'], limits=Limits(seconds=100))\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(bot.__file__).parents[1]))
    starter = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        deadline = time.monotonic() + 90
        while not running(second) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert running(second)
    finally:
        starter.kill()
        starter.wait()
    deadline = time.monotonic() + 90
    while (running(first) or running(second)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running(first) and not running(second)


def running(argument: str) -> bool:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:1] == [b"sleep"] and argument.encode() in words:
                return True
    return False


@needs_sandbox
@as_root
def test_root_inside_installs_files_of_other_owners(tmp_path):
    target = tmp_path / "root"
    target.mkdir()
    result = sh(
        "id -u; cd /target; touch x; chown 8:12 x; chmod 4755 x; stat -c %u:%g:%a x",
        binds=[Bind(target, "/target", writable=True)],
        user="root",
    )
    assert result.stdout == b"0\n8:12:4755\n", result.stderr
    assert (target / "x").stat().st_uid not in (0, 8)
    assert sh("mount -t tmpfs none /tmp", user="root").returncode != 0
    with pytest.raises(ValueError, match="host's view"):
        sh("true", user="root", root=target)


@needs_sandbox
def test_a_directory_can_become_the_root(tmp_path):
    root = tmp_path / "root"
    for name in ("proc", "dev", "tmp", "etc", "work"):
        (root / name).mkdir(parents=True)
    for name in ("usr", "bin", "lib", "lib64"):
        (root / name).symlink_to(f"host/{name}") if name != "usr" else (root / name).mkdir()
    for name in ("bin", "lib", "lib64"):
        (root / name).unlink()
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc/mine").write_text("mine")
    binds = [Bind(Path("/usr"), "/usr")]
    result = sh("cat /etc/mine; ls /etc; echo x > /etc/x", root=root, binds=binds)
    assert result.stdout == b"minemine\n"
    assert not (root / "etc/x").exists()
    result = sh("echo x > /new", root=root, binds=binds, root_writable=True)
    assert result.returncode == 0, result.stderr
    assert (root / "new").read_text() == "x\n"


@needs_sandbox
def test_a_result_comes_beside_the_streams_and_cannot_grow():
    for command, printed in (
        ("echo noise; echo answer", b"noise\n"),
        ("echo full; yes", b"full\n"),
    ):
        with result_file(4096) as result:
            argv = ["bash", "-c", f"{command} >&$MINIMIZE_RESULT"]
            assert run_sandboxed(argv, result=result).stdout == printed
            written = os.pread(result, 8192, 0)
            assert len(written) == 4096
            assert written.startswith((b"answer\n\0", b"y\ny\n"))
    assert sh("echo ${MINIMIZE_RESULT-none}").stdout == b"none\n"
