"""Layered images whose base image's own rpm database says what lies beneath."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from bot.build.headers import HeaderError
from bot.build.installed import installed_packages
from bot.model.result import CheckResult, ImageResult
from bot.requests.file_images import BaseImage
from bot.settings.values import BaseImageRow
from tests.check.tiny import BASE, Bench, documented
from tests.specs import build

ImageOf = Callable[..., ImageResult]
LAYERED = "FROM example.org/tiny:1\nRUN dnf install -y tool && dnf clean all\n"
# Releases that the repository has no more, a package that it never had, a requirement unmet.
OLD = (
    BASE.replace("Version: 1", "Version: 0")
    + """\
%package -n perl-libs
Summary: p
%description -n perl-libs
%files -n perl-libs
%package -n own
Summary: of the image alone
Requires: taken-away-with-nodeps
%description -n own
%files -n own
"""
)
PLACE = "usr/lib/sysimage/rpm"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a base image of x86_64: its rpm database is all that is there."""
    root = tmp_path_factory.mktemp("base")
    build(OLD, "x86_64", root / "work", root / "rpms")
    (root / "image" / PLACE).mkdir(parents=True)
    rpms = sorted(map(str, (root / "rpms").rglob("*.rpm")))
    options = ["--justdb", "--nodeps", "--noscripts", "--ignorearch", "--nosignature"]
    database = ["--dbpath", str(root / "image" / PLACE)]
    subprocess.run(["rpm", *database, "--install", *options, *rpms], check=True)
    return root / "image"


def blob(layout: Path, content: bytes) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content), "mediaType": "x"}


def oci_layout(root: Path, layout: Path, *, architecture: str = "amd64") -> Path:
    """An OCI layout of two layers: the files below `root`, and one more file."""
    layers = []
    for number, name in enumerate((PLACE, "etc/motd")):
        path = layout.parent / f"layer{number}.tar"
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/motd").write_text("hello")
        with tarfile.open(path, "w") as archive:
            archive.add(root / name, f"./{name}")
        layers.append(blob(layout, zstandard.compress(path.read_bytes())))
    manifest = {**blob(layout, json.dumps({"layers": layers}).encode())}
    platform = {"architecture": architecture, "os": "linux"}
    index = {"manifests": [{**manifest, "platform": platform}]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return layout


@pytest.fixture
def web(tmp_path: Path, tiny_repositories: Path) -> Bench:
    bench = documented(tmp_path, tiny_repositories)
    bench.start({"Containerfile": LAYERED})
    return bench


def check(web: Bench, files: Path, text: str, **options: object) -> CheckResult:
    table = (BaseImage("example.org/tiny:*", "repo", "minimal", files=str(files)),)
    return web.check({"Containerfile": text}, base_images=table, **options)


def test_packages_of_the_base_image_stay_at_their_versions(
    web: Bench, root: Path, image_of: ImageOf
) -> None:
    text = LAYERED.replace("tool", "tool perl", 1)
    result = check(web, root, text, arches=("x86_64",))
    image = image_of(result)
    assert (image.head.status, image.head.beneath_packages) == ("ok", 3)
    # Its older perl-libs meets what perl requires, and no newer one comes in its place.
    assert [a.package.nevra.name for a in image.added] == ["perl"]
    assert (image.base.packages, image.head.packages) == (2, 3)
    assert not image.removed and not image.changed_packages
    (note,) = (n for n in result.notes if "sizes are those of its own layers" in n)
    assert note.endswith("is of its rpm database, and stays as it is.")
    assert "approximate" not in " ".join(result.notes)


def test_an_architecture_that_the_image_is_not_of_is_approximate(
    web: Bench, root: Path, image_of: ImageOf
) -> None:
    result = check(web, root, LAYERED.replace("tool", "tool perl", 1))
    assert any("approximate on aarch64: the packages of" in note for note in result.notes)
    by_arch = {image.key.arch: image for image in result.images}
    assert [len(by_arch[arch].added) for arch in ("aarch64", "x86_64")] == [2, 1]


def test_a_folder_without_a_database_is_named_and_the_environment_counts(
    web: Bench, tmp_path: Path, image_of: ImageOf
) -> None:
    (tmp_path / "empty").mkdir()
    result = check(web, tmp_path / "empty", LAYERED.replace("tool", "tool perl", 1))
    notes = " ".join(result.notes)
    assert f"The image in {tmp_path / 'empty'} has no rpm database." in notes
    assert "is approximate: the packages of the environment minimal" in notes
    assert len(image_of(result).added) == 2


def test_what_an_upgrade_makes_of_the_base_image_is_approximate(
    web: Bench, root: Path, image_of: ImageOf
) -> None:
    text = LAYERED.replace("dnf install", "dnf upgrade -y && dnf install").replace("tool", "perl")
    result = check(web, root, text, arches=("x86_64",))
    assert any("is approximate, as line 2 upgrades it: the packages of" in n for n in result.notes)
    assert "perl-libs" in {a.package.nevra.name for a in image_of(result).added}


def test_removing_what_the_base_image_has(web: Bench, root: Path, image_of: ImageOf) -> None:
    text = LAYERED.replace("dnf clean", "dnf remove -y own && dnf clean")
    image = image_of(check(web, root, text, arches=("x86_64",)))
    assert (image.base.beneath_packages, image.head.beneath_packages) == (3, 2)
    assert [package.nevra.name for package in image.removed] == ["own"]


def test_the_database_of_an_oci_layout_is_of_its_newest_layer_that_has_one(
    root: Path, tmp_path: Path
) -> None:
    layout = oci_layout(root, tmp_path / "layout")
    packages = installed_packages(layout, "x86_64")
    assert packages == installed_packages(root, "x86_64")
    assert [p.nevra.name for p in packages] == ["base", "own", "perl-libs"]
    assert {(p.nevra.version, p.source, p.repository) for p in packages} == {
        ("0", "world", "installed")
    }
    assert installed_packages(layout, "aarch64") == ()


def test_a_layer_that_is_none_and_a_link_out_of_the_image_are_refused(
    root: Path, tmp_path: Path
) -> None:
    layout = oci_layout(root, tmp_path / "layout")
    for blob in (layout / "blobs/sha256").iterdir():
        if not blob.read_bytes().startswith(b"{"):
            blob.write_bytes(b"no archive" * 100)
    with pytest.raises(HeaderError, match="cannot be read: a layer is no archive"):
        installed_packages(layout, "x86_64")
    linked = tmp_path / "linked"
    (linked / "usr/lib/sysimage").mkdir(parents=True)
    (linked / PLACE).symlink_to(root / PLACE)
    with pytest.raises(HeaderError, match="has no rpm database"):
        installed_packages(linked, "x86_64")


def test_the_path_of_a_base_images_files_is_beside_the_settings() -> None:
    row = {"image": "x:*", "repository": "r", "environment": "e"}
    model = BaseImageRow.model_validate(
        {**row, "files": "base/fedora"}, context={"base": Path("/srv")}
    )
    assert model.files == "/srv/base/fedora"
    assert BaseImageRow.model_validate(row, context={"base": Path("/srv")}).files == ""
