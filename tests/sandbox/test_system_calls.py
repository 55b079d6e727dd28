"""The system calls of what runs inside, its keyrings, and what it may not read of /proc."""

from __future__ import annotations

import ctypes
import errno
import os

import pyseccomp
import pytest

from bot.sandbox import run, system_calls
from bot.sandbox.cancellation import Cancellation
from bot.sandbox.run import run_sandboxed, sandbox_available

needs_sandbox = pytest.mark.skipif(
    sandbox_available() is not None, reason=f"no sandbox here: {sandbox_available()}"
)
KEYCTL = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, "keyctl")
GET_KEYRING_ID, JOIN_SESSION_KEYRING, SESSION = 0, 1, -3
# Younger than libseccomp 2.5.4 (Debian 12): unknown there, and so not allowed there.
YOUNG = {
    "fchmodat2", "futex_requeue", "futex_wait", "futex_wake", "getxattrat", "listxattrat",
    "map_shadow_stack", "mseal", "removexattrat", "riscv_hwprobe", "setxattrat",
}  # fmt: skip


def inside(script: str, *, user="build") -> str:
    found = run_sandboxed(["/usr/bin/python3", "-c", script], user=user)
    assert found.returncode == 0, found.stderr
    return found.stdout.decode().strip()


def called(name: str, *arguments: int, user="build") -> str:
    """The name of the error of a system call inside, `0` where it succeeds."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    given = ", ".join(f"ctypes.c_long({argument})" for argument in (number, *arguments))
    return inside(
        "import ctypes, errno\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"print(0 if libc.syscall({given}) >= 0 else errno.errorcode[ctypes.get_errno()])",
        user=user,
    )


def session_keyring() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(ctypes.c_long(KEYCTL), GET_KEYRING_ID, SESSION, 0)


@pytest.mark.parametrize("group", ["FILES", "WAITING", "MEMORY", "PROCESSES", "COMMUNICATION"])
def test_every_name_of_the_list_is_a_system_call(group):
    names = getattr(system_calls, f"_{group}").split()
    assert names == sorted(set(names))
    unknown = {n for n in names if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, n) == -1}
    assert unknown <= YOUNG


@needs_sandbox
def test_what_is_not_on_the_list_is_not_there():
    assert called("keyctl", GET_KEYRING_ID, SESSION, 0) == "ENOSYS"
    assert called("io_uring_setup", 1, 0) == "ENOSYS"
    assert called("unshare", 0) == "ENOSYS"
    assert called("getpid") == "0"


@needs_sandbox
def test_chroot_is_for_the_installation_of_packages_alone():
    assert called("chroot", 0) == "ENOSYS"
    assert called("chroot", 0, user="root") == "EFAULT"


@needs_sandbox
def test_no_argument_gets_by_in_its_upper_half():
    typing, prealloc = 0x5412, 0x40305828
    assert called("ioctl", 0, typing, 0) == "EPERM"
    assert called("ioctl", 0, (1 << 32) | typing, 0) == "EPERM"
    assert called("ioctl", 0, (1 << 32) | prealloc, 0) == "ENOTSUP"  # the same number


@needs_sandbox
def test_sockets_are_of_unix_and_inet():
    script = (
        "import socket\n"
        "for family in (1, 2, 10, 16, 17, 40):\n"
        "    for kind in (1, 2, 3):\n"
        "        try: socket.socket(family, kind).close(); print(family, kind)\n"
        "        except OSError: pass\n"
    )
    assert inside(script).splitlines() == ["1 1", "1 2", "1 3", "2 1", "2 2"]
    # MPTCP, SCTP: modules that the kernel would load.
    assert called("socket", 2, 1, 262) == "EPROTONOSUPPORT"
    assert called("socket", 2, 1, 132) == "EPROTONOSUPPORT"
    # useradd goes on without the audit socket where the kernel has none of that family.
    assert called("socket", 16, 3, 9) == "EAFNOSUPPORT"


@needs_sandbox
def test_servers_on_loopback_and_threads_and_posix_fallocate_work():
    script = (
        "import os, socket, subprocess, tempfile, threading\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname())\n"
        "server.accept()[0].sendall(b'hello ')\n"
        "thread = threading.Thread(target=print, args=(client.recv(9).decode(),))\n"
        "thread.start(); thread.join()\n"
        "file = tempfile.TemporaryFile()\n"
        "os.posix_fallocate(file.fileno(), 0, 8192)\n"
        "print(os.fstat(file.fileno()).st_size, subprocess.run(['true']).returncode)\n"
    )
    assert inside(script) == "hello \n8192 0"


@needs_sandbox
@pytest.mark.parametrize("user", ["build", "root"])
def test_what_proc_says_of_the_machine_is_not_read(user):
    script = (
        "for name in ('cmdline', 'kallsyms', 'keys', 'key-users', 'timer_list'):\n"
        "    try: print(name, open(f'/proc/{name}').read(1))\n"
        "    except (PermissionError, FileNotFoundError): pass\n"
        "print(open('/proc/self/comm').read())"
    )
    if user == "root" and os.getuid() != 0:
        pytest.skip("needs root, or ids of /etc/subuid")
    assert inside(script, user=user) == "python3"


@pytest.mark.skipif(session_keyring() < 0, reason="no keyrings here")
def test_each_run_has_a_session_keyring_of_its_own():
    ours = session_keyring()
    found = [run._with_new_keyring(session_keyring, Cancellation()) for _ in range(2)]
    assert len({ours, *found}) == 3
    assert session_keyring() == ours


def test_a_container_that_refuses_keyrings_is_no_obstacle_but_too_many_are(monkeypatch):
    class Libc:
        def __init__(self, error: int) -> None:
            self.error = error

        def syscall(self, *_: object) -> int:
            ctypes.set_errno(self.error)
            return -1

    for error in (errno.ENOSYS, errno.EPERM):
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, error=error, **__: Libc(error))
        system_calls.join_new_session_keyring()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Libc(errno.EDQUOT))
    with pytest.raises(run.SandboxError, match="keyring"):
        system_calls.join_new_session_keyring()
