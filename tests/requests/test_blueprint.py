"""Blueprints: what they add, with its lines, to an image type that something must map."""

from __future__ import annotations

from bot.requests.blueprint import is_blueprint, read_blueprint
from bot.requests.file_images import BaseImage, FileImage, place_of
from bot.requests.values import WrittenImage

TEXT = """\
name = "edge"
distro = "rhel-9"

[[packages]]
name = "nginx"
version = "*"

[[modules]]
name = "podman"
version = "5.*"

[[groups]]
name = "core"

[[enabled_modules]]
name = "nodejs"
stream = "20"
"""


def read(text: str) -> WrittenImage:
    (image,) = read_blueprint("b.toml", {"b.toml": text.encode()})
    return image


def test_what_it_adds_has_its_lines() -> None:
    image = read(TEXT)
    assert [(e.kind, e.text, e.line.line) for e in image.entries] == [
        ("package", "nginx", 5),
        ("package", "podman-5.*", 9),
        ("group", "core", 13),
    ]
    assert [(text, line.line) for text, line in image.streams] == [("nodejs:20", 16)]
    assert (image.beneath, image.source_line.line) == ("rhel-9 image type", 2)


def test_it_has_no_place_until_the_image_type_is_mapped() -> None:
    image = read(TEXT)
    assert place_of(image, (), ()) is None
    own = place_of(image, (FileImage("*.toml", "repo", "minimal"),), ())
    row = place_of(image, (), (BaseImage("rhel-9 image type", "repo", "minimal"),))
    assert own is not None and row is not None
    assert (own.environment, row.environment) == ("minimal", "minimal")


def test_what_is_no_list_of_packages_is_named() -> None:
    assert read("name = 'a'\npackages = ['b']\n").unread[0].why.startswith("`packages` is no list")
    assert read("name = 'a'\n[[packages]\n").unread[0].why.startswith("it is not TOML")


def test_other_files_with_packages_are_none() -> None:
    assert is_blueprint("b.toml", TEXT.encode())
    assert not is_blueprint("pylock.toml", b"lock-version = '1'\n[[packages]]\nname = 'a'\n")
    assert is_blueprint("b.toml", b"name = 'a'\npackages = [{name = 'b'}]\n")
    assert not is_blueprint("pyproject.toml", b"[tool.poetry]\nname = 'a'\npackages = [{a = 1}]\n")
    assert not is_blueprint("Cargo.toml", b"[package]\nname = 'a'\n")
