"""File capabilities: from rpm's text to the extended attribute that the kernel reads."""

from __future__ import annotations

import re
import struct

# linux/capability.h, in the order of their numbers.
# fmt: off
_NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)
# fmt: on
_NUMBERS = {f"cap_{name}": number for number, name in enumerate(_NAMES)}
_ALL = (1 << len(_NAMES)) - 1
_CLAUSE = re.compile(r"([a-z0-9_,]*)((?:[-+=][eip]*)+)", re.IGNORECASE)
# VFS_CAP_REVISION_2 and VFS_CAP_FLAGS_EFFECTIVE.
_REVISION, _EFFECTIVE = 0x02000000, 0x000001


def capability_attribute(text: str) -> bytes | None:
    """The value of `security.capability` for a text as cap_from_text(3) reads it.

    Null where it grants nothing (`""`, `=`). Raises ValueError for what is no such text.
    """
    flags = {"e": 0, "i": 0, "p": 0}
    for clause in text.split():
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ValueError(f"not capabilities: {text!r}")
        names = match[1].lower()
        chosen = _ALL if names in ("", "all") else _mask(names, text)
        for operator, letters in re.findall(r"([-+=])([eip]*)", match[2].lower()):
            if operator == "=":
                flags = {flag: mask & ~chosen for flag, mask in flags.items()}
            for letter in letters:
                if operator == "-":
                    flags[letter] &= ~chosen
                else:
                    flags[letter] |= chosen
    permitted, inheritable = flags["p"], flags["i"]
    if not permitted | inheritable:
        return None
    revision = _REVISION | (_EFFECTIVE if flags["e"] else 0)
    low = 0xFFFFFFFF
    words = (permitted & low, inheritable & low, permitted >> 32, inheritable >> 32)
    return struct.pack("<5I", revision, *words)


def _mask(names: str, text: str) -> int:
    mask = 0
    for name in names.split(","):
        number = _NUMBERS.get(name)
        if number is None and name.isdigit() and int(name) < 64:
            number = int(name)
        if number is None:
            raise ValueError(f"not capabilities: {text!r}")
        mask |= 1 << number
    return mask
