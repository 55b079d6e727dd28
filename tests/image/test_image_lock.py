"""Lock files: round trips, and what is refused."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError
from bot.errors import SurroundingsError, UsageError
from bot.image.compose import compose_images
from bot.image.lock import ImageDescription, read_lock
from bot.image.selection import Selection
from bot.model.closure import RepositoryState, SnapshotState
from bot.model.image import ImageKey
from tests.image.crafted import File, write_rpm

KEY = ImageKey("nginx", "minimal", "reference", "x86_64")
SNAPSHOT = SnapshotState("abc", (RepositoryState("base", "7", "2026-01-01T00:00:00Z"),))


def description(tmp_path: Path) -> ImageDescription:
    return ImageDescription(
        KEY,
        SNAPSHOT,
        ("nginx",),
        (write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x")]),),
        selection=Selection(True, ("de",)),
        database=False,
        compression="zstd",
        revision="c0ffee",
    )


def test_a_lock_says_everything_that_decides_the_digest(tmp_path: Path, cache: Cache) -> None:
    image = description(tmp_path)
    composed = compose_images([image], cache, tmp_path / "image", tmp_path / "image.lock")
    lock = read_lock(tmp_path / "image.lock")
    assert lock.images == (image,)
    assert lock.images[0].packages[0].location == image.packages[0].location
    assert lock.digest == composed.digest
    assert lock.differences() == ()
    again = compose_images(lock.images, cache, tmp_path / "again", tmp_path / "again.lock")
    assert again.digest == composed.digest
    assert (tmp_path / "again.lock").read_bytes() == (tmp_path / "image.lock").read_bytes()


def test_a_package_that_is_another_one_than_the_lock_says_is_refused(
    tmp_path: Path, cache: Cache
) -> None:
    image = description(tmp_path)
    compose_images([image], cache, tmp_path / "image", tmp_path / "image.lock")
    write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"y")])
    lock = read_lock(tmp_path / "image.lock")
    with pytest.raises(RefusedFileError, match=r"a\.rpm"):
        compose_images(lock.images, Cache(tmp_path / "empty"), tmp_path / "b", tmp_path / "b.lock")
    assert not (tmp_path / "b" / "index.json").exists()


def test_a_lock_with_another_digest_changes_nothing(tmp_path: Path, cache: Cache) -> None:
    image = description(tmp_path)
    lock_file = tmp_path / "image.lock"
    compose_images([image], cache, tmp_path / "image", lock_file)
    text = lock_file.read_text().replace('"rpm": null', '"rpm": "4.14.0"')
    lock_file.write_text(text.replace(read_lock(lock_file).digest, "sha256:other"))
    before = lock_file.read_text(), (tmp_path / "image" / "index.json").read_bytes()
    lock = read_lock(lock_file)
    with pytest.raises(SurroundingsError, match=r"not sha256:other.*rpm 4\.14\.0"):
        compose_images(lock.images, cache, tmp_path / "image", lock_file, expected=lock)
    assert (lock_file.read_text(), (tmp_path / "image" / "index.json").read_bytes()) == before


def test_two_that_write_one_layout_do_so_one_after_the_other(tmp_path: Path, cache: Cache) -> None:
    from bot.image.oci import Descriptor, Layout

    first = Layout(tmp_path / "image")
    blob = first.add("text/plain", b"first")
    second: list[Layout] = []
    other = threading.Thread(target=lambda: second.append(Layout(tmp_path / "image")))
    other.start()
    other.join(timeout=0.2)
    assert second == []
    with first:
        first.finish(Descriptor(blob.media_type, blob.digest, blob.size))
    other.join(timeout=90)
    with second[0]:
        pass


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"minimize-lock": 2}', '{"minimize-lock": 1, "images": []}', "\0"]
)
def test_what_is_no_lock_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(UsageError, match="lock"):
        read_lock(tmp_path / "lock")


@pytest.mark.parametrize(
    ("field", "value"),
    [("compression", "lzma"), ("arch", None), ("arch", "vax"), ("packages", [{}]), ("snapshot", 3)],
)
def test_a_lock_with_a_wrong_field_is_refused(
    field: str, value: object, tmp_path: Path, cache: Cache
) -> None:
    compose_images([description(tmp_path)], cache, tmp_path / "image", tmp_path / "image.lock")
    document = json.loads((tmp_path / "image.lock").read_bytes())
    if value is None:
        del document["images"][0][field]
    else:
        document["images"][0][field] = value
    (tmp_path / "lock").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="lock"):
        read_lock(tmp_path / "lock")


def test_a_checksum_that_would_be_a_path_is_refused(tmp_path: Path, cache: Cache) -> None:
    compose_images([description(tmp_path)], cache, tmp_path / "image", tmp_path / "image.lock")
    document = json.loads((tmp_path / "image.lock").read_bytes())
    document["images"][0]["packages"][0]["sha256"] = "../../../../etc/passwd"
    (tmp_path / "lock").write_text(json.dumps(document))
    with pytest.raises(UsageError):
        read_lock(tmp_path / "lock")
