"""Remedies where the sandbox cannot start."""

from __future__ import annotations

import os
from pathlib import Path

_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
# A container's confinement that the sandbox does not work within, taken off.
CONFINEMENT = (
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    " --security-opt systempaths=unconfined"
)


def install_remedy(apt: str, dnf: str = "") -> str:
    """The remedy for a missing package, by its name for apt and that for dnf."""
    return f"Install it: apt-get install {apt}, or dnf install {dnf or apt}."


def in_container() -> bool:
    """Return whether this is a container of docker or podman."""
    return any(Path(mark).exists() for mark in _CONTAINER_MARKS)


def namespace_remedy(text: str) -> str:
    """The remedy for a failure that bubblewrap or its starters described with `text`."""
    if remedy := _kernel_remedy():
        return remedy
    if _is_chroot(text):
        return (
            "This looks like a chroot, where the kernel lets nobody make a user namespace. Make the"
            " directory the root of a container: podman run --rootfs DIRECTORY."
        )
    if os.geteuid() == 0 and not _has_capability(_SYS_ADMIN):
        return (
            "This is root without the capability SYS_ADMIN, as containers have it by default: it"
            " may neither mount nor make namespaces. Run the container as another user"
            f" (--user 10001) with {CONFINEMENT}; or as root with these and --cap-add SYS_ADMIN; or"
            " with --privileged."
        )
    if in_container() or "Operation not permitted" in text or "Permission denied" in text:
        return (
            f"In a container, allow user namespaces and mounts: {CONFINEMENT} (docker, podman), and"
            " as root --cap-add SYS_ADMIN; or --privileged."
        )
    return ""


def _kernel_remedy() -> str:
    """The remedy where a parameter of the kernel forbids user namespaces, or ""."""
    if _kernel("user/max_user_namespaces") == "0":
        return "User namespaces are off here: sysctl user.max_user_namespaces=10000 (on the host)."
    if _kernel("kernel/unprivileged_userns_clone") == "0":
        return "User namespaces are off here: sysctl kernel.unprivileged_userns_clone=1."
    if _kernel("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor forbids user namespaces here. deploy/install --apparmor, as root (of a"
            " container: on its host), loads a profile that allows them to bwrap"
            " (deploy/apparmor/minimize-bwrap);"
            " or sysctl kernel.apparmor_restrict_unprivileged_userns=0, for all programs."
        )
    return ""


def _is_chroot(text: str) -> bool:
    """Return whether a namespace or mount was refused because of a chroot: no other reason is."""
    if "cannot change root filesystem propagation" in text:  # / is no mount
        return True
    return "No permissions to create" in text and _status("Seccomp") == "0" and not in_container()


def no_new_privileges() -> bool:
    """Return whether this process, and all that it starts, gain nothing by setuid programs."""
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
    """A parameter of the kernel, or "" where it has none."""
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""


def memory_remedy() -> str:
    """The remedy where no control group can be made."""
    allow = (
        "or, knowing what that means, let the server's settings say "
        "`sandbox: {without_memory_limit: run strangers' code anyway}`"
    )
    if in_container():
        return (
            "In a container, let it write control groups: "
            "--volume /sys/fs/cgroup:/sys/fs/cgroup:rw --cgroupns=host, or --privileged "
            f"(docker, podman); {allow}."
        )
    return (
        "As a service of systemd: Delegate=yes in its unit. From a shell: systemd-run --user "
        f"--scope -p Delegate=yes COMMAND. Or start it as root; {allow}."
    )
