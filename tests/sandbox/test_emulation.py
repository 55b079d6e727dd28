"""Programs of other architectures in the sandbox: who runs them, and what is missing."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from bot.errors import SurroundingsError, UsageError
from bot.sandbox import emulation
from bot.sandbox.emulation import (
    emulators,
    known_architectures,
    native_architecture,
    registration,
    why_not_run,
)
from bot.sandbox.run import sandbox_available

_EXECUTABLE, _LOADABLE_ANYWHERE = 2, 3


@pytest.fixture(autouse=True)
def _tried_anew():
    why_not_run.cache_clear()
    yield
    why_not_run.cache_clear()


def entry(place: Path, arch: str, *, flags: str = "F", enabled: str = "enabled") -> None:
    """What binfmt_misc shows of a registered emulator."""
    line = registration(arch, f"qemu-{arch}", Path(f"/usr/bin/qemu-{arch}"))
    magic, mask = (bytes.fromhex(part.replace(r"\x", "")) for part in line.split(":")[4:6])
    (place / f"qemu-{arch}").write_text(
        f"{enabled}\ninterpreter /usr/bin/qemu-{arch}\nflags: {flags}\noffset 0\n"
        f"magic {magic.hex()}\nmask {mask.hex()}\n"
    )


def matches(line: str, program: bytes) -> bool:
    """Return whether the kernel gives a program to the emulator of a line."""
    magic, mask = (bytes.fromhex(part.replace(r"\x", "")) for part in line.split(":")[4:6])
    return all(p & m == g & m for p, g, m in zip(program, magic, mask, strict=False))


@pytest.mark.parametrize("arch", known_architectures())
def test_an_emulator_gets_the_programs_of_its_architecture_alone(arch: str) -> None:
    line = registration(arch, "e", Path("/usr/bin/e"))
    assert re.fullmatch(r":e:M::(\\x[0-9a-f]{2}){20}:(\\x[0-9a-f]{2}){20}:/usr/bin/e:F", line)
    for other in known_architectures():
        machine = emulation._MACHINES[other]
        program = bytearray(machine.program())
        for kind in (_EXECUTABLE, _LOADABLE_ANYWHERE):
            program[16:18] = struct.pack(f"{machine.order}H", kind)
            assert matches(line, bytes(program)) == (other == arch)


@pytest.mark.parametrize("arch", ["aarch64", "ppc64le", "s390x", "riscv64"])
def test_the_program_that_is_tried_ends_well(arch: str, tmp_path: Path) -> None:
    if shutil.which(f"qemu-{arch}") is None:
        pytest.skip(f"qemu-{arch} is not installed")
    program = tmp_path / "program"
    program.write_bytes(emulation._MACHINES[arch].program())
    program.chmod(0o755)
    assert subprocess.run([f"qemu-{arch}", program], check=False).returncode == 0


def test_emulators_are_read_as_the_kernel_shows_them(tmp_path: Path) -> None:
    for name, text in (("status", "enabled\n"), ("register", "")):
        (tmp_path / name).write_text(text)
    (tmp_path / "java").write_text("enabled\ninterpreter /j\nflags: \noffset 0\nmagic cafebabe\n")
    entry(tmp_path, "aarch64")
    entry(tmp_path, "s390x", flags="OC", enabled="disabled")
    found = emulators(tmp_path)
    assert found == {
        "aarch64": emulation.Emulator("/usr/bin/qemu-aarch64", enabled=True, fixed=True),
        "s390x": emulation.Emulator("/usr/bin/qemu-s390x", enabled=False, fixed=False),
    }
    assert emulators(tmp_path / "not-there") == {}


def missing(monkeypatch: pytest.MonkeyPatch, place: Path) -> SurroundingsError:
    """Why programs of an architecture do not run, where they do not."""
    arch = "s390x" if native_architecture() != "s390x" else "aarch64"
    monkeypatch.setattr(emulation, "_BINFMT", place)
    monkeypatch.setattr(emulation, "emulators", lambda: emulators(place))
    monkeypatch.setattr(emulation, "_test_failure", lambda _: "Exec format error")
    found = why_not_run(arch)
    assert found is not None
    return found


def test_what_is_missing_is_said_with_its_remedy(monkeypatch, tmp_path: Path) -> None:
    first = missing(monkeypatch, tmp_path)
    assert "binfmt_misc is not mounted" in first.what
    assert first.hint.startswith("mount -t binfmt_misc")
    (tmp_path / "status").write_text("enabled\n")
    for words, entries in (
        ("no emulator is registered", {}),
        ("is switched off", {"enabled": "disabled"}),
        ("without the flag F", {"flags": "OC"}),
        ("Exec format error", {"flags": "F"}),
    ):
        why_not_run.cache_clear()
        if entries:
            entry(tmp_path, "s390x", **entries)
            entry(tmp_path, "aarch64", **entries)
        found = missing(monkeypatch, tmp_path)
        assert words in found.what
        assert "qemu-user-static" in found.hint


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match=r"pdp11.*Known are x86_64"):
        why_not_run("pdp11")


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
def test_a_machines_own_programs_run() -> None:
    if native_architecture() not in known_architectures():
        pytest.skip(f"no program of {native_architecture()} can be tried")
    assert why_not_run(native_architecture()) is None


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
def test_the_filters_of_the_sandbox_let_an_emulator_work() -> None:
    from bot.demo.run.workers import emulated

    arch = "aarch64" if native_architecture() != "aarch64" else "x86_64"
    try:
        with emulated(arch):
            assert why_not_run(arch) is None
    except SurroundingsError as error:
        pytest.skip(str(error))
