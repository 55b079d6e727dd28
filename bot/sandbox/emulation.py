"""The architectures whose programs run in the sandbox here: this machine's, and emulated ones.

The kernel (binfmt_misc) runs a program of another architecture by qemu-user. It must have been
registered with the flag F: then the kernel holds the emulator open, and a buildroot need not have
it. qemu makes the host's own system calls, so the filters of the sandbox apply.
"""

from __future__ import annotations

import platform
import re
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.errors import SurroundingsError, UsageError
from bot.sandbox.remedies import install_remedy
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Bind, Limits, SandboxError

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_HEADER, _SEGMENT = 64, 56  # bytes of a 64 bit ELF header, and of one program header
_ADDRESS = 0x10000
_READ_AND_EXECUTE = 5


@dataclass(frozen=True, slots=True)
class _Machine:
    """An architecture's ELF machine number (elf.h), byte order (of `struct`) and exit(0) code."""

    number: int
    order: str
    exit: bytes

    @property
    def ident(self) -> bytes:
        """The first bytes of its 64 bit ELF files."""
        return b"\x7fELF\x02" + (b"\x01" if self.order == "<" else b"\x02") + b"\x01"

    def program(self) -> bytes:
        """Return an ELF program that only ends with status 0."""
        size = _HEADER + _SEGMENT + len(self.exit)
        entry = _ADDRESS + _HEADER + _SEGMENT
        header = struct.pack(
            f"{self.order}16sHHIQQQIHHHHHH",
            *(self.ident, 2, self.number, 1, entry, _HEADER, 0),
            # ppc64le's calling convention is in the flags.
            2 if self.number == _POWERPC else 0,
            *(_HEADER, _SEGMENT, 1, 0, 0, 0),
        )
        place = (0, _ADDRESS, _ADDRESS, size, size, _ADDRESS)
        segment = struct.pack(f"{self.order}IIQQQQQQ", 1, _READ_AND_EXECUTE, *place)
        return header + segment + self.exit


_POWERPC = 21
_MACHINES = {
    "x86_64": _Machine(62, "<", bytes.fromhex("b83c000000 31ff 0f05")),
    "aarch64": _Machine(183, "<", bytes.fromhex("a80b80d2 000080d2 010000d4")),
    "ppc64le": _Machine(_POWERPC, "<", bytes.fromhex("01000038 00006038 02000044")),
    "s390x": _Machine(22, ">", bytes.fromhex("a7290000 0a01")),
    "riscv64": _Machine(243, "<", bytes.fromhex("9308d005 13050000 73000000")),
}


@dataclass(frozen=True, slots=True)
class Emulator:
    """An emulator registered with the kernel; `fixed`: the kernel holds its file open (flag F)."""

    interpreter: str
    enabled: bool
    fixed: bool


def native_architecture() -> str:
    """Return this machine's architecture by rpm's name (the kernel's is the same)."""
    return platform.machine()


def known_architectures() -> tuple[str, ...]:
    """Return the architectures for which there is a test program."""
    return tuple(_MACHINES)


@cache
def why_not_run(arch: str) -> SurroundingsError | None:
    """Return None where programs of `arch` run in the sandbox here, else the error with the remedy.

    A test program is run, once in a process. UsageError for an unknown architecture.
    """
    machine = _MACHINES.get(arch)
    if machine is None:
        names = ", ".join(known_architectures())
        raise UsageError(f"There is no test program for {arch}.", f"Known are {names}.")
    try:
        failure = _test_failure(machine)
    except SandboxError as error:
        return error
    if not failure:
        return None
    if arch == native_architecture():
        return SurroundingsError(f"A program of {arch} does not run in the sandbox: {failure}.")
    return _error_of(arch, failure)


def _test_failure(machine: _Machine) -> str:
    """Run the test program; return its failure, or an empty text."""
    with tempfile.TemporaryDirectory(prefix="minimize-") as name:
        program = Path(name) / "program"
        program.write_bytes(machine.program())
        program.chmod(0o755)
        finished = run_sandboxed(
            ["/program"], binds=[Bind(program, "/program")], limits=Limits(seconds=30.0)
        )
    if finished.returncode == 0:
        return ""
    text = finished.stderr.decode(errors="replace").strip()
    return text or f"it ended with status {finished.returncode}"


def _error_of(arch: str, failure: str) -> SurroundingsError:
    """Return the error, with the remedy, where programs of another architecture do not run."""
    emulator = emulators().get(arch)
    register = (
        f"{install_remedy('qemu-user-binfmt (Debian 12: qemu-user-static)', 'qemu-user-static')}"
        " In a container, register it on its host."
    )
    what = f"Programs of {arch} do not run on this {native_architecture()}"
    if not (_BINFMT / "status").exists():
        return SurroundingsError(
            f"{what}: binfmt_misc is not mounted.",
            f"mount -t binfmt_misc binfmt_misc {_BINFMT}, then: {register}",
        )
    if emulator is None:
        return SurroundingsError(f"{what}: no emulator is registered with binfmt_misc.", register)
    if not emulator.enabled:
        return SurroundingsError(f"{what}: {emulator.interpreter} is switched off.", register)
    if not emulator.fixed:
        return SurroundingsError(
            f"{what}: {emulator.interpreter} is registered without the flag F, so a buildroot does"
            " not see it.",
            register,
        )
    return SurroundingsError(f"{what} by {emulator.interpreter}: {failure}.", register)


def emulators(place: Path = _BINFMT) -> dict[str, Emulator]:
    """Return the registered emulators by architecture; `place` is binfmt_misc's directory."""
    by_arch: dict[str, Emulator] = {}
    for text in _entries(place):
        fields = dict(re.findall(r"^(\S+) (.+)$", text, flags=re.MULTILINE))
        magic = bytes.fromhex(fields.get("magic", ""))
        for arch, machine in _MACHINES.items():
            number = struct.pack(f"{machine.order}H", machine.number)
            if magic.startswith(machine.ident) and magic[18:20] == number:
                enabled = text.startswith("enabled")
                fixed = "F" in fields.get("flags:", "")
                by_arch[arch] = Emulator(fields["interpreter"], enabled, fixed)
    return by_arch


def _entries(place: Path) -> Iterator[str]:
    if not place.is_dir():
        return
    for path in sorted(place.iterdir()):
        if path.name not in ("register", "status"):
            yield path.read_text()


def registration(arch: str, name: str, interpreter: Path) -> str:
    """Return the line for binfmt_misc's `register` that runs `arch`'s programs by `interpreter`."""
    machine = _MACHINES[arch]
    magic = bytearray(20)
    magic[: len(machine.ident)] = machine.ident
    mask = bytearray(b"\xff" * 20)
    mask[7] = 0  # the program's operating system
    mask[8:16] = b"\xff" * 8
    kind = struct.pack(f"{machine.order}H", 2)
    magic[16:18] = kind
    # The type may also be that of a position-independent program (3): the lowest bit is masked.
    mask[16:18] = struct.pack(f"{machine.order}H", 0xFFFE)
    magic[18:20] = struct.pack(f"{machine.order}H", machine.number)
    magic_text = "".join(f"\\x{byte:02x}" for byte in magic)
    mask_text = "".join(f"\\x{byte:02x}" for byte in mask)
    return f":{name}:M::{magic_text}:{mask_text}:{interpreter}:F"
