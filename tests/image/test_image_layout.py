"""Layouts: other tools accept them, and the programs in them run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.distro.cache import Cache
from bot.errors import UsageError
from bot.image.compose import ComposedLayout, compose_images
from bot.image.lock import ImageDescription
from bot.model.closure import Closure, SnapshotState
from bot.model.image import ImageKey
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Bind, Limits
from tests.image.crafted import File, write_rpm

Make = Callable[..., ComposedLayout]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


@pytest.fixture
def image_of(solve: Callable[[str, str], Closure], reference_cache: Cache, tmp_path: Path) -> Make:
    def make(workload: str, arches: Sequence[str], **more: Any) -> ComposedLayout:
        images = [
            ImageDescription(
                key=closure.key,
                snapshot=closure.snapshot,
                requests=(workload,),
                packages=closure.packages,
                **more,
            )
            for closure in (solve(workload, arch) for arch in arches)
        ]
        return compose_images(images, reference_cache, tmp_path / "image", tmp_path / "image.lock")

    return make


@pytest.mark.reference
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_skopeo_inspects_and_copies_the_layout(
    compression: str, image_of: Make, tmp_path: Path
) -> None:
    skopeo = tool("skopeo")
    composed = image_of("nginx", ["x86_64"], compression=compression, revision="abc123")
    shown = json.loads(
        output_of(skopeo, "--override-arch=amd64", "inspect", f"oci:{composed.layout}")
    )
    assert shown["Digest"] == composed.digest
    assert shown["Architecture"] == "amd64"
    assert shown["Labels"]["minimize.snapshot"] == composed.images[0].description.snapshot.id
    assert shown["Labels"]["org.opencontainers.image.revision"] == "abc123"
    output_of(skopeo, "copy", f"oci:{composed.layout}:nginx", f"dir:{tmp_path / 'copy'}")
    # skopeo itself checks digests and sizes; that nothing was left behind is asked here.
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_bytes())
    assert (tmp_path / "copy" / manifest["layers"][0]["digest"].split(":")[1]).exists()


@pytest.mark.reference
def test_several_architectures_make_an_index(image_of: Make) -> None:
    skopeo = tool("skopeo")
    composed = image_of("nginx", ["aarch64", "ppc64le", "s390x", "x86_64"])
    for arch in ("amd64", "arm64", "ppc64le", "s390x"):
        shown = json.loads(
            output_of(skopeo, f"--override-arch={arch}", "inspect", f"oci:{composed.layout}")
        )
        assert shown["Architecture"] == arch
        assert shown["Digest"] == composed.digest
    index = json.loads(blob(composed.layout, composed.digest))
    assert [one["digest"] for one in index["manifests"]] == [i.digest for i in composed.images]


_PROGRAMS = {
    "nginx": (["/usr/sbin/nginx", "-v"], "nginx version: nginx/1.22"),
    "python": (["/usr/bin/python3", "-c", "import ssl, json; print(6 * 7)"], "42"),
    "curl": (["/usr/bin/curl", "--version"], "libcurl/7.88"),
}


@pytest.mark.reference
@pytest.mark.parametrize("workload", _PROGRAMS)
def test_the_programs_of_unpacked_images_run(workload: str, image_of: Make, tmp_path: Path) -> None:
    umoci = tool("umoci")
    composed = image_of(workload, ["x86_64"])
    bundle = tmp_path / "bundle"
    output_of(umoci, "unpack", "--image", f"{composed.layout}:{workload}", str(bundle))
    program, expected = _PROGRAMS[workload]
    ran = run_sandboxed(program, root=bundle / "rootfs", chdir="/", limits=Limits(seconds=60))
    assert expected in (ran.stdout + ran.stderr).decode(), ran


@pytest.mark.reference
@pytest.mark.parametrize("workload", _PROGRAMS)
def test_the_programs_of_another_architecture_run_under_emulation(
    workload: str, image_of: Make, tmp_path: Path
) -> None:
    qemu, umoci = tool("qemu-aarch64"), tool("umoci")
    composed = image_of(workload, ["aarch64"])
    bundle = tmp_path / "bundle"
    output_of(umoci, "unpack", "--image", f"{composed.layout}:{workload}", str(bundle))
    (path, *arguments), expected = _PROGRAMS[workload]
    ran = run_sandboxed(
        [qemu, "-L", "/image", f"/image{path}", *arguments],
        binds=[Bind(bundle / "rootfs", "/image")],
        env={"PYTHONHOME": "/image/usr"},
        limits=Limits(seconds=120, memory=2 << 30),
    )
    assert expected in (ran.stdout + ran.stderr).decode(), ran


@pytest.mark.reference
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_the_storage_of_podman_and_buildah_takes_the_image(
    compression: str, image_of: Make, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("container storage of its own needs root")
    composed = image_of("nginx", ["x86_64"], compression=compression)
    place = f"containers-storage:[vfs@{tmp_path / 'root'}+{tmp_path / 'run'}]localhost/nginx:latest"
    output_of(tool("skopeo"), "--override-arch=amd64", "copy", f"oci:{composed.layout}", place)
    (unpacked,) = (tmp_path / "root" / "vfs" / "dir").iterdir()
    ran = run_sandboxed(["/usr/sbin/nginx", "-v"], root=unpacked, chdir="/")
    assert b"nginx/1.22" in ran.stdout + ran.stderr
    assert unpacked.stat().st_mode & 0o777 == 0o755


@pytest.mark.reference
def test_a_bill_of_materials_is_attached_to_the_image(image_of: Make) -> None:
    composed = image_of("nginx", ["x86_64"])
    index = json.loads((composed.layout / "index.json").read_bytes())
    (referrer,) = index["annotations"]["minimize.referrers"].split()
    artifact = json.loads(blob(composed.layout, referrer))
    assert artifact["subject"]["digest"] == composed.digest
    assert artifact["artifactType"] == "application/vnd.cyclonedx+json"
    bill = json.loads(blob(composed.layout, artifact["layers"][0]["digest"]))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == composed.digest
    packages = composed.images[0].description.packages
    assert len(bill["components"]) == len(packages)
    by_name = {one["name"]: one for one in bill["components"]}
    nginx = next(p for p in packages if p.nevra.name == "nginx")
    assert nginx.location is not None
    assert by_name["nginx"]["hashes"] == [{"alg": "SHA-256", "content": nginx.location.checksum}]
    assert by_name["nginx"]["purl"].startswith("pkg:rpm/reference/nginx@1.22.1-9")


def test_every_blob_has_the_digest_of_its_name_and_none_is_left_over(
    tmp_path: Path, cache: Cache
) -> None:
    layout = tmp_path / "image"
    for content in (b"old", b"new"):
        package = write_rpm(tmp_path / f"{content.decode()}.rpm", [File("/opt/a", content)])
        image = ImageDescription(
            ImageKey("w", "e", "r", "x86_64"),
            SnapshotState("s", ()),
            (),
            (package,),
            database=False,
        )
        compose_images([image], cache, layout, tmp_path / "lock")
    names = [path.name for path in (layout / "blobs" / "sha256").iterdir()]
    # Layer, configuration, manifest; bill of materials, empty configuration, its manifest.
    assert len(names) == 6
    for path in (layout / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path, cache: Cache) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("ten years")
    package = write_rpm(tmp_path / "a.rpm", [File("/opt/a", b"x")])
    image = ImageDescription(
        ImageKey("w", "e", "r", "x86_64"), SnapshotState("s", ()), (), (package,), database=False
    )
    with pytest.raises(UsageError, match="no OCI layout"):
        compose_images([image], cache, mine, tmp_path / "lock")
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
