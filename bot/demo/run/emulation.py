"""An emulator of another architecture's programs, known to the kernel for as long as it is wanted.

Distributions' packages register theirs for good. In a container, and on a machine that has only
qemu itself, nobody has: root may, and takes it back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import SurroundingsError
from bot.sandbox.emulation import native_architecture, registration, why_not_run
from bot.sandbox.remedies import install_remedy

_BINFMT = Path("/proc/sys/fs/binfmt_misc")


@contextmanager
def emulated(arch: str) -> Iterator[None]:
    """Have programs of `arch` run in the sandbox here, meanwhile at least.

    SurroundingsError, with the remedy, where they do not and cannot be made to.
    """
    if arch == native_architecture() or why_not_run(arch) is None:
        yield
        return
    missing = why_not_run(arch)
    assert missing is not None
    if os.geteuid() != 0:
        raise missing
    name = f"minimize-{os.getpid()}-{arch}"
    _register(registration(arch, name, _interpreter(arch)))
    why_not_run.cache_clear()
    try:
        if (still := why_not_run(arch)) is not None:
            raise still
        yield
    finally:
        (_BINFMT / name).write_text("-1")
        why_not_run.cache_clear()


def _interpreter(arch: str) -> Path:
    """qemu-user as one file, that is without libraries: a buildroot has none of this machine's."""
    for name in (f"qemu-{arch}-static", f"qemu-{arch}"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise SurroundingsError(
        f"qemu-{arch} is not installed, so nothing can be built for {arch} here.",
        install_remedy("qemu-user-static", "qemu-user-static"),
    )


def _register(line: str) -> None:
    try:
        if not (_BINFMT / "register").exists():
            mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)]
            subprocess.run(mount, capture_output=True, check=True)
        (_BINFMT / "register").write_text(line)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SurroundingsError(
            f"The emulator cannot be registered with binfmt_misc: {error}.",
            "In a container, register it on its host.",
        ) from error
