"""Treefiles: packages with their lines, through what they include."""

from __future__ import annotations

import pytest

from bot.requests.treefile import is_treefile, read_treefile
from bot.requests.values import WrittenImage

TOP = """\
ref: fedora/43
include: [manifests/base.yaml]
recommends: false
packages:
  - curl wget
  - "'podman >= 4.1'"
packages-s390x:
  - s390utils
exclude-packages: [python3]
"""
BASE = "recommends: true\nrepo-packages:\n  - repo: x\n    packages: [bash]\n"


def read(text: str, **files: str) -> WrittenImage:
    contents = {"manifest.yaml": text.encode()}
    contents |= {f"manifests/{name}.yaml": each.encode() for name, each in files.items()}
    (image,) = read_treefile("manifest.yaml", contents)
    return image


def test_packages_have_their_lines_in_the_files_that_say_them() -> None:
    image = read(TOP, base=BASE)
    assert [(e.kind, e.text, e.line.path, e.line.line, e.arches) for e in image.entries] == [
        ("package", "curl", "manifest.yaml", 5, ()),
        ("package", "wget", "manifest.yaml", 5, ()),
        ("package", "podman >= 4.1", "manifest.yaml", 6, ()),
        ("package", "s390utils", "manifest.yaml", 8, ("s390x",)),
        ("exclude", "python3", "manifest.yaml", 9, ()),
        ("package", "bash", "manifests/base.yaml", 3, ()),
    ]
    assert image.unread == ()


def test_weak_dependencies_come_unless_it_says_otherwise() -> None:
    assert read("ref: a\npackages: [b]\n").entries[-1].kind == "weak"


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("ref: a\npackages: [\"kernel-${v}\"]\n", 2, "`kernel-${v}` has a variable"),
        ("ref: a\ninclude: other.yaml\n", 2, "it includes `other.yaml`, which is not there"),
        ("ref: a\nconditional-include: [{if: x, include: y}]\n", 2, "which files are included"),
        ("ref: a\npackages: b\n", 2, "`packages` is not a list"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_for_sure_is_named(text: str, line: int, why: str) -> None:
    found = read(text).unread
    assert found and found[0].line.line == line and found[0].why.startswith(why), found


def test_a_file_that_includes_itself_ends() -> None:
    assert read("ref: a\ninclude: manifest.yaml\npackages: [b]\n").unread == ()


def test_a_list_of_packages_alone_is_no_treefile() -> None:
    assert is_treefile("manifest.yaml", TOP.encode())
    assert not is_treefile("vars.yaml", b"packages: [a]\n")
    assert not is_treefile("web.yaml", b"document: x\ndata:\n  packages: [a]\n")
