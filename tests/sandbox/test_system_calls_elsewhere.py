"""The filters for the machines that this one is not, run by an interpreter of classic BPF.

The interpreter is held against this machine's kernel by the same calls (test_system_calls), and
knows the instructions that the kernel takes for seccomp (kernel/seccomp.c, seccomp_check_filter).
"""

from __future__ import annotations

import errno
import platform
import struct

import pyseccomp
import pytest

from bot.sandbox.run import User
from bot.sandbox.system_calls import _ARCHITECTURES, filters

MACHINES = tuple(_ARCHITECTURES)
# linux/audit.h: the architecture in `struct seccomp_data`, and the order of its bytes.
AUDIT = {
    "x86_64": 0xC000003E,
    "aarch64": 0xC00000B7,
    "ppc64le": 0xC0000015,
    "s390x": 0x80000016,
    "riscv64": 0xC00000F3,
}
FOREIGN = {"x86_64": 0x40000003, "aarch64": 0x40000028, "ppc64le": 0x14, "s390x": 0x16}
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NEVER = """
keyctl add_key request_key io_uring_setup io_uring_enter userfaultfd ptrace perf_event_open bpf
personality mount umount2 unshare setns pivot_root init_module finit_module kexec_load
process_vm_readv process_vm_writev io_setup clone3 open_by_handle_at fanotify_init reboot swapon
"""


def order(machine: str) -> str:
    return ">" if machine == "s390x" else "<"


def run(program: bytes, machine: str, data: bytes) -> int:
    """The action that a filter gives a call, as bpf(4) and kernel/seccomp.c have it."""
    code = list(struct.iter_unpack(f"{order(machine)}HBBI", program))
    at = accumulator = 0
    while True:
        kind, then, other, value = code[at]
        at += 1
        match kind:
            case 0x20:  # BPF_LD | BPF_W | BPF_ABS, in the machine's own order
                assert value % 4 == 0 and value < len(data)
                (accumulator,) = struct.unpack_from(f"{order(machine)}I", data, value)
            case 0x54:  # BPF_ALU | BPF_AND | BPF_K
                accumulator &= value
            case 0x05:  # BPF_JMP | BPF_JA
                at += value
            case 0x15:
                at += then if accumulator == value else other
            case 0x25:
                at += then if accumulator > value else other
            case 0x35:
                at += then if accumulator >= value else other
            case 0x06:  # BPF_RET | BPF_K
                return value
            case _:
                raise AssertionError(f"an instruction {kind:#x} that is not known here")


# Where libseccomp has a number of its own for a call that is also one of socketcall(2)'s.
DIRECT = {("socket", "ppc64le"): 326, ("socket", "s390x"): 359}


def number_of(name: str, machine: str) -> int:
    if (name, machine) in DIRECT:
        return DIRECT[name, machine]
    return pyseccomp.resolve_syscall(_ARCHITECTURES[machine], name)


def action(value: int) -> int:
    """An action; libseccomp leaves some unturned in a filter for the other order of bytes, which
    it makes nowhere but here."""
    (turned,) = struct.unpack(">I", struct.pack("<I", value))
    return value if value == ALLOW or value & 0xFFFF0000 == ERRNO else turned


def called(
    name: str, machine: str, *arguments: int, user: User = "build", audit: int | None = None
) -> str:
    """`0` where all filters allow a call, else the name of the error; empty for no such call."""
    number = number_of(name, machine)
    if number < 0:
        return ""
    given = [*arguments, *[0] * (6 - len(arguments))]
    arch = AUDIT[machine] if audit is None else audit
    data = struct.pack(f"{order(machine)}IIQ6Q", number, arch, 0, *given)
    actions = [action(run(program, machine, data)) for program in filters(user, machine)]
    refusing = [one for one in actions if one != ALLOW]
    if not refusing:
        return "0"
    assert refusing[-1] & 0xFFFF0000 == ERRNO
    return errno.errorcode[refusing[-1] & 0xFFFF]


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_never_allowed_is_not_there(machine: str) -> None:
    found = {name: called(name, machine) for name in NEVER.split()}
    assert set(found.values()) <= {"ENOSYS", ""}
    assert list(found.values()).count("") <= 1


@pytest.mark.parametrize("machine", MACHINES)
def test_what_every_program_needs_is_allowed(machine: str) -> None:
    needed = "read write openat close mmap mprotect brk execve exit_group futex rt_sigaction wait4"
    assert {called(name, machine) for name in needed.split()} == {"0"}


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_makes_no_namespaces(machine: str) -> None:
    flags = (lambda value: (0, value)) if machine == "s390x" else (lambda value: (value, 0))
    assert called("clone", machine, *flags(0x1200011)) == "0"
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert called("clone", machine, *flags(0x11 | namespace)) == "ENOSYS"


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_are_of_unix_and_inet(machine: str) -> None:
    for family in range(46):
        for kind in (1, 2, 3):
            allowed = family == 1 or (family == 2 and kind in (1, 2))
            assert (called("socket", machine, family, kind) == "0") == allowed
    assert called("socket", machine, 40, 1) == "EAFNOSUPPORT"  # vsock
    assert called("socket", machine, 2, 1, 262) == "EPROTONOSUPPORT"
    # Its arguments are in memory, where no filter can look at them.
    assert called("socketcall", machine, 1) != "0"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_disk_is_not_taken_in_one_call(machine: str) -> None:
    # _IOW('X', 40, struct space_resv): the direction has other bits on powerpc (asm/ioctl.h).
    prealloc = 0x80305828 if machine == "ppc64le" else 0x40305828
    assert called("ioctl", machine, 3, prealloc) == "ENOTSUP"
    assert called("ioctl", machine, 3, prealloc | 1 << 32) == "ENOTSUP"
    assert called("fallocate", machine) == "ENOTSUP"
    assert called("ioctl", machine, 0, 0x5412) == "EPERM"  # TIOCSTI


@pytest.mark.parametrize("machine", MACHINES)
def test_another_table_of_calls_is_not_there(machine: str) -> None:
    for audit in (*AUDIT.values(), *FOREIGN.values()):
        expected = "0" if audit == AUDIT[machine] else "ENOSYS"
        assert called("getpid", machine, audit=audit) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_chroot_is_for_the_installation_of_packages_alone(machine: str) -> None:
    assert called("chroot", machine) == "ENOSYS"
    assert called("chroot", machine, user="root") == "0"


@pytest.mark.skipif(platform.machine() not in MACHINES, reason="libseccomp has no such filter")
def test_the_filters_of_this_machine_are_what_the_kernel_gets() -> None:
    assert filters("build") == filters("build", platform.machine())
