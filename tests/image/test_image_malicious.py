"""Packages that lie, or want out of the image: refused by name, and nothing is kept of them."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot import limits
from bot.distro.cache import Cache
from bot.image.compose import compose_images
from bot.image.layout import FileConflictError
from bot.image.lock import ImageDescription
from bot.image.measure import file_changes
from bot.image.rpmheader import Header, RefusedPackageError, header_bytes
from bot.image.selection import installed_size_nodocs
from bot.model.closure import Closure, SnapshotState
from bot.model.image import ImageKey
from bot.model.package import Package
from tests.image.crafted import Directory, File, Link, cpio, write_rpm
from tests.image.layers import compose, seen_in_layer


def refused(package: Package, cache: Cache) -> str:
    with pytest.raises(RefusedPackageError) as caught:
        compose([package], cache)
    assert str(package.nevra) in caught.value.what
    assert caught.value.exit_code == 3
    assert list((cache.root / "fragments").glob("*/*")) == []
    return caught.value.why


def test_an_honest_crafted_package_becomes_a_layer(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [Directory("/opt"), File("/opt/a", b"hello")])
    files = seen_in_layer(compose([package], cache))
    assert files.keys() == {"", "opt", "opt/a"}
    assert files["opt/a"].size == 5


@pytest.mark.parametrize(
    "path", ["/../etc/passwd", "/opt/../../etc/passwd", "/opt/./x", "//etc/x", "etc/relative"]
)
def test_a_path_that_is_not_plain_is_refused(path: str, tmp_path: Path, cache: Cache) -> None:
    why = refused(write_rpm(tmp_path / "a.rpm", [File(path, b"x")]), cache)
    assert "not absolute and normalised" in why


def test_a_long_directory_before_many_files_is_refused(tmp_path: Path, cache: Cache) -> None:
    long = "/" + "d" * 400_000
    files = [File(f"{long}/{number}", in_payload=False) for number in range(100)]
    why = refused(write_rpm(tmp_path / "a.rpm", files), cache)
    assert "the paths of its files have 40" in why


@pytest.mark.parametrize(("kind", "tag"), [(8, 1117), (4, 1028)])
def test_a_tag_with_millions_of_values_is_refused(kind: int, tag: int) -> None:
    count = limits.HEADER_VALUES + 1
    index = struct.pack(">IIiI", tag, kind, 0, count)
    content = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", 1, 4 * count) + index
    header = Header("a", content + bytes(4 * count))
    with pytest.raises(RefusedPackageError, match=f"{count} values"):
        header.texts(tag) if kind == 8 else header.numbers(tag)


def test_a_header_of_64_mb_is_refused_by_its_first_bytes() -> None:
    intro = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", 0, 64_000_000)
    with pytest.raises(RefusedPackageError, match="64000000 bytes"):
        header_bytes("a", io.BytesIO(b"\xed\xab\xee\xdb" + bytes(92) + intro))


@pytest.mark.parametrize("base", ["..", "."])
def test_a_name_that_means_a_directory_is_refused(base: str, tmp_path: Path, cache: Cache) -> None:
    refused(write_rpm(tmp_path / "a.rpm", [File(f"/opt/{base}", b"x")]), cache)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "./../etc/passwd", "/etc/passwd", "./etc/other", "opt/a"]
)
def test_a_payload_name_that_the_header_does_not_list_is_refused(
    name: str, tmp_path: Path, cache: Cache
) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x", payload_name=name)])
    assert repr(name) in refused(package, cache)


def test_a_file_behind_the_packages_own_link_is_refused(tmp_path: Path, cache: Cache) -> None:
    files = [Link("/opt/out", link="/etc"), File("/opt/out/passwd", b"x")]
    assert "/opt/out" in refused(write_rpm(tmp_path / "a.rpm", files), cache)


def test_a_link_of_one_package_never_leads_a_file_of_another_outside(
    tmp_path: Path, cache: Cache
) -> None:
    link = write_rpm(tmp_path / "a.rpm", [Link("/opt/out", link="../../../../etc")], name="link")
    file = write_rpm(tmp_path / "b.rpm", [File("/opt/out/passwd", b"x")], name="file")
    files = seen_in_layer(compose([link, file], cache))
    assert files.keys() == {"", "etc", "etc/passwd", "opt", "opt/out"}


def test_links_that_go_in_circles_are_refused(tmp_path: Path, cache: Cache) -> None:
    first = write_rpm(tmp_path / "a.rpm", [Link("/a", link="b"), Link("/b", link="a")], name="one")
    two = write_rpm(tmp_path / "b.rpm", [File("/a/x", b"x")], name="two")
    with pytest.raises(FileConflictError, match="form a loop"):
        compose([first, two], cache)


@pytest.mark.parametrize("mode", [0o020666, 0o060660, 0o140755])
def test_devices_and_sockets_are_refused(mode: int, tmp_path: Path, cache: Cache) -> None:
    assert "/dev/x" in refused(write_rpm(tmp_path / "a.rpm", [File("/dev/x", mode=mode)]), cache)


def test_a_file_larger_than_the_header_says_is_refused(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x" * 5000, said_size=5)])
    assert "5000 bytes in its payload, 5 in its header" in refused(package, cache)


def test_data_after_the_archive_is_refused(tmp_path: Path, cache: Cache) -> None:
    files = [File("/opt/a", b"x")]
    package = write_rpm(tmp_path / "a.rpm", files, payload=cpio(files, extra=bytes(1_000_000)))
    assert "larger" in refused(package, cache)


def test_another_content_than_the_header_says_is_refused(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x", said_digest="00" * 32)])
    assert "content of /opt/a differs" in refused(package, cache)


def test_a_file_that_is_not_in_the_payload_is_refused(tmp_path: Path, cache: Cache) -> None:
    files = [File("/opt/a", b"x"), File("/opt/b", b"x", in_payload=False)]
    assert "lacks /opt/b" in refused(write_rpm(tmp_path / "a.rpm", files), cache)


def test_a_file_that_comes_twice_in_the_payload_is_refused(tmp_path: Path, cache: Cache) -> None:
    files = [File("/opt/a", b"x")]
    package = write_rpm(tmp_path / "a.rpm", files, payload=cpio([*files, *files]))
    assert "twice" in refused(package, cache)


def test_a_path_that_the_header_lists_twice_is_refused(tmp_path: Path, cache: Cache) -> None:
    files = [File("/opt/a", b"x"), File("/opt/a", b"x")]
    assert "twice" in refused(write_rpm(tmp_path / "a.rpm", files), cache)


@pytest.mark.parametrize("stored", [0, 10, 111, 200])
def test_a_payload_that_is_cut_off_is_refused(stored: int, tmp_path: Path, cache: Cache) -> None:
    files = [File("/opt/a", b"x" * 1000)]
    package = write_rpm(tmp_path / "a.rpm", files, payload=cpio(files)[:stored])
    assert "cut off" in refused(package, cache)


def test_a_payload_that_cannot_be_decompressed_is_refused(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x")], more={1125: (6, "xz")})
    assert "unpacked" in refused(package, cache)


def test_a_bomb_stops_at_what_the_header_says(tmp_path: Path, cache: Cache) -> None:
    files = [File("/opt/a", b"x")]
    package = write_rpm(tmp_path / "a.rpm", files, payload=cpio(files, extra=bytes(200_000_000)))
    assert package.download_size is not None and package.download_size < 100_000
    assert "larger" in refused(package, cache)


def test_200_000_files_are_refused(tmp_path: Path, cache: Cache) -> None:
    count = 200_000
    more: dict[int, tuple[int, object]] = {
        1117: (8, ["x"] * count),
        1116: (4, [0] * count),
        1118: (8, ["/opt/"]),
    }
    package = write_rpm(tmp_path / "a.rpm", [], more=more)
    assert "200000 files" in refused(package, cache)
    assert installed_size_nodocs(package, cache) is None


def test_a_million_tags_are_refused(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x")])
    assert package.location is not None
    path = tmp_path / "a.rpm"
    content = bytearray(path.read_bytes())
    start = package.location.header_start
    content[start + 8 : start + 12] = (1_000_000).to_bytes(4, "big")
    path.write_bytes(content)
    assert "1000000 tags" in refused(package, cache)


@pytest.mark.parametrize("tag", [1028, 1030, 1034, 1035, 1036, 1037, 1039, 1040, 1116])
def test_a_column_of_another_length_is_refused(tag: int, tmp_path: Path, cache: Cache) -> None:
    kind = 8 if tag in (1035, 1036, 1039, 1040) else 3 if tag == 1030 else 4
    values: object = ["x"] * 3 if kind == 8 else [1] * 3
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x")], more={tag: (kind, values)})
    assert "1 files and 3 values" in refused(package, cache)


def test_a_deletion_of_an_oci_layer_is_refused(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/etc/.wh.passwd", b"")])
    assert "deletion" in refused(package, cache)


def test_capabilities_that_are_none_are_refused(tmp_path: Path, cache: Cache) -> None:
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x", caps="cap_of_wool=ep")])
    assert "cap_of_wool" in refused(package, cache)


def test_packages_that_want_different_things_at_one_path_are_named(
    tmp_path: Path, cache: Cache
) -> None:
    first = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x")], name="one")
    two = write_rpm(tmp_path / "b.rpm", [File("/opt/a", b"y")], name="two")
    three = write_rpm(tmp_path / "c.rpm", [Directory("/opt/a")], name="three")
    four = write_rpm(tmp_path / "d.rpm", [File("/opt/a/b", b"y")], name="four")
    for other in (two, three, four):
        with pytest.raises(FileConflictError) as caught:
            compose([first, other], cache)
        assert "/opt/a " in caught.value.what
        assert str(first.nevra) in caught.value.what
        assert str(other.nevra) in caught.value.what


def test_packages_that_disagree_on_a_directory_are_named(tmp_path: Path, cache: Cache) -> None:
    first = write_rpm(tmp_path / "a.rpm", [Directory("/opt")], name="one")
    same = write_rpm(tmp_path / "b.rpm", [Directory("/opt")], name="same")
    two = write_rpm(tmp_path / "c.rpm", [Directory("/opt", mode=0o040700)], name="two")
    three = write_rpm(tmp_path / "d.rpm", [Directory("/opt", user="bin")], name="three")
    compose([first, same], cache)
    for other in (two, three):
        with pytest.raises(FileConflictError) as caught:
            compose([first, other], cache)
        assert str(first.nevra) in caught.value.what
        assert str(other.nevra) in caught.value.what


def test_of_two_colours_the_64_bit_one_is_taken(tmp_path: Path, cache: Cache) -> None:
    wide = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"64")], name="a", more={1140: (4, [2])})
    small = write_rpm(tmp_path / "b.rpm", [File("/opt/a", b"32b")], name="b", more={1140: (4, [1])})
    assert seen_in_layer(compose([wide, small], cache))["opt/a"].size == 2


def test_a_hard_link_of_a_shared_path_comes_with_it(tmp_path: Path, cache: Cache) -> None:
    links = [File("/opt/a", inode=9), File("/opt/b", b"both", inode=9)]
    for file in links:
        file.said_digest = hashlib.sha256(b"both").hexdigest()
        file.said_size = 4
    first = write_rpm(tmp_path / "a.rpm", links, name="one")
    two = write_rpm(tmp_path / "b.rpm", [File("/opt/a", b"both")], name="two")
    for packages in ([first], [first, two]):
        files = seen_in_layer(compose(packages, cache))
        assert files["opt/a"].content == files["opt/b"].content
        assert files["opt/b"].size == 4


def test_names_that_are_no_utf_8_can_be_reported_and_composed(tmp_path: Path, cache: Cache) -> None:
    odd = "/opt/\udce4"
    why = refused(write_rpm(tmp_path / "a.rpm", [File(odd, b"x", mode=0o020644)]), cache)
    assert "/opt/\N{REPLACEMENT CHARACTER} is a device" in why
    package = write_rpm(tmp_path / "b.rpm", [File(odd, b"x")], more={1014: (6, "\udce4")})
    image = ImageDescription(
        ImageKey("w", "e", "r", "x86_64"), SnapshotState("s", ()), (), (package,), database=False
    )
    composed = compose_images([image], cache, tmp_path / "image", tmp_path / "lock")
    assert composed.digest.startswith("sha256:")
    base = Closure(image.key, image.snapshot, "ok", ())
    (change,) = file_changes(base, replace(base, packages=(package,)), cache)
    assert change.path.encode() == "/opt/\N{REPLACEMENT CHARACTER}".encode()


def test_users_cannot_write_lines_of_their_own_into_passwd(tmp_path: Path, cache: Cache) -> None:
    import base64

    line = 'u evil - "x:0:0::/:/bin/sh\nroot2:x:0:0"'
    passwd = File("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    group = File("/etc/group", b"root:x:0:\n")
    packages = [
        write_rpm(tmp_path / "a.rpm", [passwd, group], name="setup"),
        write_rpm(
            tmp_path / "b.rpm",
            [File("/opt/a", b"x", user="evil")],
            provides=[("user(evil)", base64.b64encode(line.encode()).decode())],
        ),
    ]
    files = seen_in_layer(compose(packages, cache))
    assert files["etc/passwd"].size == len(passwd.content)
    assert files["opt/a"].uid == 0


def test_what_fails_leaves_the_good_packages_parts(
    tmp_path: Path, cache: Cache, build_many: Callable[[], list[Package]]
) -> None:
    good = build_many()
    bad = write_rpm(tmp_path / "bad.rpm", [File("/opt/bad", b"x", said_digest="0")], name="zbad")
    with pytest.raises(RefusedPackageError, match="zbad"):
        compose([*good, bad], cache, jobs=1)
    compose(good, cache)
    records = list((cache.root / "fragments").glob("*/*-json"))
    assert len(records) == len(good)


@pytest.fixture
def build_many(tmp_path: Path) -> Callable[[], list[Package]]:
    def build() -> list[Package]:
        return [
            write_rpm(tmp_path / f"{n}.rpm", [File(f"/opt/{n}", b"x" * n)], name=f"good{n}")
            for n in range(1, 5)
        ]

    return build


def test_a_stripped_archive_without_names_is_read(tmp_path: Path, cache: Cache) -> None:
    # rpm writes these where a file is larger than 4 GB: only the header has the names and sizes.
    files = [Directory("/opt"), File("/opt/a", b"hello"), Link("/opt/b", link="a")]
    out = b""
    for number, file in enumerate(files):
        out += b"07070X" + b"%08x" % number
        out += bytes(-len(out) % 4)
        out += file.data
        out += bytes(-len(out) % 4)
    out += cpio([])
    package = write_rpm(tmp_path / "a.rpm", files, payload=out)
    files = seen_in_layer(compose([package], cache))
    assert files["opt/a"].size == 5
    assert files["opt/b"].content == "a"
