"""The command line that starts a sandbox.

(root only)  unshare --mount: bind sources are mounted where the unprivileged user reaches them
sh           the control groups, and those mounts
prlimit      processes, file size, data: what the kernel holds for each process
setpriv      (root only) the unprivileged user id; death with the parent
bwrap        namespaces and the view of files
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.sandbox.remedies import install_remedy
from bot.sandbox.values import Bind, Limits, SandboxError
from bot.sandbox.watch import tasks_of_user

User = Literal["build", "root"]
BUILD_UID = 1000
# The inside id of the unprivileged user that starts a sandbox with a range of ids.
STARTER = 65535

# For `rpm --root` and scriptlets: owners, modes, chroot. No mounting, no devices.
_ROOT_CAPABILITIES = (
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setfcap",
    "sys_chroot",
)

# Arguments: the number of files by which to enter control groups, these files, the command.
_ENTER = """
set -e
count=$1; shift
while [ "$count" -gt 0 ]; do
  echo 0 > "$1"
  shift; count=$((count - 1))
done
"""
# Standard input is a table of mounts (fstab(5)): one process makes all of them.
_MOUNT = """
mount --all --fstab /dev/stdin
exec < /dev/null
"""
_THEN = 'exec "$@"\n'

_PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    f"build:x:{BUILD_UID}:{BUILD_UID}:build:/tmp:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n"
)
_GROUP = f"root:x:0:\nbuild:x:{BUILD_UID}:\nnobody:x:65534:\n"
SYNTHETIC = {"/etc/passwd": _PASSWD, "/etc/group": _GROUP}
# The files of the host's /etc that its programs need to start.
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
# Hidden in /proc, as by container engines: the kernel's addresses, parameters, keys and devices.
# Builds do not need them. Files that only root may read (kcore, slabinfo) are unreadable anyway.
_HIDDEN = (
    "cmdline",
    "config.gz",
    "interrupts",
    "iomem",
    "ioports",
    "kallsyms",
    "key-users",
    "keys",
    "modules",
    "sched_debug",
    "timer_list",
)
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_MINIMAL_ENVIRONMENT = {
    "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
}


def program(name: str) -> str:
    """Return the path of a program that the sandbox needs; SandboxError if it is missing."""
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
    if path is None:
        package = "bubblewrap" if name == "bwrap" else "util-linux"
        raise SandboxError(
            f"The program {name} is not installed, and untrusted code runs only in its sandbox.",
            install_remedy(package),
        )
    return path


@dataclass(frozen=True, slots=True)
class View:
    """The view inside: `root` as / (None: the host's /usr), the binds, environment and user.

    `chroots` are targets of binds that a program inside makes its / (`rpm --root`).
    """

    binds: Sequence[Bind]
    root: Path | None
    root_writable: bool
    env: Mapping[str, str]
    chdir: str
    user: User
    network: bool
    chroots: Sequence[str] = ()


def bubblewrap_arguments(
    view: View,
    limits: Limits,
    sources: Sequence[Path],
    data: Mapping[str, int],
    unreadable: Path,
) -> list[str]:
    """Return bubblewrap's options for a view.

    `sources` are the paths to mount from: first the root's, if there is one, then one for each
    bind. `data` maps paths inside to open descriptors with their content; `unreadable` is mounted
    over files of /proc.
    """
    args = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
    args += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--hostname", "minimize"]
    if not view.network:
        args.append("--unshare-net")
    uid = STARTER if view.user == "root" else BUILD_UID
    args += ["--uid", str(uid), "--gid", str(uid)]
    if view.user == "root":
        for capability in _ROOT_CAPABILITIES:
            args += ["--cap-add", f"cap_{capability}"]
    else:
        args.append("--disable-userns")

    places = [str(source) for source in sources]
    if view.root is not None:
        args += ["--bind" if view.root_writable else "--ro-bind", places.pop(0), "/"]
    else:
        args += _host_view()
    args += [*_proc("/proc", unreadable), "--dev", "/dev"]
    args += ["--size", str(max(limits.tmp // 4, 1)), "--perms", "1777", "--tmpfs", "/dev/shm"]
    args += ["--remount-ro", "/dev"]
    args += ["--size", str(limits.tmp), "--perms", "1777", "--tmpfs", "/tmp"]
    for path, descriptor in data.items():
        args += ["--perms", "0444", "--ro-bind-data", str(descriptor), path]
    for bind, source in zip(view.binds, places, strict=True):
        args += ["--bind" if bind.writable else "--ro-bind", source, bind.target]
    for directory in view.chroots:
        args += [*_proc(f"{directory}/proc", unreadable), "--dev", f"{directory}/dev"]
    if view.root is None:
        args += ["--remount-ro", "/"]
    args += ["--chdir", view.chdir, "--clearenv"]
    for name, value in (_MINIMAL_ENVIRONMENT | dict(view.env)).items():
        args += ["--setenv", name, value]
    return args


def _proc(place: str, unreadable: Path) -> list[str]:
    """Mount the namespace's processes at `place`, without the files about the whole machine."""
    args = ["--proc", place]
    for name in _HIDDEN:
        file = Path("/proc") / name
        if file.exists() and file.stat().st_mode & stat.S_IROTH:
            args += ["--ro-bind", str(unreadable), f"{place}/{name}"]
    return args


def _host_view() -> list[str]:
    args = ["--ro-bind", "/usr", "/usr", "--tmpfs", "/usr/local"]
    for name in _TOP_LEVEL:
        path = Path("/") / name
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), f"/{name}"]
        elif path.is_dir():
            args += ["--ro-bind", str(path), f"/{name}"]
    for file in _ETC:
        if Path(file).exists():
            args += ["--ro-bind", file, file]
    return args


def inner_command(argv: Sequence[str], view: View) -> list[str]:
    """Return the command to start inside, which becomes uid 0 first if it has a range of ids."""
    if view.user == "build":
        return list(argv)
    if view.root is not None:
        raise ValueError("user='root' works with the host's view only, not inside a buildroot")
    capabilities = ",".join(f"+{name}" for name in _ROOT_CAPABILITIES)
    become = ["/usr/bin/setpriv", "--reuid", "0", "--regid", "0", "--clear-groups"]
    return [*become, "--inh-caps", capabilities, "--ambient-caps", capabilities, "--", *argv]


def mount_table(sources: Sequence[Path], stage: Path) -> tuple[str, list[Path]]:
    """Return the table that binds each source to a place below `stage`, and these places in order.

    The places are shared by all runs: each run mounts in a namespace of its own.
    """
    lines, places = [], []
    for number, source in enumerate(sources):
        folder = source.is_dir()
        place = stage / f"{number}{'d' if folder else 'f'}"
        if folder:
            place.mkdir(mode=0o700, exist_ok=True)
        else:
            place.touch(mode=0o600)
        lines.append(f"{_escape(source)} {_escape(place)} none bind 0 0\n")
        places.append(place)
    return "".join(lines), places


def _escape(path: Path) -> str:
    """Return a path as fstab(5) writes it."""
    return "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in str(path))


def outer_command(
    *,
    limits: Limits,
    uid: int | None,
    mounts: bool,
    entrances: Sequence[Path],
    options: Sequence[str],
    inner: Sequence[str],
) -> list[str]:
    """Return the whole command line.

    `uid` is the unprivileged user's, None if this process is not root. With `mounts`, standard
    input is the table of mounts to make first; `entrances` are the control groups'.
    """
    command = [program("prlimit"), f"--fsize={limits.file_size}", f"--data={2 * limits.memory}"]
    command += ["--core=0", "--nofile=4096"]
    if not entrances:
        # RLIMIT_NPROC counts every thread of the user: where other processes have the same id, all
        # of these, and zombies of earlier runs that a container's process 1 has not reaped.
        other_tasks = tasks_of_user(os.getuid() if uid is None else uid)
        command.append(f"--nproc={limits.processes + other_tasks + 16}")
    command += ["--", program("setpriv")]
    if uid is not None:
        command += ["--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    command += ["--pdeathsig", "KILL", "--", program("bwrap"), *options, "--", *inner]
    entrance_arguments = [str(len(entrances)), *map(str, entrances)]
    if mounts:
        script = ["/bin/sh", "-c", _ENTER + _MOUNT + _THEN, "sh", *entrance_arguments]
        return [program("unshare"), "--mount", "--propagation", "private", *script, *command]
    if entrances:
        return ["/bin/sh", "-c", _ENTER + _THEN, "sh", *entrance_arguments, *command]
    return command
