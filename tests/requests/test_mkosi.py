"""mkosi's configurations: packages by distribution and architecture, and what a build decides."""

from __future__ import annotations

from bot import limits
from bot.requests.kinds import images_of, kind_of
from bot.requests.mkosi import read_mkosi
from bot.requests.values import WrittenImage

MAIN = b"""\
[Distribution]
Distribution=fedora
Release=43

[Content]
WithDocs=no
Packages=
    systemd   # the first
    bash,coreutils
RemovePackages=grubby
"""
ARM = b"[Match]\nArchitecture=arm64\n[Content]\nPackages=shim-aa64\n"
DEBIAN = b"[Match]\nDistribution=debian\n[Content]\nPackages=apt\n"
FEDORA = b"[Match]\nDistribution=fedora\n[Content]\nPackages=dnf5\nWithRecommends=yes\n"


def read(files: dict[str, bytes], path: str = "mkosi.conf") -> tuple[WrittenImage, ...]:
    return read_mkosi(path, files)


def entries(image: WrittenImage) -> list[tuple[str, str, str, int]]:
    return [(e.kind, e.text, e.line.path, e.line.line) for e in image.entries]


def test_lists_have_the_lines_of_their_packages() -> None:
    (image,) = read({"mkosi.conf": MAIN})
    assert entries(image) == [
        ("package", "systemd", "mkosi.conf", 8),
        ("package", "bash", "mkosi.conf", 9),
        ("package", "coreutils", "mkosi.conf", 9),
        ("remove", "grubby", "mkosi.conf", 10),
    ]
    assert (image.source, image.documentation, image.unread) == ("fedora:43", False, ())


def test_files_beside_count_where_they_match() -> None:
    files = {
        "mkosi.conf": MAIN,
        "mkosi.conf.d/20-arm.conf": ARM,
        "mkosi.conf.d/30-debian.conf": DEBIAN,
        "mkosi.conf.d/10-fedora/mkosi.conf": FEDORA,
        "mkosi.conf.d/10-fedora/mkosi.conf.d/more.conf": b"[Content]\nPackages=rpm\n",
    }
    (image,) = read(files)
    packages = [(e.text, e.arches) for e in image.entries if e.kind == "package"]
    assert packages[3:] == [("dnf5", ()), ("rpm", ()), ("shim-aa64", ("aarch64",))]
    assert [e.line.line for e in image.entries if e.kind == "weak"] == [5]


def test_without_a_distribution_there_is_an_image_for_each_that_is_matched() -> None:
    files = {
        "a/mkosi.conf": b"[Content]\nPackages=bash\n",
        "a/mkosi.conf.d/fedora.conf": FEDORA,
        "a/mkosi.conf.d/centos.conf": FEDORA.replace(b"fedora", b"centos"),
        "a/mkosi.conf.d/debian.conf": DEBIAN,
    }
    found = read(files, "a/mkosi.conf")
    assert [(i.name, i.source) for i in found] == [
        ("a/mkosi.conf:centos", "centos"),
        ("a/mkosi.conf:fedora", "fedora"),
    ]
    assert all(len(i.entries) == 3 for i in found)


def test_what_only_a_build_tells_is_named() -> None:
    files = {"mkosi.conf": MAIN, "mkosi.conf.d/a.conf": ARM.replace(b"Architecture", b"Format")}
    (image,) = read(files)
    assert [(u.line.path, u.line.line) for u in image.unread] == [("mkosi.conf.d/a.conf", 2)]
    (image,) = read({"mkosi.conf": MAIN.replace(b"grubby", b"a-%r") + b"Include=mkosi-vm\n"})
    assert [u.line.line for u in image.unread] == [10, 11]
    (image,) = read({"mkosi.conf": MAIN.replace(b"fedora", b"arch")})
    assert image.unread[0].why == "`arch` is no distribution of RPM packages"
    (image,) = read({"mkosi.conf": b"[Content]\nPackages=a\n"})
    assert image.unread[0].line.line == 1


def test_one_of_several_triggers_must_hold() -> None:
    either = b"[Match]\nDistribution=|centos\nDistribution=|fedora\n[Content]\nPackages=dnf\n"
    (image,) = read({"mkosi.conf": MAIN, "mkosi.conf.d/a.conf": either})
    assert "dnf" in [e.text for e in image.entries] and not image.unread
    neither = either.replace(b"fedora", b"azure")
    (image,) = read({"mkosi.conf": MAIN, "mkosi.conf.d/a.conf": neither})
    assert "dnf" not in [e.text for e in image.entries] and not image.unread
    (image,) = read(
        {"mkosi.conf": MAIN, "mkosi.conf.d/a.conf": neither + b"[Match]\nFormat=|disk\n"}
    )
    assert image.unread[0].why == "whether it counts depends on `Format=|disk`"


def test_the_main_file_may_not_be_there_and_packages_must() -> None:
    only = "mkosi.conf.d/a.conf"
    (image,) = images_of(
        "mkosi", only, {only: FEDORA.replace(b"[Content]", b"[Distribution]\n[Content]")}
    )
    assert (image.name, [e.text for e in image.entries][:1]) == ("mkosi.conf:fedora", ["dnf5"])
    (image,) = read({"mkosi.conf": b"[Distribution]\nDistribution=fedora\n"})
    assert image.unread[0].why.startswith("no `Packages=` that applies")


def test_an_included_file_is_read_and_a_part_names_its_image() -> None:
    main = MAIN + b"Include=../common\n"
    files = {"x/mkosi.conf": main, "common/mkosi.conf": b"[Content]\nPackages=vim\n"}
    (image,) = read(files, "x/mkosi.conf")
    assert "vim" in [e.text for e in image.entries] and not image.unread
    files["x/mkosi.conf.d/a.conf"] = ARM
    kind = kind_of("x/mkosi.conf.d/a.conf", [files])
    assert kind is not None and kind.name == "mkosi"
    assert [i.name for i in images_of("mkosi", "x/mkosi.conf.d/a.conf", files)] == ["x/mkosi.conf"]


def test_an_image_below_has_the_distribution_of_the_whole() -> None:
    below = "mkosi.images/base/mkosi.conf"
    (image,) = read({"mkosi.conf": MAIN, below: b"[Content]\nPackages=bash\n"}, below)
    assert (image.source, [e.text for e in image.entries]) == ("fedora:43", ["bash"])


def test_a_list_as_long_as_a_file_may_be_is_read() -> None:
    # A list that is made anew for each of its lines takes a minute here.
    content = b"[Distribution]\nDistribution=fedora\n[Content]\nPackages=a\n"
    content += b" a\n" * ((limits.REQUEST_FILE - len(content)) // 3)
    read_mkosi("mkosi.conf", {"mkosi.conf": content})


def test_a_list_larger_than_a_file_may_be_is_named() -> None:
    comments = b"#\n" * (limits.REQUEST_FILE // 2)
    (image,) = read({"mkosi.conf": MAIN, "mkosi.conf.d/a.conf": ARM + comments})
    (unread,) = image.unread
    assert unread.line.path == "mkosi.conf.d/a.conf"
    assert unread.why == f"the file is larger than {limits.REQUEST_FILE} bytes"
