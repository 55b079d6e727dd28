"""60 ways out of the sandbox, and past its limits. Each says inside whether it succeeded.

    python -m tests.sandbox.probes [--override] [--user root]

prints what was tried and how it ended. Run it as root, as an ordinary user, in a container; where
the sandbox refuses to run for want of control groups, `--override` runs the probes nevertheless.
Nothing connects to a hypervisor: the probe of vsock asks for the socket alone.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyseccomp

from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Bind, Limits, SandboxError

MEBIBYTE = 1024 * 1024
LIMITS = Limits(seconds=60, memory=192 * MEBIBYTE, processes=40, tmp=64 * MEBIBYTE)
KEY, SECRET = b"minimize-probe", b"planted"
SESSION, USER = -3, -4
_NAMES = """
add_key bpf clone clone3 fanotify_init io_setup io_uring_setup ioctl
keyctl memfd_secret modify_ldt mount open_by_handle_at perf_event_open personality
pidfd_getfd pivot_root process_vm_readv ptrace quotactl request_key setns socket
unshare userfaultfd
"""
NUMBERS = {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in _NAMES.split()}

# What every probe has. `call` tells whether the kernel has looked at the call at all.
PRELUDE = f"""
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, struct, subprocess, sys, time
NUMBERS = {NUMBERS!r}
TESTER, PORT, NAME = map(eval, sys.argv[1:4])
MEBIBYTE = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
held = []
def raw(name, *arguments):
    number = name if isinstance(name, int) else NUMBERS[name]
    given = [a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments]
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(ctypes.c_long(number), *given)
def call(name, *arguments):
    if raw(name, *arguments) >= 0: return 'it worked'
    error = ctypes.get_errno()
    if error not in (errno.ENOSYS, errno.EPERM): return 'the kernel answered ' + os.strerror(error)
def family(number, kind=1, protocol=0):
    try: socket.socket(number, kind, protocol).close()
    except OSError as error: return None
    return 'a socket was made'
def read(path, size=64):
    try:
        with open(path, 'rb') as file: text = file.read(size)
    except OSError: return None
    return repr(text) if text else None
def write(path, text=b'1'):
    try:
        with open(path, 'wb', 0) as file: file.write(text)
    except OSError: return None
    return 'it was written'
def take(one, most=400):
    # Takes MiB after MiB by `one`, in this process or in several.
    for number in range(most):
        one(number)
    return f'{{most}} MiB were held'
def succeeded(text):
    if text: os.write(1, b'SUCCEEDED ' + str(text).encode())
"""

Kind = Literal[
    "system call", "keyring", "socket", "/proc", "memory", "disk", "descriptor", "signal", "uid"
]


@dataclass(frozen=True, slots=True)
class Probe:
    """One try: Python that runs inside, and calls `succeeded` with what it reached."""

    kind: Kind
    name: str
    code: str


def _calls(*rows: tuple[str, str]) -> list[Probe]:
    return [Probe("system call", name, f"succeeded({code})") for name, code in rows]


PROBES: tuple[Probe, ...] = (
    *_calls(
        ("io_uring", "call('io_uring_setup', 1, bytes(120))"),
        ("userfaultfd", "call('userfaultfd', 1)"),
        ("ptrace of the namespace's init", "call('ptrace', 16, 1, 0, 0)"),
        ("process_vm_readv of the init", "call('process_vm_readv', 1, 0, 0, 0, 0, 0)"),
        ("pidfd_getfd", "call('pidfd_getfd', os.pidfd_open(1), 0, 0)"),
        ("perf_event_open", "call('perf_event_open', bytes(120), 0, -1, -1, 0)"),
        ("bpf", "call('bpf', 0, bytes(120), 120)"),
        ("personality without random addresses", "call('personality', 0x0040000)"),
        ("mount of a tmpfs", "call('mount', b'x', b'/tmp', b'tmpfs', 0, 0)"),
        ("unshare of a user namespace", "call('unshare', 0x10000000)"),
        (
            "clone into a user namespace",
            "(lambda r: os._exit(0) if r == 0 else r > 0 and 'it worked')"
            "(raw('clone', 0x10000000 | 17, 0, 0, 0, 0))",
        ),
        ("clone3", "call('clone3', bytes(8), 8)"),
        ("setns", "call('setns', os.open('/proc/self/ns/user', 0), 0)"),
        ("pivot_root", "call('pivot_root', b'/tmp', b'/tmp')"),
        ("open_by_handle_at", "call('open_by_handle_at', -100, bytes(16), 0)"),
        ("asynchronous I/O (a context)", "call('io_setup', 1, (ctypes.c_long * 1)())"),
        ("quotactl", "call('quotactl', 0x800007 << 8, b'/dev/vda', 0, bytes(64))"),
        ("memfd_secret", "call('memfd_secret', 0)"),
        ("fanotify", "call('fanotify_init', 0x200, 0)"),
        ("typing into a terminal (ioctl)", "call('ioctl', 0, 0x5412, b'x')"),
    ),
    Probe(
        "system call",
        "the table of 32 bits (int 0x80)",
        "if os.uname().machine == 'x86_64':\n"
        "    page = mmap.mmap(-1, 4096, prot=7)\n"
        "    page.write(bytes.fromhex('b814000000cd80c3'))\n"
        "    address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0: succeeded('getpid of 32 bits')\n",
    ),
    Probe(
        "keyring",
        "a key that the server holds",
        "key = raw('keyctl', 10, -3, b'user', b'minimize-probe', 0)\n"
        "place = ctypes.create_string_buffer(64)\n"
        "if key > 0 and raw('keyctl', 11, key, place, 64) > 0: succeeded(place.value)\n",
    ),
    Probe(
        "keyring",
        "a key left for the next sandbox",
        "succeeded(call('add_key', b'user', b'left', b'text', 4, -4))",
    ),
    Probe("keyring", "request_key", "succeeded(call('request_key', b'user', b'left', 0, 0))"),
    Probe("keyring", "the session keyring's number", "succeeded(call('keyctl', 0, -3, 0))"),
    Probe("socket", "vsock", "succeeded(family(40))"),
    Probe("socket", "netlink", "succeeded(family(16, 3))"),
    Probe("socket", "packet", "succeeded(family(17, 3))"),
    Probe("socket", "the kernel's cryptography (alg)", "succeeded(family(38, 5))"),
    Probe("socket", "IPv6", "succeeded(family(10))"),
    Probe("socket", "MPTCP", "succeeded(family(2, 1, 262))"),
    Probe(
        "socket",
        "a server of the host on loopback",
        "if socket.socket().connect_ex(('127.0.0.1', PORT)) == 0: succeeded('connected')",
    ),
    Probe(
        "socket",
        "an abstract unix socket of the host",
        "if socket.socket(1).connect_ex(chr(0) + NAME) == 0: succeeded('connected')",
    ),
    Probe("/proc", "cmdline", "succeeded(read('/proc/cmdline'))"),
    Probe("/proc", "kallsyms", "succeeded(read('/proc/kallsyms'))"),
    Probe("/proc", "keys", "succeeded(read('/proc/keys'))"),
    Probe("/proc", "key-users", "succeeded(read('/proc/key-users'))"),
    Probe(
        "/proc",
        "timer_list, modules",
        "succeeded(read('/proc/modules') or read('/proc/timer_list'))",
    ),
    Probe("/proc", "writing core_pattern", "succeeded(write('/proc/sys/kernel/core_pattern'))"),
    Probe(
        "/proc",
        "the server's environment",
        "for pid in os.listdir('/proc'):\n"
        "    if 'PROBE_SECRET' in (read(f'/proc/{pid}/environ', MEBIBYTE) or ''): succeeded(pid)\n",
    ),
    Probe("/proc", "a process of the host", "succeeded(read(f'/proc/{TESTER}/cmdline'))"),
    Probe(
        "memory",
        "several processes",
        "for _ in range(5):\n"
        "    if os.fork() == 0: held.append(b'x' * (80 << 20)); time.sleep(55); os._exit(7)\n"
        "ends = [os.wait()[1] for _ in range(5)]\n"
        "if all(os.waitstatus_to_exitcode(end) == 7 for end in ends): succeeded('400 MiB')\n",
    ),
    Probe(
        "memory",
        "memfd",
        "def one(number):\n"
        "    held.append(os.memfd_create('x'))\n"
        "    os.write(held[-1], b'x' * MEBIBYTE)\n"
        "succeeded(take(one))\n",
    ),
    Probe(
        "memory",
        "System V shared memory",
        "libc.shmat.restype = ctypes.c_void_p\n"
        "def one(number):\n"
        "    segment = libc.shmget(0, MEBIBYTE, 0o1600)\n"
        "    where = libc.shmat(segment, None, 0)\n"
        "    ctypes.memset(where, 1, MEBIBYTE)\n"
        "    libc.shmdt(ctypes.c_void_p(where))\n"
        "succeeded(take(one))\n",
    ),
    Probe(
        "memory",
        "/tmp and /dev/shm and more beside them",
        "def one(number):\n"
        "    place = '/tmp' if number < 60 else '/dev/shm' if number < 72 else None\n"
        "    if place: open(f'{place}/{number}', 'wb').write(b'x' * MEBIBYTE)\n"
        "    else: held.append(b'x' * MEBIBYTE)\n"
        "succeeded(take(one, 240))\n",
    ),
    Probe(
        "memory",
        "buffers of unix sockets",
        "total = 0\n"
        "while total < 400 * MEBIBYTE:\n"
        "    if len(held) == 1500:\n"
        "        if os.fork() > 0: time.sleep(20); os._exit(0)\n"
        "        held.clear()\n"
        "    pair = socket.socketpair(1, 2); held.append(pair); pair[0].setblocking(False)\n"
        "    try:\n"
        "        while True: total += pair[0].send(b'x' * 60000)\n"
        "    except BlockingIOError: pass\n"
        "succeeded('400 MiB were held')\n",
    ),
    Probe(
        "memory",
        "inodes",
        "for number in range(400_000): os.close(os.open(f'/tmp/{number}', os.O_CREAT))\n"
        "succeeded('400,000 inodes of some 700 bytes were held')\n",
    ),
    Probe(
        "disk",
        "posix_fallocate past the quota",
        "file = os.open('/out/x', os.O_CREAT | os.O_RDWR)\n"
        "space = struct.pack('hhqqi16x', 0, 0, 0, 1 << 25, 0)\n"
        "try: fcntl.ioctl(file, 0x40305828, space)\n"
        "except OSError: pass\n"
        "if os.fstat(file).st_blocks: succeeded('space was reserved by an ioctl')\n"
        "for number in range(40):\n"
        "    file = os.open(f'/out/{number}', os.O_CREAT | os.O_RDWR)\n"
        "    os.posix_fallocate(file, 0, 63 << 20)\n"
        "succeeded('2.5 GiB were taken')\n",
    ),
    Probe(
        "disk",
        "writing past the quota",
        "for number in range(40):\n"
        "    with open(f'/out/{number}', 'wb', 0) as file:\n"
        "        for _ in range(63): file.write(b'x' * MEBIBYTE)\n"
        "succeeded('2.5 GiB were written')\n",
    ),
    Probe(
        "disk",
        "writing where it is only shown",
        "succeeded(write('/shown/x') or write('/usr/x') or write('/etc/x'))",
    ),
    Probe(
        "disk",
        "a device",
        "try: os.mknod('/out/disk', 0o60600, os.makedev(254, 0)); succeeded(read('/out/disk'))\n"
        "except OSError: pass\n",
    ),
    Probe(
        "descriptor",
        "what was not given",
        "known = {'0', '1', '2'}\n"
        "extra = [n for n in os.listdir('/proc/self/fd') if n not in known]\n"
        "open_ones = [n for n in extra if os.path.lexists(f'/proc/self/fd/{n}')]\n"
        "if open_ones: succeeded([os.readlink(f'/proc/self/fd/{n}') for n in open_ones])\n",
    ),
    Probe(
        "descriptor",
        "those of the init (what bubblewrap reads and writes)",
        "def opened(pid):\n"
        "    names = os.listdir(f'/proc/{pid}/fd')\n"
        "    return {os.readlink(f'/proc/{pid}/fd/{n}') for n in names if int(n) < 200}\n"
        "try: more = opened(1) - opened('self') - {'anon_inode:[eventfd]'}\n"
        "except OSError: more = ()\n"
        "if more: succeeded(more)\n",
    ),
    Probe(
        "descriptor",
        "100,000 at once",
        "try:\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (200_000, 200_000))\n"
        "except (OSError, ValueError): pass\n"
        "try:\n"
        "    for _ in range(100_000): held.append(os.dup(0))\n"
        "    succeeded('100,000 descriptors')\n"
        "except OSError: pass\n",
    ),
    Probe(
        "signal",
        "a process of the host",
        "try: os.kill(TESTER, 0); succeeded('it is there')\nexcept OSError: pass\n",
    ),
    Probe(
        "signal",
        "outliving the run",
        # Seconds that no other process of this machine sleeps.
        "subprocess.Popen(['sleep', f'86417.{TESTER}'], start_new_session=True,\n"
        "    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n",
    ),
    Probe(
        "uid",
        "becoming root",
        "for become in (os.setuid, os.setgid, lambda n: os.setgroups([n])):\n"
        "    try: become(0); succeeded('it worked')\n"
        "    except OSError: pass\n",
    ),
    Probe(
        "uid",
        "programs with the bit of another user",
        "if libc.prctl(39, 0, 0, 0, 0) != 1: succeeded('their bit counts')",
    ),
    Probe(
        "uid",
        "capabilities",
        "lines = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "if any(int(lines[n], 16) for n in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb')):\n"
        "    succeeded(lines['CapEff'].strip())\n",
    ),
    Probe("uid", "a file of its own user alone", "succeeded(read('/shown/secret'))"),
)


@dataclass(frozen=True, slots=True)
class Tried:
    """The outcome of a probe: `refused` where the sandbox does not run at all."""

    outcome: Literal["held", "succeeded", "refused"]
    detail: str = ""


def plant_key() -> None:
    """A key in this thread's session keyring, as a server may hold one."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(
        ctypes.c_long(NUMBERS["add_key"]), b"user", KEY, SECRET, len(SECRET), ctypes.c_long(SESSION)
    )


def try_probe(probe: Probe, *, user: Literal["build", "root"] = "build") -> Tried:
    """Run one probe in a sandbox of its own."""
    plant_key()
    os.environ["PROBE_SECRET"] = "x"
    name = f"minimize-probe-{os.getpid()}"
    with (
        tempfile.TemporaryDirectory() as place,
        socket.create_server(("127.0.0.1", 0)) as server,
        contextlib.closing(socket.socket(socket.AF_UNIX)) as abstract,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        Path(place).chmod(0o711)
        out, shown = Path(place, "out"), Path(place, "shown")
        out.mkdir()
        shown.mkdir(mode=0o755)
        (shown / "secret").touch(mode=0o600 if os.getuid() == 0 else 0)
        if os.getuid() == 0:
            (shown / "secret").write_bytes(b"secret")
        arguments = (str(os.getpid()), str(server.getsockname()[1]), repr(name))
        try:
            found = run_sandboxed(
                ["/usr/bin/python3", "-c", PRELUDE + probe.code, *arguments],
                binds=[Bind(out, "/out", writable=True), Bind(shown, "/shown")],
                limits=LIMITS,
                user=user,
            )
        except SandboxError as error:
            return Tried("refused", error.what)
    _, reached, detail = found.stdout.decode(errors="replace").partition("SUCCEEDED ")
    if probe.name == "outliving the run" and _runs(f"86417.{os.getpid()}"):
        return Tried("succeeded", "it runs")
    last = found.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return Tried(
        "succeeded" if reached else "held",
        detail if reached else f"limit: {found.limit}" if found.limit else "".join(last),
    )


def _runs(argument: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return f"sleep {argument}" in listed.stdout.splitlines()


def main() -> int:
    """Try all, print a line for each; 1 where one succeeded, 3 where the sandbox refused."""
    parser = argparse.ArgumentParser(description="Probes of the sandbox.")
    parser.add_argument("--override", action="store_true", help="run without control groups too")
    parser.add_argument("--user", choices=["build", "root"], default="build")
    options = parser.parse_args()
    if options.override:
        from bot.sandbox.cgroup import run_without_control_groups

        run_without_control_groups()
    counts = {"held": 0, "succeeded": 0, "refused": 0}
    for probe in PROBES:
        tried = try_probe(probe, user=options.user)
        counts[tried.outcome] += 1
        print(f"{tried.outcome:10} {probe.kind:12} {probe.name}: {tried.detail[:90]}", flush=True)
    print(", ".join(f"{number} {name}" for name, number in counts.items()), f"of {len(PROBES)}")
    return 1 if counts["succeeded"] else 3 if counts["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
