"""The examples of bot/requests/README.md are files of their kinds, and read to their last line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import bot.requests
from bot.check.repository_file import read_repository_file
from bot.requests.file_images import BaseImage, place_of
from bot.requests.kinds import KINDS, images_of, kind_of
from bot.settings.values import BaseImageRow

README = (Path(bot.requests.__file__).parent / "README.md").read_text()
# The section, the path that its example has, and what it asks for on any architecture.
EXAMPLES = {
    "Containerfiles and Dockerfiles": ("Containerfile", {"nginx"}),
    "Konflux's `rpms.in.yaml`": ("rpms.in.yaml", {"nginx", "s390utils"}),
    "Treefiles of rpm-ostree and bootc": (
        "manifest.yaml",
        {"nginx", "podman >= 4.1", "s390utils"},
    ),
    "mkosi": ("mkosi.conf", {"nginx", "systemd"}),
    "kiwi": ("config.xml", {"nginx", "s390utils"}),
    "Blueprints of image-builder": ("edge.toml", {"nginx"}),
}
# What an example names beside itself.
BESIDE = {
    "Containerfile": "FROM registry.example.org/fedora:43 AS builder\n",
    "manifests/base.yaml": "packages: [kernel]\n",
}


def blocks(section: str) -> list[str]:
    """The fenced examples of a section."""
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("section", EXAMPLES)
def test_an_example_is_read_whole(section: str) -> None:
    path, wanted = EXAMPLES[section]
    files = {**{name: text.encode() for name, text in BESIDE.items()}}
    files[path] = blocks(section)[0].encode()
    kind = kind_of(path, [files])
    assert kind is not None
    (image,) = [i for i in images_of(kind.name, path, files) if i.path == path and i.entries]
    assert image.unread == ()
    packages = {entry.text for entry in image.entries if entry.kind == "package"}
    assert packages - {"kernel"} >= wanted


def test_the_document_of_the_first_example_is_one() -> None:
    (text,) = blocks("Content Resolver's documents")
    kind = kind_of("configs/web.yaml", [{"configs/web.yaml": text.encode()}])
    assert kind is not None
    assert kind.name == "document"


def test_the_tables_of_the_containerfiles_example_place_it() -> None:
    example, settings, own = blocks("Containerfiles and Dockerfiles")
    (row,) = yaml.safe_load(settings)["base_images"]
    made = BaseImage(**dict(BaseImageRow.model_validate(row)))
    files = {"nginx/Containerfile": example.encode()}
    image = next(i for i in images_of("containerfile", "nginx/Containerfile", files) if i.entries)
    assert image.source == "registry.example.org/fedora:43"
    by_table, by_file = (
        place_of(image, (), (made,)),
        place_of(image, read_repository_file(own.encode()).images, ()),
    )
    assert by_table is not None
    assert by_file is not None
    assert by_table.repository == by_file.repository == "fedora-43"


def test_every_kind_has_its_section() -> None:
    shown = {
        kind_of(path, [{path: blocks(section)[0].encode()}])
        for section, (path, _) in EXAMPLES.items()
    }
    names = {kind.name for kind in shown if kind is not None} | {"document", "rpms.lock"}
    assert names == {kind.name for kind in KINDS}
    assert "rpms.lock.yaml" in README
