"""Remedies for a sandbox that cannot start."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
# The options of podman and docker with which the whole sandbox works in a container.
_CONTAINER = (
    "Run the container with --user 0 --cap-add SYS_ADMIN --security-opt seccomp=unconfined"
    " --security-opt apparmor=unconfined --security-opt systempaths=unconfined --security-opt"
    " label=disable; where docker starts it, or control groups are of version 1, also with"
    " --volume /sys/fs/cgroup:/sys/fs/cgroup:rw --cgroupns=host; or with --user 0 --privileged."
    " This root is none on the host where podman is started by an ordinary user, or with"
    " --userns=auto:size=65536."
)


def install_remedy(apt: str, dnf: str = "") -> str:
    """Return the remedy for a missing package, by its names for apt and dnf."""
    return f"Install it: apt-get install {apt}, or dnf install {dnf or apt}."


def in_container() -> bool:
    """Return whether this is a container of docker or podman."""
    return any(Path(mark).exists() for mark in _CONTAINER_MARKS)


def namespace_remedy(text: str) -> str:
    """Return the remedy for a failure that bubblewrap or its starters described with `text`."""
    return (
        _kernel_remedy()
        or _apparmor_remedy()
        or _chroot_remedy(text)
        or _capability_remedy()
        or _surroundings_remedy(text)
    )


_NAMESPACES = ("user", "mnt", "pid", "ipc", "net", "uts", "cgroup")


def _kernel_remedy() -> str:
    for kind in _NAMESPACES:
        if _kernel(name := f"user/max_{kind}_namespaces") == "0":
            whose = "User namespaces" if kind == "user" else f"Namespaces ({kind})"
            return f"{whose} are off here: {_parameter(name, '10000')}"
    if _kernel(name := "kernel/unprivileged_userns_clone") == "0":
        return f"User namespaces are off here: {_parameter(name, '1')}"
    return ""


def _parameter(name: str, value: str) -> str:
    """Return the command that sets a kernel parameter, now and after the next starts."""
    setting = f"{name.replace('/', '.')}={value}"
    return (
        f"sysctl -w {setting}, as root (of a container: on its host); a line {setting} in a file"
        " of /etc/sysctl.d keeps it."
    )


def _chroot_remedy(text: str) -> str:
    if not _is_chroot(text):
        return ""
    return (
        "This looks like a chroot, where the kernel lets nobody make a user namespace. Make the"
        " directory the root of a container: podman run --rootfs DIRECTORY."
    )


def _is_chroot(text: str) -> bool:
    """Return whether a namespace or mount was refused only because of a chroot."""
    if "cannot change root filesystem propagation" in text:  # / is no mount
        return True
    return "No permissions to create" in text and _status("Seccomp") == "0" and not in_container()


def _capability_remedy() -> str:
    if os.geteuid() != 0 or _has_capability(_SYS_ADMIN):
        return ""
    return (
        "This is root without the capability SYS_ADMIN, as containers have it by default: it"
        f" may neither mount nor make namespaces. {_CONTAINER}"
    )


def _surroundings_remedy(text: str) -> str:
    container_remedy = f"A container forbids this by default. {_CONTAINER}"
    if in_container():
        return container_remedy
    if _status("Seccomp") == "2":
        return (
            "A filter of system calls is in force for this process: take RestrictNamespaces=,"
            f" SystemCallFilter= and the like out of its unit. {container_remedy}"
        )
    if "ENOSPC" in text or "No space left" in text:
        remedy = _parameter("user/max_user_namespaces", "10000")
        return f"There are as many namespaces as may be, or they are nested too deep: {remedy}"
    is_refusal = "not permitted" in text or "Permission denied" in text
    return container_remedy if is_refusal else ""


# Our profile, which allows bubblewrap all that it needs (deploy/apparmor).
_OWN_PROFILE = "minimize-bwrap"


def _apparmor_remedy() -> str:
    """Return the remedy where AppArmor restricts bubblewrap, else ""."""
    profile = _profile_of_bubblewrap()
    parameter = "kernel/apparmor_restrict_unprivileged_userns"
    if profile.startswith(_OWN_PROFILE):
        return ""
    if profile.endswith("(enforce)") and profile != _profile("self"):
        name = profile.removesuffix(" (enforce)")
        cause, alternative = f"AppArmor's profile {name} confines bwrap", ""
    elif _kernel(parameter) == "1":
        cause = "AppArmor forbids user namespaces"
        alternative = f"; or, for all programs, {_parameter(parameter, '0')}"
    else:
        return ""
    return (
        f"{cause} here. deploy/install --apparmor, as root (of a container: on its host), loads a"
        " profile that lets bwrap make namespaces and do in them what it must"
        f" (deploy/apparmor/minimize-bwrap){alternative or '.'}"
    )


def _profile_of_bubblewrap() -> str:
    """Return the AppArmor profile of a started bubblewrap; "" without AppArmor."""
    path = shutil.which("bwrap")
    if path is None or not _profile("self"):
        return ""
    # It waits for arguments on its standard input, and ends when that is closed.
    process = subprocess.Popen(
        [path, "--args", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        return _profile(str(process.pid))


def _profile(process: str) -> str:
    """Return the profile of a process with its mode, as `bwrap (enforce)`; "" without AppArmor."""
    try:
        return Path(f"/proc/{process}/attr/apparmor/current").read_text().strip()
    except OSError:
        return ""


def no_new_privileges() -> bool:
    """Return whether setuid programs give no privileges to this process and its children."""
    return _status("NoNewPrivs") == "1"


# Its number in linux/capability.h.
_SYS_ADMIN = 21


def _has_capability(number: int) -> bool:
    return bool(int(_status("CapEff") or "0", 16) >> number & 1)


def _status(field: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    return ""


def _kernel(name: str) -> str:
    """Return a kernel parameter, or "" where it does not exist."""
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""


def memory_remedy() -> str:
    """Return the remedy where no control group can be made."""
    allow = (
        "Or, knowing what that means, let the server's settings say "
        "`sandbox: {without_memory_limit: run strangers' code anyway}`."
    )
    if in_container():
        return f"In a container only its root makes control groups. {_CONTAINER} {allow}"
    return (
        "As a service of systemd: Delegate=yes in its unit. From a shell: systemd-run --user"
        " --scope -p Delegate=yes COMMAND; as root, for a user that does not log in: systemd-run"
        f" --wait --pipe --uid USER -p Delegate=yes COMMAND. Or start it as root. {allow}"
    )
