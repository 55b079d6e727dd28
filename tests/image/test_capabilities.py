"""File capabilities: rpm's texts as the attribute that the kernel reads."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.image.fragment import capability_attribute

TEXTS = [
    "cap_net_raw=ep",
    "cap_net_raw+ep",
    "cap_net_bind_service,cap_net_raw=ep",
    "cap_setuid=ep cap_setgid+ep",
    "cap_checkpoint_restore=eip",
    "all=p",
    "=ep",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_attribute_is_the_one_that_setcap_writes(text: str, tmp_path: Path) -> None:
    setcap = shutil.which("setcap", path="/usr/sbin:/sbin:/usr/bin")
    if setcap is None or os.geteuid() != 0:
        pytest.skip("setcap needs to be there, and root")
    file = tmp_path / "program"
    file.write_bytes(b"x")
    done = subprocess.run([setcap, text, str(file)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"setcap cannot say this here: {done.stderr}")
    assert capability_attribute(text) == os.getxattr(file, "security.capability")


def test_net_raw_is_the_thirteenth_bit_effective_and_permitted() -> None:
    # linux/capability.h: revision 2, effective; permitted, inheritable, low words first.
    expected = "01000002" + "00200000" + "00000000" * 3
    value = capability_attribute("cap_net_raw=ep")
    assert value is not None
    assert value.hex() == expected


@pytest.mark.parametrize(
    "text", ["", "=", "cap_net_raw=", "cap_net_raw=e", "cap_chown=p cap_chown-p"]
)
def test_what_grants_nothing_is_no_attribute(text: str) -> None:
    assert capability_attribute(text) is None


@pytest.mark.parametrize("text", ["net_raw", "cap_wool=ep", "cap_net_raw=x", "=ep;", "cap_99=ep"])
def test_what_is_no_capability_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not capabilities"):
        capability_attribute(text)
