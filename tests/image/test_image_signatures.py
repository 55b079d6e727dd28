"""Packages of repositories with keys must be signed by one of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError
from bot.image.compose import compose_images
from bot.image.lock import ImageDescription
from bot.image.signature import check_signatures
from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from bot.model.package import Location
from tests.image.crafted import File, write_rpm

FILES = [File("/opt/a", b"x")]


@pytest.fixture(scope="module")
def signer() -> Any:
    return pysequoia.Tsk.generate("Packager <p@example.org>")


def sign(tsk: Any, content: bytes) -> bytes:
    armored = pysequoia.sign(tsk.signer(), content, mode=pysequoia.SignatureMode.DETACHED)
    return bytes(pysequoia.Sig.from_bytes(armored))


@pytest.fixture
def keys(signer: Any, tmp_path: Path) -> dict[str, tuple[str, ...]]:
    path = tmp_path / "key.asc"
    path.write_text(str(signer.extract_certificate()))
    return {"crafted": (path.as_uri(),)}


@pytest.mark.parametrize("encoded", [False, True])
def test_a_signed_package_is_taken(
    encoded: bool, signer: Any, keys: dict[str, tuple[str, ...]], tmp_path: Path, cache: Cache
) -> None:
    package = write_rpm(
        tmp_path / "a.rpm", FILES, signed=lambda c: sign(signer, c), encoded=encoded
    )
    check_signatures([package], cache, keys)


def _rpm_version(rpmkeys: str) -> tuple[int, ...]:
    said = subprocess.run([rpmkeys, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    assert found is not None
    return int(found[1]), int(found[2])


def test_what_rpm_itself_signed_and_verifies_is_laid_out_the_same(
    signer: Any, keys: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    rpmkeys = shutil.which("rpmkeys")
    if rpmkeys is None:
        pytest.skip("rpmkeys is not installed")
    write_rpm(tmp_path / "a.rpm", FILES, signed=lambda c: sign(signer, c))
    base = [rpmkeys, "--dbpath", str(tmp_path / "keys")]
    taken = subprocess.run([*base, "--import", str(tmp_path / "key.asc")], check=False)
    if taken.returncode != 0 and _rpm_version(rpmkeys) < (4, 20):
        pytest.skip("this rpm reads keys with its own parser, which does not take such a key")
    assert taken.returncode == 0
    done = subprocess.run(
        [*base, "-Kv", str(tmp_path / "a.rpm")], capture_output=True, text=True, check=False
    )
    assert "signature" in done.stdout.lower()
    assert "BAD" not in done.stdout
    assert ": OK" in done.stdout


def test_an_unsigned_package_is_refused_by_name(
    keys: dict[str, tuple[str, ...]], tmp_path: Path, cache: Cache
) -> None:
    package = write_rpm(tmp_path / "a.rpm", FILES)
    check_signatures([package], cache, {})
    with pytest.raises(RefusedFileError, match=r"a\.rpm.*not signed"):
        check_signatures([package], cache, keys)
    image = ImageDescription(
        ImageKey("w", "e", "r", "x86_64"), SnapshotState("s", ()), (), (package,), database=False
    )
    with pytest.raises(RefusedFileError):
        compose_images([image], cache, tmp_path / "image", tmp_path / "lock", keys=keys)
    assert not (tmp_path / "image").exists()


def test_another_ones_signature_is_refused(
    keys: dict[str, tuple[str, ...]], tmp_path: Path, cache: Cache
) -> None:
    stranger = pysequoia.Tsk.generate("Stranger <s@example.org>")
    package = write_rpm(tmp_path / "a.rpm", FILES, signed=lambda c: sign(stranger, c))
    with pytest.raises(RefusedFileError, match=r"a\.rpm"):
        check_signatures([package], cache, keys)


def test_a_signature_of_another_header_is_refused(
    signer: Any, keys: dict[str, tuple[str, ...]], tmp_path: Path, cache: Cache
) -> None:
    package = write_rpm(tmp_path / "a.rpm", FILES, signed=lambda c: sign(signer, c + b"x"))
    with pytest.raises(RefusedFileError):
        check_signatures([package], cache, keys)


def test_a_good_signature_is_remembered_without_its_keys(
    signer: Any, keys: dict[str, tuple[str, ...]], tmp_path: Path, cache: Cache
) -> None:
    from bot.image import signature

    package = write_rpm(tmp_path / "a.rpm", FILES, signed=lambda c: sign(signer, c))
    check_signatures([package], cache, keys)
    signature._keys.cache_clear()
    (tmp_path / "key.asc").unlink()
    check_signatures([package], cache, keys)


def test_a_header_that_came_alone_and_is_another_one_is_refused(
    tmp_path: Path, cache: Cache
) -> None:
    # A mirror may say one thing when asked for a header, and another when asked for the file.
    good = write_rpm(tmp_path / "good.rpm", FILES)
    lie = write_rpm(tmp_path / "lie.rpm", [File("/opt/b", b"x")])
    assert good.location is not None
    assert lie.location is not None
    reported = Location(
        lie.location.url,
        "sha256",
        good.location.checksum,
        lie.location.size,
        lie.location.header_start,
        lie.location.header_end,
    )
    from bot.image.listing import listing
    from tests.image.layers import compose

    listing(replace(good, location=reported), cache)
    with pytest.raises(RefusedFileError, match="another one"):
        compose([good], cache)
    # The lie is forgotten: the next try is right.
    assert compose([good], cache).size.uncompressed > 0
