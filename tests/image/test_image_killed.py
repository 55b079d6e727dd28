"""Killed at any moment and started again: nothing half is ever used."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo.distribution.reference import ReferenceDistribution
from bot.distro.cache import Cache
from bot.image.oci import Layout
from bot.image.tarformat import PartStore, PartWriter, key_of
from tests.image.test_image_same_digest import composed, files_of


@pytest.mark.reference
def test_a_killed_composition_leaves_nothing_that_the_next_one_trips_over(
    reference: ReferenceDistribution, tmp_path: Path
) -> None:
    options = ["nginx", "--arch", "ppc64le", "--config", str(reference.config_dir)]
    (tmp_path / "whole").mkdir()
    whole = composed(reference, tmp_path / "whole", options=options)
    place = tmp_path / "killed"
    place.mkdir()
    command = [str(Path(sys.executable).with_name("minimize")), "image", *options]
    command += ["--cache", str(place / "cache"), "--output", f"oci:{place / 'image'}"]
    chance = random.Random(3)
    killed = 0
    for _ in range(12):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(timeout=chance.uniform(0.2, 1.3))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        # At every moment the layout is the whole image, or not yet there.
        index = place / "image" / "index.json"
        if index.exists():
            top = json.loads(index.read_bytes())["manifests"][0]
            assert top["digest"] == whole["digest"]
            assert (
                files_of(place / "image").items() >= files_of(tmp_path / "whole" / "image").items()
            )
    assert killed > 0
    again = composed(reference, place, options=options)
    assert again["digest"] == whole["digest"]
    assert files_of(place / "image") == files_of(tmp_path / "whole" / "image")


def test_what_a_killed_process_was_writing_in_a_layout_goes_with_the_next(tmp_path: Path) -> None:
    place = tmp_path / "image"
    (place / "blobs/sha256").mkdir(parents=True)
    unfinished = [place / ".new-top", place / "blobs/sha256/.new-blob"]
    # Before oci-layout is there, and when the image was once whole.
    for _ in range(2):
        for path in unfinished:
            path.write_bytes(b"half")
        with Layout(place) as layout:
            layout.finish(layout.add("text/plain", b"whole"))
        assert sorted(files_of(place)) == [
            f"blobs/sha256/{hashlib.sha256(b'whole').hexdigest()}",
            "index.json",
            "oci-layout",
        ]


def test_a_part_whose_file_was_cut_is_made_again(cache: Cache) -> None:
    store = PartStore(cache)
    key = key_of("test")

    def fill(writer: PartWriter) -> None:
        writer.write(b"content " * 1000)

    part = store.make(key, fill)
    content = part.gzip_file.read_bytes()
    part.gzip_file.write_bytes(content[:-1])
    assert store.get(key) is None
    assert store.make(key, fill).gzip_file.read_bytes() == content
    part.zstd_file.unlink()
    assert store.get(key) is None
    assert store.make(key, fill) == part


def test_a_part_that_could_not_be_finished_is_not_there(cache: Cache) -> None:
    store = PartStore(cache)

    def fill(writer: PartWriter) -> None:
        writer.write(b"x" * 10_000_000)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        store.make(key_of("test"), fill)
    assert store.get(key_of("test")) is None
    assert [path for path in cache.root.rglob("*") if path.is_file()] == []
