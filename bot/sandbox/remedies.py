"""Remedies where the sandbox cannot start."""

from __future__ import annotations

from pathlib import Path

_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


def install_remedy(apt: str, dnf: str = "") -> str:
    """The remedy for a missing package, by its name for apt and that for dnf."""
    return f"Install it: apt-get install {apt}, or dnf install {dnf or apt}."


def in_container() -> bool:
    """Return whether this is a container of docker or podman."""
    return any(Path(mark).exists() for mark in _CONTAINER_MARKS)


def namespace_remedy(text: str) -> str:
    """The remedy for a failure that bubblewrap or its starters described with `text`."""
    apparmor = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if apparmor.exists() and apparmor.read_text().strip() == "1":
        return (
            "AppArmor forbids user namespaces here: give bwrap a profile that has `userns,` "
            "(Ubuntu's package apparmor-profiles: bwrap-userns-restrict), or "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0."
        )
    disabled = Path("/proc/sys/kernel/unprivileged_userns_clone")
    if disabled.exists() and disabled.read_text().strip() == "0":
        return "User namespaces are off here: sysctl kernel.unprivileged_userns_clone=1."
    if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
        return "User namespaces are off here: sysctl user.max_user_namespaces=10000."
    if in_container() or "Operation not permitted" in text or "Permission denied" in text:
        return (
            "In a container, allow user namespaces and mounts: "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined (docker, podman), and as root "
            "--cap-add SYS_ADMIN; or --privileged."
        )
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
