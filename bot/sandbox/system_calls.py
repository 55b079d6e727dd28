"""The system calls of untrusted code: a list of allowed ones (seccomp), by libseccomp.

All others fail with ENOSYS, so that libraries fall back to older ones (from clone3 to clone, whose
flags a filter can check, from io_uring to epoll). Not on the list are calls that spec files and
builds do not need and that attacks on kernels begin with: keyrings, io_uring, userfaultfd, ptrace,
perf, bpf, personality, mounts, namespaces, modules, other processes' memory, asynchronous I/O (its
contexts are counted for the whole machine), foreign architectures' calls.

Programs of other architectures run as before: qemu makes the calls of the host's architecture.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import termios
from typing import Literal

from bot.sandbox.remedies import install_remedy
from bot.sandbox.values import SandboxError

try:
    import pyseccomp
    from pyseccomp import Arch, Arg, Attr, SyscallFilter
except RuntimeError as error:
    raise SandboxError(
        "libseccomp is not installed, which keeps untrusted code from most system calls.",
        install_remedy("libseccomp2", "libseccomp"),
    ) from error

_FILES = """
access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr
flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents
getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl
lchown lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat
mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename renameat
renameat2 rmdir sendfile setxattr setxattrat splice stat statfs statx symlink symlinkat sync
sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice write
writev
"""
_WAITING = """
alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_ctl_old
epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 futex futex_requeue futex_wait
futex_waitv futex_wake getitimer gettimeofday nanosleep pause poll ppoll pselect6 restart_syscall
select setitimer signalfd signalfd4 time timer_create timer_delete timer_getoverrun timer_gettime
timer_settime timerfd_create timerfd_gettime timerfd_settime times
"""
_MEMORY = """
brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect
mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
"""
_PROCESSES = """
arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area getcpu
getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill landlock_add_rule
landlock_create_ruleset landlock_restrict_self pidfd_open pidfd_send_signal prctl prlimit64
riscv_flush_icache riscv_hwprobe rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
seccomp set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setpgid
setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid sigaltstack sigreturn
swapcontext sysinfo tgkill tkill ugetrlimit uname vfork wait4 waitid waitpid
"""
_COMMUNICATION = """
accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify
mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 recv recvfrom
recvmmsg recvmsg semctl semget semop semtimedop send sendmmsg sendmsg sendto setsockopt shmat shmctl
shmdt shmget shutdown
"""
# Called by `rpm --root` and scriptlets where packages are installed; it needs the capability.
_AS_ROOT = ("chroot",)

_UNIX, _INET = 1, 2
_STREAM, _DATAGRAM, _TYPE_MASK = 1, 2, 0xF
_DEFAULT, _TCP, _UDP = 0, 6, 17
# clone(2): CLONE_NEWNS, then NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NAMESPACES = 0x00020000 | 0x7E000000

_UNKNOWN = -1  # __NR_SCMP_ERROR
_JOIN_SESSION_KEYRING = 1  # keyctl(2)
_TIOCLINUX = 0x541C
# linux/falloc.h: XFS's ioctls for preallocation, which every file system also has as fallocate; and
# the bit of a number for a transfer to the kernel (asm-generic/ioctl.h, powerpc's asm/ioctl.h).
_PREALLOCATING = (0x305828, 0x305829, 0x30582A, 0x30582B, 0x305839)
_INWARDS, _INWARDS_POWERPC = 0x40000000, 0x80000000

# libseccomp's names of the architectures, by their names in uname.
_ARCHITECTURES = {
    "x86_64": Arch.X86_64,
    "aarch64": Arch.AARCH64,
    "ppc64le": Arch.PPC64LE,
    "s390x": Arch.S390X,
    "riscv64": Arch.RISCV64,
}

User = Literal["build", "root"]


@functools.cache
def filters(user: User, machine: str = platform.machine()) -> tuple[bytes, ...]:
    """Return the filters for code inside as `user`, as programs of the kernel's classic BPF.

    All of them apply; where several refuse a call, the error is the last one's. `machine` is the
    kernel's architecture.
    """
    allowlist = _new_filter(pyseccomp.ERRNO(errno.ENOSYS), machine)
    names = " ".join((_FILES, _WAITING, _MEMORY, _PROCESSES, _COMMUNICATION))
    for name in (*names.split(), *(_AS_ROOT if user == "root" else ())):
        _add(allowlist, pyseccomp.ALLOW, name)
    _allow_clone(allowlist, machine)
    _allow_sockets(allowlist)
    return _program(allowlist), _program(_argument_filter(machine))


def _argument_filter(machine: str) -> SyscallFilter:
    """Return the filter for allowed calls that are refused with some arguments, or always."""
    denylist = _new_filter(pyseccomp.ALLOW, machine)
    # As on a kernel without them: libraries try sockets of audit, netlink and IPv6.
    _add(denylist, pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", Arg(0, pyseccomp.GT, _INET))
    _add(denylist, pyseccomp.ERRNO(errno.EPROTONOSUPPORT), "socket", Arg(2, pyseccomp.GT, _UDP))
    # A build must not fill a disk by one call, faster than the checks: as on file systems that
    # cannot preallocate, posix_fallocate(3) writes zeros instead.
    _add(denylist, pyseccomp.ERRNO(errno.EOPNOTSUPP), "fallocate")
    inwards = _INWARDS_POWERPC if machine.startswith("ppc") else _INWARDS
    for request in _PREALLOCATING:
        _add(denylist, pyseccomp.ERRNO(errno.EOPNOTSUPP), "ioctl", _lower(1, inwards | request))
    # These type into an inherited terminal.
    for request in (termios.TIOCSTI, _TIOCLINUX):
        _add(denylist, pyseccomp.ERRNO(errno.EPERM), "ioctl", _lower(1, request))
    return denylist


def _allow_clone(allowlist: SyscallFilter, machine: str) -> None:
    """Allow clone(2) without namespaces; clone3, whose flags are in memory, is not on the list."""
    flags = 1 if machine == "s390x" else 0
    _add(allowlist, pyseccomp.ALLOW, "clone", Arg(flags, pyseccomp.MASKED_EQ, _NAMESPACES, 0))


def _allow_sockets(allowlist: SyscallFilter) -> None:
    """Allow sockets of unix(7), and of TCP and UDP, which reach only the sandbox's own loopback."""
    unix = Arg(0, pyseccomp.EQ, _UNIX)
    _add(allowlist, pyseccomp.ALLOW, "socket", unix)
    _add(allowlist, pyseccomp.ALLOW, "socketpair", unix)
    for kind, protocol in ((_STREAM, _TCP), (_DATAGRAM, _UDP)):
        for number in (_DEFAULT, protocol):
            _add(
                allowlist,
                pyseccomp.ALLOW,
                "socket",
                Arg(0, pyseccomp.EQ, _INET),
                Arg(1, pyseccomp.MASKED_EQ, _TYPE_MASK, kind),
                Arg(2, pyseccomp.EQ, number),
            )


def _lower(number: int, value: int) -> Arg:
    """Return the comparison of a 32 bit argument: the kernel ignores the upper half."""
    return Arg(number, pyseccomp.MASKED_EQ, 0xFFFFFFFF, value)


def _new_filter(default: int, machine: str) -> SyscallFilter:
    calls = SyscallFilter(default)
    if machine != platform.machine():
        calls.remove_arch(Arch.NATIVE)
        calls.add_arch(_ARCHITECTURES[machine])
    # Calls by another architecture's table (32 bit) are refused like the others, not killed.
    calls.set_attr(Attr.ACT_BADARCH, pyseccomp.ERRNO(errno.ENOSYS))
    with contextlib.suppress(OSError):  # libseccomp before 2.5 makes a list instead of a tree
        calls.set_attr(Attr.CTL_OPTIMIZE, 2)
    return calls


def _add(calls: SyscallFilter, action: int, name: str, *arguments: Arg) -> None:
    """Add a rule, unless libseccomp is older than the kernel and does not know the call."""
    number = pyseccomp.resolve_syscall(Arch.NATIVE, name)
    if number != _UNKNOWN:
        calls.add_rule(action, number, *arguments)


def _program(calls: SyscallFilter) -> bytes:
    with os.fdopen(os.memfd_create("filter"), "rb") as file:
        calls.export_bpf(file)
        file.seek(0)
        return file.read()


def join_new_session_keyring() -> None:
    """Give this thread, and the processes that it starts, a new session keyring (keyrings(7)).

    Otherwise they would have the one with which this process was started. Where the kernel has
    none, or a container's own filter refuses the calls, there is none to inherit.
    """
    number = pyseccomp.resolve_syscall(Arch.NATIVE, "keyctl")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), _JOIN_SESSION_KEYRING, None) < 0:
        error = ctypes.get_errno()
        if error not in (errno.ENOSYS, errno.EPERM):
            raise SandboxError(f"No session keyring can be made: {os.strerror(error)}.")
