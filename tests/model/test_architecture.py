"""Architectures by rpm's names: their folders, their tags, the packages that are their own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bot.closure.solvcache import new_pool
from bot.model.architecture import (
    RPM_ARCHITECTURES,
    all_architectures,
    architecture_order,
    basearch,
    isa,
    native_arches,
)

RPMRC = Path("/usr/lib/rpm/rpmrc")


@pytest.mark.parametrize(
    ("arch", "folder", "tag", "native"),
    [
        ("x86_64", "x86_64", "x86-64", ("x86_64", "noarch")),
        ("x86_64_v2", "x86_64_v2", "x86-64", ("x86_64_v2", "x86_64", "noarch")),
        ("i686", "i386", "x86-32", ("i686", "i586", "i486", "i386", "noarch")),
        ("armv7hl", "armhfp", "armv7hl-32", ("armv7hl", "armv6hl", "noarch")),
        ("ppc64", "ppc64", "ppc-64", ("ppc64", "noarch")),
        ("riscv64", "riscv64", "riscv-64", ("riscv64", "noarch")),
        ("loongarch64", "loongarch64", "loongarch-64", ("loongarch64", "noarch")),
        ("s390x", "s390x", "s390-64", ("s390x", "noarch")),
    ],
)
def test_folder_tag_and_own_packages_of_an_architecture(arch, folder, tag, native):
    assert (basearch(arch), isa(arch), native_arches(arch)) == (folder, tag, native)


def test_base_architectures_are_dnfs():
    program = "import dnf.rpm, json; print(json.dumps(dnf.rpm._BASEARCH_MAP))"
    finished = subprocess.run(
        ["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=False
    )
    if finished.returncode:
        pytest.skip("no dnf in the system's Python")
    import json

    dnf_names = json.loads(finished.stdout)
    common = [arch for arch in RPM_ARCHITECTURES if arch in dnf_names]
    assert len(common) >= 50
    assert {arch: basearch(arch) for arch in common} == {arch: dnf_names[arch] for arch in common}


@pytest.mark.skipif(not RPMRC.is_file(), reason="no rpmrc of rpm here")
def test_every_tag_is_rpms_own():
    names = re.findall(r"^arch_canon:\s*(\w+):", RPMRC.read_text(), re.MULTILINE)
    known = [arch for arch in names if arch in RPM_ARCHITECTURES]
    assert len(known) > 60
    for arch in known:
        macros = Path(f"/usr/lib/rpm/platform/{arch}-linux/macros")
        if macros.is_file():
            values = dict(re.findall(r"^%__isa_(name|bits)\s+(\S+)", macros.read_text(), re.M))
            if values["name"] == "loongarch64":
                continue  # rpm 4.18, loongarch since
            assert isa(arch) == f"{values['name']}-{values['bits']}", arch


@pytest.mark.parametrize("arch", ["x86_64", "x86_64_v2", "i686", "ppc64", "armv7hl", "riscv64"])
def test_libsolv_takes_what_is_an_architectures_own(arch):
    pool = new_pool(arch)
    repo = pool.add_repo("r")
    for number, own in enumerate((*native_arches(arch), "sparc64v")):
        solvable = repo.add_solvable()
        solvable.name, solvable.evr, solvable.arch = f"p{number}", "1-1", own
    pool.createwhatprovides()
    arches = {s.arch for s in repo.solvables if s.installable()}
    assert arches == set(native_arches(arch))


def test_all_is_said_of_many_and_only_where_it_is_all():
    five = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64")
    assert all_architectures(five, five) == "all five"
    assert all_architectures(five[:4], five[:4]) == "all four"
    assert all_architectures(five[:4], five) == ""
    assert all_architectures(five[:3], five[:3]) == ""


def test_the_usual_ones_come_first_and_then_the_alphabet():
    mixed = ["riscv64", "s390x", "i686", "x86_64"]
    assert sorted(mixed, key=architecture_order) == ["x86_64", "s390x", "i686", "riscv64"]
