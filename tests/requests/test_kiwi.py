"""kiwi's descriptions: packages by type, profile and architecture, and what they include."""

from __future__ import annotations

import pytest

from bot.requests.kinds import kind_of
from bot.requests.kiwi import read_kiwi
from bot.requests.values import WrittenImage

PREFERENCES = """\
  <preferences>
    <packagemanager>dnf5</packagemanager>
    <rpm-excludedocs>true</rpm-excludedocs>
    <type image="docker"/>
  </preferences>
"""
TEXT = f"""\
<?xml version="1.0"?>
<image schemaversion="7.4" name="web">
{PREFERENCES}
  <packages type="image">
    <package name="nginx"/>
    <package name="shim" arch="aarch64,x86_64"/>
    <namedCollection name="core"/>
    <ignore name="nano"/>
    <package name="nano"/>
  </packages>
  <packages type="bootstrap"><package name="filesystem"/></packages>
  <packages type="uninstall"><package name="dracut"/></packages>
</image>
"""


def read(text: str, **others: str) -> tuple[WrittenImage, ...]:
    files = {"config.xml": text, **{f"{name}.xml": one for name, one in others.items()}}
    return read_kiwi("config.xml", {name: one.encode() for name, one in files.items()})


def test_packages_have_their_lines_kinds_and_architectures() -> None:
    (image,) = read(TEXT)
    assert [(e.kind, e.text, e.line.line, e.arches) for e in image.entries] == [
        ("package", "nginx", 10, ()),
        ("package", "shim", 11, ("aarch64", "x86_64")),
        ("group", "core", 12, ()),
        ("package", "filesystem", 16, ()),
        ("remove", "dracut", 17, ()),
    ]
    assert (image.name, image.documentation, image.unread) == ("config.xml", False, ())


def test_each_profile_is_an_image_with_what_it_requires() -> None:
    profiles = (
        '<profiles><profile name="core"/><profile name="web"><requires profile="core"/></profile>'
        '<profile name="db" import="true"/></profiles>'
    )
    more = (
        '<packages type="image" profiles="core"><package name="a"/></packages>'
        '<packages type="image" profiles="db,web"><package name="b"/></packages>'
    )
    text = TEXT.replace("</preferences>", f"</preferences>{profiles}{more}")
    names = {i.name: [e.text for e in i.entries][:2] for i in read(text)}
    assert names == {
        "config.xml": ["b", "nginx"],
        "config.xml:web": ["a", "b"],
        "config.xml:db": ["b", "nginx"],
    }


def test_an_image_that_is_derived_stands_on_another() -> None:
    (image,) = read(TEXT.replace('image="docker"', 'image="docker" derived_from="obs://a/b"'))
    assert (image.beneath, image.source_line.line) == ("obs://a/b", 6)


def test_weak_dependencies_come_by_the_type_of_patterns() -> None:
    (image,) = read(TEXT.replace('type="bootstrap"', 'type="image" patternType="plusRecommended"'))
    assert [e.line.line for e in image.entries if e.kind == "weak"] == [16]


def test_an_included_file_has_lines_of_its_own() -> None:
    part = '<image><packages type="image">\n<package name="a"/></packages></image>'
    (image,) = read(
        TEXT.replace("</image>", '<include from="this://./part.xml"/></image>'), part=part
    )
    assert ("part.xml", 2) in [(e.line.path, e.line.line) for e in image.entries]
    found = kind_of("part.xml", [{"part.xml": part.encode()}])
    assert found is not None and found.name == "kiwi"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("dnf5", "apt", "`apt` installs no RPM packages"),
        ("dnf5", "zypper", "the pattern `core` is not evaluated"),
        ("</image>", '<include from="this://no.xml"/></image>', "it includes `this://no.xml`"),
        ('<package name="nginx"/>', '<archive name="a.tgz"/>', "`archive` is not evaluated"),
        ("</image>", "", "it is not XML"),
        (PREFERENCES, "", "no `packagemanager` installs"),
        (
            "<image schema",
            '<!DOCTYPE a [<!ENTITY b "c">]><image schema',
            "it is not XML: it declares",
        ),
    ],
)
def test_what_cannot_be_read_for_sure_is_named(before: str, after: str, why: str) -> None:
    assert before in TEXT
    (image,) = read(TEXT.replace(before, after))
    assert [u for u in image.unread if u.why.startswith(why) and u.line.line > 0], image.unread
