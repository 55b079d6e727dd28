"""The same digest: with empty caches, as another user, with other workers, time and tongue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.demo.distribution.reference import ReferenceDistribution

# With a cache that holds nothing, each of these composes the whole image by itself.
_WAYS: dict[str, tuple[Sequence[str], dict[str, str], Sequence[str]]] = {
    "again": ((), {}, ()),
    "one worker": ((), {}, ("--jobs", "1")),
    "five workers": ((), {}, ("--jobs", "5")),
    "Kathmandu": ((), {"TZ": "Asia/Kathmandu"}, ()),
    "Turkish": ((), {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}, ()),
    "C": ((), {"LC_ALL": "C", "PYTHONUTF8": "0"}, ()),
    "another hash seed": ((), {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}, ()),
    "another umask": (("sh", "-c", 'umask 077; exec "$@"', "sh"), {}, ()),
    "another user": (("unshare", "--user", "--map-user=1234", "--map-group=1234"), {}, ()),
}


def composed(
    reference: ReferenceDistribution,
    place: Path,
    prefix: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    options: Sequence[str] = (),
) -> dict[str, object]:
    command = [*prefix, str(Path(sys.executable).with_name("minimize")), "image"]
    places = ["--cache", str(place / "cache"), "--output", f"oci:{place / 'image'}"]
    done = subprocess.run(
        [*command, *places, "--format", "json", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def files_of(layout: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(layout)): path.read_bytes()
        for path in sorted(layout.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def first(
    reference: ReferenceDistribution, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, object], Path]:
    place = tmp_path_factory.mktemp("first")
    return composed(reference, place, options=_nginx(reference)), place


def _nginx(reference: ReferenceDistribution) -> list[str]:
    return ["nginx", "--arch", "s390x", "--config", str(reference.config_dir)]


@pytest.mark.reference
@pytest.mark.parametrize("way", _WAYS)
def test_an_image_composed_anew_is_the_same(
    way: str,
    first: tuple[dict[str, object], Path],
    reference: ReferenceDistribution,
    tmp_path: Path,
) -> None:
    prefix, environment, options = _WAYS[way]
    again = composed(reference, tmp_path, prefix, environment, [*_nginx(reference), *options])
    assert again["digest"] == first[0]["digest"]
    assert files_of(tmp_path / "image") == files_of(first[1] / "image")


@pytest.mark.reference
def test_the_lock_alone_makes_the_same_digest(
    first: tuple[dict[str, object], Path], reference: ReferenceDistribution, tmp_path: Path
) -> None:
    again = composed(reference, tmp_path, options=["--lock", str(first[0]["lock"])])
    assert again["digest"] == first[0]["digest"]
    assert again["packages"] == first[0]["packages"]
    assert files_of(tmp_path / "image") == files_of(first[1] / "image")


@pytest.mark.reference
def test_a_warm_cache_and_another_compression_keep_the_archive(
    first: tuple[dict[str, object], Path], reference: ReferenceDistribution
) -> None:
    place = first[1]
    options = [*_nginx(reference), "--compression", "zstd"]
    (place / "zstd").mkdir()
    (place / "zstd" / "cache").symlink_to(place / "cache")
    other = composed(reference, place / "zstd", options=options)
    assert other["layer"] == first[0]["layer"]
    assert other["digest"] != first[0]["digest"]
    assert _diff_ids(place / "zstd" / "image") == _diff_ids(place / "image")


def _diff_ids(layout: Path) -> list[str]:
    def blob(descriptor: dict[str, str]) -> dict[str, object]:
        digest = descriptor["digest"].removeprefix("sha256:")
        found: dict[str, object] = json.loads((layout / "blobs" / "sha256" / digest).read_bytes())
        return found

    index = json.loads((layout / "index.json").read_bytes())
    manifest = blob(index["manifests"][0])
    config = blob(manifest["config"])  # type: ignore[arg-type]
    ids: list[str] = config["rootfs"]["diff_ids"]  # type: ignore[index]
    return ids
